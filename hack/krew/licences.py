# SPDX-License-Identifier: Apache-2.0
"""Copy the licence of each package from which PyInstaller took a file.

A file belongs to a Python package, to a Debian package, or to Python itself.  PyInstaller's tables
of contents name the source of each file.
"""

import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from .errors import KrewError

_TABLES = ("COLLECT-00.toc", "EXE-00.toc", "PYZ-00.toc")
_SOURCE = re.compile(r"'(/[^'\n]+)', '(?:BINARY|DATA|EXTENSION|PYMODULE|PYSOURCE)'")
_LICENCE = re.compile(r"(?i)(licen[cs]e|copying|notice)")
_PYTHON = Path(sysconfig.get_path("stdlib"))


def copy(build: Path, python: Path, target: Path) -> None:
    """Write a folder for each package below `target`.

    `build` is PyInstaller's work folder, two levels below the scratch folder of the build.
    `python` is the Python of the environment in which PyInstaller ran.

    Raises:
        KrewError: a package has no licence, or a file belongs to no package.
    """
    sources = set(map(Path, _sources(build)))
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    packages = {path for path in sources if path.is_relative_to(site)}
    ours = (Path(__file__).parents[2], build.parents[1])  # the sources, and what the build wrote
    system = [path for path in sources - packages if not any(map(path.is_relative_to, ours))]
    found = {**dict(_of_distributions(site, packages)), **_of_system(system)}
    for name, files in found.items():
        (target / name).mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, target / name / _name(file))


def _name(licence: Path) -> str:
    """Return a name that no other licence of the package has."""
    _, package, inside = str(licence).rpartition(".dist-info/")
    return inside.removeprefix("licenses/").replace("/", "-") if package else licence.name


def _sources(build: Path) -> Iterable[str]:
    for table in _TABLES:
        text = re.sub(r"',\n\s+'", "', '", (build / table).read_text())
        yield from (found[1] for found in _SOURCE.finditer(text))


def _of_distributions(site: Path, paths: Iterable[Path]) -> Iterable[tuple[str, list[Path]]]:
    """Yield each Python package that one of the paths belongs to, with its licences."""
    used = {str(path) for path in paths}
    for package in metadata.distributions(path=[str(site)]):
        files = [Path(str(file.locate())) for file in package.files or ()]
        if used.isdisjoint(map(str, files)):
            continue
        texts = [each for each in files if _is_licence(each)]
        if not texts:
            raise KrewError(f"the Python package {package.name} has no licence: leave it out")
        yield package.name, texts


def _is_licence(path: Path) -> bool:
    return any(part.endswith(".dist-info") for part in path.parts) and bool(
        _LICENCE.match(path.name)
    )


def _of_system(paths: Sequence[Path]) -> Mapping[str, list[Path]]:
    """Return the Debian packages of the paths, and Python for others, with their licences."""
    owners = _debian_owners(paths)
    found = {name: [Path("/usr/share/doc", name, "copyright")] for name in owners.values()}
    rest = [path for path in paths if path not in owners]
    prefix = _PYTHON.parents[1].resolve()
    unknown = [path for path in rest if not path.resolve().is_relative_to(prefix)]
    if unknown:
        raise KrewError(f"{unknown[0]} has no known licence: build on Debian or macOS")
    return found | ({"python": [_PYTHON / "LICENSE.txt"]} if rest else {})


def _debian_owners(paths: Sequence[Path]) -> Mapping[Path, str]:
    """Return the Debian package of each path that belongs to one."""
    if shutil.which("dpkg-query") is None:
        return {}
    spellings = {spelling: path for path in paths for spelling in _spellings(path)}
    command = ["dpkg-query", "--search", *spellings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = re.findall(r"(?m)^([^:,\s]+)(?::\w+)?: (/.+)$", done.stdout)
    return {spellings[path]: name for name, path in lines if path in spellings}


def _spellings(path: Path) -> tuple[str, str]:
    """Return a path with and without /usr: packages list either, and both are the same folder."""
    text = str(path).removeprefix("/usr")
    return text, f"/usr{text}"
