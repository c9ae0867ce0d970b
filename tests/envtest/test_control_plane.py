# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from envtest import errors
from envtest.controlplane import control_plane

ETCD = "#!/bin/sh\nexec sleep 600\n"
APISERVER = "#!/bin/sh\necho 'Error: unknown flag: --shiny' >&2\nexit 1\n"


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of the right names: one that waits, and one that fails at once."""
    folder = tmp_path / "assets"
    folder.mkdir()
    scripts = {"etcd": ETCD, "kube-apiserver": APISERVER}
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))


@pytest.mark.usefixtures("assets")
def test_a_failed_start_quotes_the_log_and_leaves_nothing_running(tmp_path: Path) -> None:
    plane = control_plane.ControlPlane(tmp_path)

    with pytest.raises(errors.StartError, match="unknown flag: --shiny"), plane:
        pass

    assert not plane.etcd.running
    assert not plane.apiserver.running


@pytest.mark.usefixtures("assets")
def test_two_control_planes_share_no_port(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()

    one, two = (control_plane.ControlPlane(folder) for folder in folders)

    assert one.server != two.server


@pytest.mark.usefixtures("assets")
def test_a_name_that_no_certificate_can_carry_is_refused(tmp_path: Path) -> None:
    plane = control_plane.ControlPlane(tmp_path)

    with pytest.raises(ValueError, match="64"):
        plane.kubeconfig("x" * 65)


@pytest.mark.usefixtures("assets")
def test_who_reads_a_kubeconfig_that_is_being_renewed_reads_a_whole_one(tmp_path: Path) -> None:
    plane = control_plane.ControlPlane(tmp_path)
    path = plane.kubeconfig("somebody")

    with path.open() as reading:
        before = reading.read()
        plane.kubeconfig("somebody", namespace="another")
        reading.seek(0)

        assert reading.read() == before
    assert "another" in path.read_text()
