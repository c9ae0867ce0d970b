# SPDX-License-Identifier: Apache-2.0
"""`make dev` and `make dev-down`."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from envtest import processes
from envtest.controlplane import binaries, dev

pytestmark = pytest.mark.control_plane
ENVTEST = (sys.executable, "-m", "envtest")
POOLS = "inclusterippools.v1alpha2.ipam.cluster.x-k8s.io"


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    yield tmp_path / ".dev"
    dev.down(tmp_path / ".dev")


def identities(folder: Path) -> list[processes.Identity]:
    state = json.loads((folder / dev.STATE).read_text())
    return [processes.Identity(**fields) for fields in state["processes"]]


def run(*command: str | Path, **environment: str) -> str:
    """Run a command from the repository's root; return what it printed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=Path(dev.__file__).parent.parent,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_up_starts_serves_kubectl_until_down(folder: Path) -> None:
    printed = run(*ENVTEST, "up", folder)
    started = identities(folder)
    first, hint = printed.splitlines()
    kubeconfig = first.removeprefix("export KUBECONFIG=")
    assert hint.endswith("/kubectl-ipam map")
    home = {"HOME": str(folder), "KUBECONFIG": kubeconfig}
    assert "No resources found" in run(binaries.find(binaries.KUBECTL), "get", POOLS, **home)
    assert run(*ENVTEST, "up", folder) == printed  # the second finds what the first started
    assert identities(folder) == started

    run(*ENVTEST, "down", folder)

    assert [identity for identity in started if identity.alive()] == []
    assert not folder.exists()


def test_down_ends_nobody_elses_process(folder: Path) -> None:
    mine = processes.Identity.of(os.getpid())
    assert mine is not None
    stranger = {"pid": mine.pid, "started": mine.started + "0"}
    folder.mkdir()
    (folder / dev.STATE).write_text(json.dumps({"kubeconfig": "", "processes": [stranger]}))

    dev.down(folder)

    assert mine.alive()
    assert not folder.exists()


def test_down_without_up_is_fine(folder: Path) -> None:
    dev.down(folder)

    assert not folder.exists()
