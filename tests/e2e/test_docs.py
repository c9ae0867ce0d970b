# SPDX-License-Identifier: Apache-2.0
"""What the tutorial and the how-to pages tell their readers to run works as it stands there."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from envtest import waiting
from envtest.contract import GROUP
from envtest.controlplane import capi
from envtest.controlplane.tenants import Tenant
from envtest.lab.documents import Reader
from envtest.lab.lab import Lab
from envtest.lab.management import Management
from envtest.lab.releases import core_version

DOCS = Path(__file__).parent.parent.parent / "docs"
HOW_TO = DOCS / "how-to"
VERSION = "v2.1.0"


@contextmanager
def reader(management: Management, folder: Path) -> Generator[Reader]:
    """Somebody with a cluster, and the releases in the folder `out`."""
    clusterctl = management.lab.clusterctl(management.series)
    reader = Reader(folder, management.kubeconfig, clusterctl)
    (folder / "out").symlink_to(management.lab.repository.folder)
    for name in ("config", "api"):
        (folder / name).symlink_to(DOCS.parent / name)
    yield reader


def test_the_tutorial(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        printed = person.follow(DOCS / "tutorial" / "first-cluster.md")

        assert "10.10.0.10/24 via 10.10.0.1" in "".join(printed)


@pytest.mark.parametrize(
    "way",
    [
        "With clusterctl",
        "With kubectl alone",
        "Without cert-manager",
        "Two managers",
        "In one namespace only",
    ],
)
def test_installing(lab: Lab, tmp_path: Path, way: str) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        management.init_core()
        person.follow(HOW_TO / "install.md", way)

        management.await_webhooks()
        tenant = Tenant(management, "default")
        tenant.add_pool("blue", "10.0.0.10")
        tenant.add_claim("web", "blue")
        assert tenant.bound("web") == ["10.0.0.10"]


def test_combining_components(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        person.follow(HOW_TO / "install.md", "Several of these together")

    kinds = {
        it["kind"] for it in yaml.safe_load_all((tmp_path / "ipam-components.yaml").read_text())
    }
    assert {"Deployment", "PodDisruptionBudget", "ServiceMonitor"} <= kinds


def test_upgrading(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1, capi.PREVIOUS) as management:
        management.init(VERSION)
        management.use(capi.NEWEST)
        with reader(management, tmp_path) as person:
            person.follow(HOW_TO / "upgrade.md")

        assert management.running_version() == management.releases[1]
        assert management.core_version() == core_version(capi.NEWEST)


def test_upgrading_from_the_go_provider(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        management.init("v1.1.0")
        person.follow(HOW_TO / "upgrade-from-the-go-provider.md")

        assert management.running_version() == VERSION


def test_moving(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as source, Management(lab, 2) as target:
        for place in (source, target):
            place.init(VERSION)
        tenant = Tenant(source, source.new_namespace("team"))
        tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
        tenant.add_claim("web", "blue")
        tenant.bound("web")
        with reader(source, tmp_path) as person:
            (tmp_path / "target.kubeconfig").symlink_to(target.kubeconfig)
            person.follow(HOW_TO / "move.md")

        assert tenant.bound("web") == ["10.0.0.10"]


def test_without_the_internet(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        management.init_core()
        printed = person.follow(HOW_TO / "air-gapped.md")

        assert "mirror.example/" in printed[-1]


def test_uninstalling(lab: Lab, tmp_path: Path) -> None:
    with Management(lab, 1) as management, reader(management, tmp_path) as person:
        management.init(VERSION)
        tenant = Tenant(management, "default")
        tenant.add_pool("blue", "10.0.0.10")
        tenant.add_claim("web", "blue")
        tenant.bound("web")

        person.follow(HOW_TO / "uninstall.md")

        crds = management.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
        name = f"inclusterippools.{GROUP}"
        waiting.until("the CRDs are gone", lambda: crds.find(name), lambda found: found is None)
