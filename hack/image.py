# SPDX-License-Identifier: Apache-2.0
"""`make image-rootfs`: what the Dockerfile builds, without a container engine.

    OUT/rootfs   the root file system: Python from Debian packages, the locked wheels, this project
    OUT/oci      the same as an image in OCI layout, for skopeo, podman or a registry

Flow: mmdebstrap extracts Debian's packages; pip installs inside, from wheels that it fetched and
checked outside; what nothing needs at run time goes; umoci packs it.  What the image says of itself
(user, entry point, environment, labels) is read from the Dockerfile.  Times are those of the
commit.  Nothing is built again while nothing has changed that goes in.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "Dockerfile"
LOCK = ROOT / "requirements.lock"
SUITE = "bookworm"  # the Debian release with the Python that the lock is tested with here
PACKAGES = ("python3.11",)
HOME = "opt/ipam-in-cluster"  # as in the Dockerfile
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "umoci": "umoci",
    "chroot": "coreutils",
}
"""What must be on PATH, and the Debian package that brings it."""
NOT_NEEDED = (
    # Package tools, and what people read: nobody logs in to this image.
    "bin/tar",
    "usr/bin/dpkg*",
    "usr/bin/update-alternatives",
    "usr/bin/pdb*",
    "usr/bin/pydoc*",
    "usr/bin/pygettext*",
    "usr/sbin/*",
    "sbin/start-stop-daemon",
    "usr/share/*",
    "usr/lib/python3.11/ensurepip",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/lib2to3",
    "usr/lib/python3.11/pydoc_data",
    "usr/libexec",
    "etc/alternatives",
    "etc/apt",
    "etc/cron.*",
    "etc/dpkg",
    "etc/fstab",
    "etc/hostname",  # of the machine that builds it
    "etc/resolv.conf",  # likewise
    "etc/rmt",
    "etc/logrotate.d",
    "var/cache/*",
    "var/lib/apt",
    "var/log/*",
    f"{HOME}/bin/[Aa]ctivate*",
)
MOUNT_POINTS = ("dev", "etc", "proc", "sys", "tmp")
SOURCES = (
    *("api", "cli", "controller", "conversion", "crdkit", "generator", "ipam", "kube"),
    *("manager", "objects", "webhook"),
    *("pyproject.toml", "Dockerfile", "requirements.lock", "hack/build_info.py", "hack/image.py"),
)
"""What goes into the image, or decides what does."""


class ImageError(Exception):
    """The image can't be built; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the Dockerfile's last stage says of the image."""

    user: str = ""
    entrypoint: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])


def settings(dockerfile: str) -> Settings:
    """Read ENV, LABEL, USER and ENTRYPOINT of the last stage."""
    stage = re.split(r"(?m)^FROM .*$", dockerfile.replace("\\\n", " "))[-1]
    said = {word: re.findall(rf"(?m)^{word} (.*)$", stage) for word in ("ENV", "LABEL")}
    pairs = {
        word: dict(re.findall(r'([\w.]+)="?([^"\s]*)"?', " ".join(lines)))
        for word, lines in said.items()
    }
    user = re.search(r"(?m)^USER (\S+)$", stage)
    entrypoint = re.search(r"(?m)^ENTRYPOINT (\[.*\])$", stage)
    if user is None or entrypoint is None:
        raise ImageError("Dockerfile: its last stage needs USER and ENTRYPOINT")
    return Settings(user[1], tuple(json.loads(entrypoint[1])), pairs["ENV"], pairs["LABEL"])


def build(out: Path) -> None:
    """Write OUT/rootfs and OUT/oci, unless they are there already, made of the same.

    Raises:
        ImageError: a program or a right is missing, or a step failed.
    """
    stamp, made_of = out / "made-of", _digest()
    if stamp.exists() and stamp.read_text() == made_of:
        return
    _require()
    if out.exists():
        _run(["rm", "-rf", "--one-file-system", str(out)])
    out.mkdir(parents=True)
    rootfs = out / "rootfs"
    _debian(rootfs)
    _python(rootfs)
    _trim(rootfs)
    _date(rootfs)
    _pack(rootfs, out / "oci", settings(DOCKERFILE.read_text()))
    stamp.write_text(made_of)


def _require() -> None:
    if os.geteuid() != 0:
        raise ImageError("a root file system needs root: use sudo")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise ImageError(f"{program} is missing: install the Debian package {package}")


def _debian(rootfs: Path) -> None:
    """Extract the packages; nothing of them is configured, so no shell is needed."""
    include = f"--include={','.join(PACKAGES)}"
    _run(["mmdebstrap", "--quiet", "--variant=extract", include, SUITE, str(rootfs)])
    for name in MOUNT_POINTS:
        (rootfs / name).mkdir(exist_ok=True)
    (rootfs / "tmp").chmod(0o1777)
    (rootfs / "etc" / "passwd").write_text("nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n")
    (rootfs / "etc" / "group").write_text("nonroot:x:65532:\n")


def _python(rootfs: Path) -> None:
    """Make the virtual environment, inside, from wheels that were fetched outside."""
    inside = ["chroot", str(rootfs)]
    python = f"/{HOME}/bin/python"
    _run([*inside, "/usr/bin/python3.11", "-m", "venv", "--without-pip", f"/{HOME}"])
    wheels = rootfs / "wheels"
    wheels.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(LOCK)]
    _run([*pip, "download", *locked, "--dest", str(wheels)])
    _run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, str(ROOT)])
    with tempfile.TemporaryDirectory() as scratch:
        _run([*pip, "download", "--no-deps", "--dest", scratch, "pip"])
        (installer,) = Path(scratch).iterdir()
        shutil.copy(installer, rootfs / "pip.whl")
    names = [f"/wheels/{wheel.name}" for wheel in sorted(wheels.iterdir())]
    run_pip = [python, "/pip.whl/pip", "--quiet", "install", "--no-index", "--no-deps"]
    _run([*inside, *run_pip, "--no-compile", "--root-user-action=ignore", *names])
    shutil.rmtree(wheels)
    (rootfs / "pip.whl").unlink()
    for link, target in {"manager": "ipam-in-cluster-manager", "ipam-in-cluster": ""}.items():
        place = rootfs / link if target else rootfs / "usr" / "local" / "bin" / link
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(f"/{HOME}/bin/{target or link}")


def _trim(rootfs: Path) -> None:
    """Take away what nothing needs, then compile what is left."""
    for pattern in NOT_NEEDED:
        for path in rootfs.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in list(rootfs.rglob("__pycache__")):
        shutil.rmtree(path)
    compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    folders = [f"/{HOME}/lib", "/usr/lib/python3.11"]
    _run(["chroot", str(rootfs), f"/{HOME}/bin/python", *compiled, *folders])


def _date(rootfs: Path) -> None:
    """Give every file the commit's time."""
    seconds = _epoch()
    for path in (rootfs, *rootfs.rglob("*")):
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def _pack(rootfs: Path, layout: Path, said: Settings) -> None:
    """Write the image, of one layer."""
    image = f"{layout}:latest"
    date = f"{_epoch()}"
    created = _output(["date", "--utc", "--date", f"@{date}", "+%Y-%m-%dT%H:%M:%SZ"]).strip()
    _run(["umoci", "init", "--layout", str(layout)])
    _run(["umoci", "new", "--image", image])
    _run(["umoci", "insert", "--no-history", "--image", image, str(rootfs), "/"])
    options = [f"--config.user={said.user}", f"--created={created}", "--no-history"]
    options += [f"--config.entrypoint={word}" for word in said.entrypoint]
    options += [f"--config.env={name}={value}" for name, value in said.environment.items()]
    options += [f"--config.label={name}={value}" for name, value in said.labels.items()]
    _run(["umoci", "config", "--image", image, *options])
    _run(["umoci", "gc", "--layout", str(layout)])


def _digest() -> str:
    digest = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        files = sorted(path.rglob("*.*")) if path.is_dir() else [path]
        for file in (file for file in files if file.is_file() and file.suffix != ".pyc"):
            digest.update(f"{file.relative_to(ROOT)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _epoch() -> int:
    """Return the time of everything in the image, in seconds after 1970."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    return int(said or _output(["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]))


def _output(command: Sequence[str]) -> str:
    return _run(command).stdout


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "")}
    if not environment["SOURCE_DATE_EPOCH"]:
        del environment["SOURCE_DATE_EPOCH"]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode != 0:
        raise ImageError(f"{command[0]} failed with status {done.returncode}:\n{done.stderr}")
    return done


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/image"))
def main(out: Path) -> None:
    """Build the root file system and the OCI layout."""
    try:
        build(out.resolve())
    except ImageError as error:
        sys.exit(f"image: {error}")
    size = _output(["du", "-sh", str(out / "rootfs")]).split()[0]
    packed = _output(["du", "-sh", str(out / "oci")]).split()[0]
    click.echo(f"{out / 'rootfs'}: {size}; {out / 'oci'}: {packed}")


if __name__ == "__main__":
    main()
