# SPDX-License-Identifier: Apache-2.0
"""A lab for the whole run; `make e2e` runs these tests in namespaces of their own."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from envtest import plugin
from envtest.controlplane import capi
from envtest.lab import MARK
from envtest.lab.images import Image
from envtest.lab.lab import Lab, scratch

HERE = Path(__file__).parent
ROOTFS = Path(os.environ.get("IPAM_IN_CLUSTER_ROOTFS", "out/image/rootfs")).resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where no lab can be built."""
    if MARK in os.environ:
        return
    left_out = pytest.mark.skip(reason="needs namespaces of its own: make e2e")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(left_out)


@pytest.fixture(scope="module", params=capi.SERIES)
def series(request: pytest.FixtureRequest) -> str:
    """Each series of Cluster API in turn, the newest first."""
    return str(request.param)


@pytest.fixture(scope="session")
def lab() -> Generator[Lab]:
    """The run's lab, with everything published; its figures are printed at the end."""
    lab = Lab(scratch())
    plugin.show_logs_of(lab.folder)
    with lab.step("publish releases"):
        lab.publish(Image(ROOTFS, ("/manager",), {"PYTHONUNBUFFERED": "1"}))
    yield lab
    width = max(len(what) for what, _ in lab.figures)
    print()  # noqa: T201 - figures are for people
    for what, figure in lab.figures:
        print(f"{what:{width}} {figure}")  # noqa: T201 - as above
