# SPDX-License-Identifier: Apache-2.0
"""`make plugin`: pack `kubectl ipam` for the platform of this machine, with Python in the archive.

    OUT/kubectl-ipam_OS_ARCH.tar.gz
        kubectl-ipam    the program
        _internal/      Python, and each module that the program can import
        LICENSE         the licence of this repository
        licences/       the licences of all packages in _internal

Flow: uv installs the locked dependencies and PyInstaller into a fresh environment, PyInstaller
collects what `kubectl_ipam.py` imports, and `licences` finds the licence of each file.  The same
commit, Python and system give the same bytes.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import click

from generator import rbac
from hack import build_info

from . import licences, platforms
from .errors import KrewError

ROOT = Path(__file__).parents[2]
OUT = Path("out/krew")
PROJECT = "cluster-api-ipam-provider-in-cluster"
LOCKS = ("requirements.lock", "requirements-plugin.lock")
NOT_NEEDED = ("markdown_it", "pygments", "setuptools", "unittest")
"""rich renders Markdown and highlights code by the first two, and no command prints either.  cffi
builds modules by setuptools, and uvloop tests itself by unittest."""
LEVEL = 6  # gzip's own default; 9 takes three times as long, for half a percent
BINUTILS = ("objcopy", "objdump", "strip")  # the programs that PyInstaller runs on Linux


def build(out: Path) -> Path:
    """Write the archive, and return its path.

    Raises:
        KrewError: the platform has no archive, a program is missing, or a step failed.
    """
    archive = out / platforms.file_name(platforms.current())
    _check_binutils()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _commit_time())
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = _collect(Path(scratch).resolve())
        pack(folder, archive)
    return archive


def pack(folder: Path, archive: Path) -> None:
    """Write all files of a folder; their order, owners and times do not depend on the machine.

    krew unpacks only files and folders, so a link becomes a copy.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", dereference=True) as tar,
    ):
        for path in files:
            tar.add(path, path.relative_to(folder), filter=_reproducible)


def _reproducible(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(os.environ["SOURCE_DATE_EPOCH"])
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def _check_binutils() -> None:
    if sys.platform == "linux":
        for program in BINUTILS:
            if shutil.which(program) is None:
                raise KrewError(f"{program} is missing: install the Debian package binutils")


def _collect(scratch: Path) -> Path:
    """Return a folder with the program, and all that it needs."""
    python = _environment(scratch / "venv")
    (scratch / "build.json").write_text(build_info.build_info(str(ROOT)))
    description = metadata.distribution(PROJECT).read_text("METADATA") or ""
    (scratch / "METADATA").write_text(description)
    _run([python, *_pyinstaller(scratch)], scratch)
    folder = scratch / "dist" / "kubectl-ipam"
    for record in folder.rglob("*.dist-info/RECORD"):
        record.unlink()  # it differs with the path of the environment
    licences.copy(scratch / "build" / "kubectl-ipam", python, folder / "licences")
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


def _environment(venv: Path) -> Path:
    """Install the locked dependencies and PyInstaller; return the path of Python."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    _run([*uv, "venv", "--python", sys.executable, venv], ROOT)
    python = venv / "bin" / "python"
    locked = ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
    files = [word for lock in LOCKS for word in ("-r", lock)]
    _run([*uv, "pip", "install", "--python", python, *locked, *files], ROOT)
    return python


def _pyinstaller(scratch: Path) -> list[str]:
    """Return the arguments of Python that collect the program into `scratch`."""
    strip = ["--strip"] if sys.platform == "linux" else []  # elsewhere it breaks signatures
    return [
        *("-m", "PyInstaller", "--noconfirm", "--log-level=WARN", "--name=kubectl-ipam", *strip),
        *(f"--workpath={scratch / 'build'}", f"--distpath={scratch / 'dist'}"),
        f"--specpath={scratch}",
        *("--collect-submodules=cli", "--collect-data=cli"),  # commands are imported by name
        *(f"--hidden-import={name}" for name in (*rbac.MODULES, *rbac.SELF_SIGNED_MODULES)),
        f"--add-data={scratch / 'build.json'}:manager",
        f"--add-data={scratch / 'METADATA'}:{PROJECT.replace('-', '_')}.dist-info",
        *(f"--exclude-module={name}" for name in NOT_NEEDED),
        str(Path(__file__).with_name("kubectl_ipam.py")),
    ]


def _commit_time() -> str:
    """Return the time of the commit, in seconds after 1970."""
    return _run(["git", "log", "-1", "--format=%ct"], ROOT).strip()


def _run(command: Sequence[str | Path], folder: Path) -> str:
    settings = {
        "PYINSTALLER_CONFIG_DIR": str(folder / "cache"),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise KrewError(f"{command[0]} failed with status {done.returncode}:\n{done.stderr}")
    return done.stdout


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=OUT, show_default=True)
def main(out: Path) -> None:
    """Build the archive of this platform."""
    try:
        archive = build(out.resolve())
    except KrewError as error:
        sys.exit(f"plugin: {error}")
    click.echo(f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
