# SPDX-License-Identifier: Apache-2.0
"""The command as pre-commit installs it: from a wheel, in a virtual environment of its own."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

BESIDES = ("hack", "pyproject.toml", "README.md", "LICENSE")
"""What a build reads beside the packages."""


def copy_tree(to: Path) -> None:
    """Copy what a build needs: the build hook writes into the tree, and others work in ours."""
    settings = tomllib.loads(Path("pyproject.toml").read_text())
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for name in (*packages, *BESIDES):
        path = Path(name)
        if path.is_dir():
            shutil.copytree(path, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, to / name)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command of a fresh environment.

    Only the dependencies are this environment's: a .pth file names their folder, and the .pth files
    in there, our editable install among them, do not count.
    """
    tree, venv = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("venv")
    copy_tree(tree)
    python, uv = sys.executable, [sys.executable, "-m", "uv"]
    build = [python, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(build, cwd=tree, check=True, capture_output=True)
    (wheel,) = (tree / "dist").iterdir()
    subprocess.run([*uv, "venv", "--offline", "--python", python, venv, "--clear"], check=True)
    install = [*uv, "pip", "install", "--offline", "--no-deps", "--python", venv / "bin/python"]
    subprocess.run([*install, wheel], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin" / "ipam-in-cluster"


@pytest.mark.parametrize(("address", "code"), [("10.0.0.1", 0), ("10.0.0.300", 1)])
def test_the_wheel_brings_a_command_that_works(
    command: Path, tmp_path: Path, address: str, code: int
) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(
        "apiVersion: ipam.cluster.x-k8s.io/v1alpha2\nkind: InClusterIPPool\n"
        f"metadata: {{name: blue}}\nspec: {{addresses: [{address}], prefix: 24}}\n"
    )

    done = subprocess.run(
        [command, "validate", path], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    assert done.returncode == code
    assert (address in done.stderr) == bool(code)
    assert "Traceback" not in done.stderr


def test_the_wheel_brings_the_webhook(command: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [command, "webhook", "--cert-dir", tmp_path],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "tls.crt with key " in done.stderr
