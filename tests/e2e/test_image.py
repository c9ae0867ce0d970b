# SPDX-License-Identifier: Apache-2.0
"""The image: what is in it, what it says of itself, and how it runs."""

import json
import os
import stat
from pathlib import Path

import yaml

from envtest.client import Json
from envtest.lab import runc
from envtest.lab.lab import Lab
from envtest.lab.management import DEPLOYMENT, Management

ROOT = Path(__file__).parent.parent.parent
ROOTFS = ROOT / "out" / "image" / "rootfs"
LAYOUT = ROOT / "out" / "image" / "oci"
NOBODY = 65532
MIB = 2**20
TOOLS = {"sh", "bash", "dash", "busybox", "apt", "dpkg", "pip", "pip3", "cc", "gcc", "ld", "tar"}
OLD = """\
apiVersion: ipam.cluster.x-k8s.io/v1alpha1
kind: InClusterIPPool
metadata:
  name: old
spec:
  subnet: 10.9.0.0/24
"""


def files() -> list[Path]:
    return [path for path in ROOTFS.rglob("*") if path.is_file() and not path.is_symlink()]


def test_there_is_nothing_in_it_to_log_in_with_or_to_install_with() -> None:
    found = {path.name for path in files() if path.stat().st_mode & stat.S_IXUSR}

    assert found & TOOLS == set()
    assert not (ROOTFS / "opt/ipam-in-cluster/lib/python3.11/site-packages/pip").exists()


def test_no_file_in_it_gives_more_rights() -> None:
    special = stat.S_ISUID | stat.S_ISGID

    assert [path for path in files() if path.stat().st_mode & special] == []


def blob(digest: str) -> Json:
    found: Json = json.loads((LAYOUT / "blobs" / digest.replace(":", "/")).read_text())
    return found


def test_the_image_says_of_itself_what_the_dockerfile_says() -> None:
    (reference,) = json.loads((LAYOUT / "index.json").read_text())["manifests"]
    manifest = blob(reference["digest"])
    config = blob(manifest["config"]["digest"])["config"]

    assert len(manifest["layers"]) == 1
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/manager"]
    assert {"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"} <= set(config["Env"])
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name, value in config["Labels"].items():
        assert f'{name}="{value}"' in dockerfile
    assert "USER 65532:65532" in dockerfile
    assert 'ENTRYPOINT ["/manager"]' in dockerfile


def test_the_command_line_works_in_it(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "old.yaml").write_text(OLD)
    for path in (tmp_path.parent, tmp_path, folder):
        path.chmod(0o755)
    command = ("/usr/local/bin/ipam-in-cluster", "convert", "--to=v1alpha2", "-f", "/in/old.yaml")
    spec = runc.Spec(ROOTFS, command, NOBODY, volumes={"/in": (folder, False)})
    log = lab.folder / "convert.txt"

    with runc.Container("convert", spec, lab.folder / "convert", log) as container:
        assert container.wait(30) == 0

    assert yaml.safe_load(log.read_text())["spec"]["addresses"] == ["10.9.0.1-10.9.0.254"]


def test_the_manager_starts_in_it(lab: Lab) -> None:
    with Management(lab, 1) as management:
        management.init("v2.1.0")
        pod = management.cluster.kubelet.pod(DEPLOYMENT)
        assert pod.container is not None
        lab.note("  manager: container started to ready", pod.ready_seconds)
        lab.note("  manager: RSS", pod.container.rss_bytes() / MIB, "MiB")
    size = sum(path.stat().st_size for path in files())
    packed = sum(path.stat().st_size for path in LAYOUT.rglob("*") if path.is_file())
    lab.note("  image: size of its files", size / MIB, "MiB")
    lab.note("  image: packed", packed / MIB, "MiB")


def test_it_is_not_written_to() -> None:
    newest = max(os.lstat(found).st_mtime for found in ROOTFS.rglob("*"))

    assert newest == os.lstat(ROOTFS).st_mtime
