# SPDX-License-Identifier: Apache-2.0
"""Run the commands of a page of documentation.

In a page, a ```bash block is commands, run as they stand, and a ```yaml block that opens with
`# NAME.yaml` is a file of that name.  Everything else (```console, other YAML) is only shown.
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from ..controlplane import binaries
from ..errors import BuildError
from .clusterctl import Clusterctl

_BLOCK = re.compile(r"^```(bash|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.yaml)\n")
_WRAPPER = """#!/bin/sh
{python} -m envtest.lab.documents {home} {ours} || exit
exec {clusterctl} --config {ours} "$@"
"""


class Reader:
    """Somebody at a shell, in a folder of their own.

    On PATH are kubectl, `ipam-in-cluster` and, in a lab, clusterctl.
    """

    def __init__(self, folder: Path, kubeconfig: Path, clusterctl: Clusterctl | None) -> None:
        self.folder = folder
        self._programs, self._home = folder / "bin", folder / "home"
        for each in (self._programs, self._home):
            each.mkdir(parents=True)
        (self._programs / "kubectl").symlink_to(binaries.find(binaries.KUBECTL))
        ours = Path(sys.executable).with_name("ipam-in-cluster")
        (self._programs / ours.name).symlink_to(ours)
        if clusterctl:
            self._wrap(clusterctl)
        self._environment = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path.cwd()),
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(self._home),
            "CLUSTERCTL_DISABLE_VERSIONCHECK": "true",
        }

    def follow(self, page: Path, section: str = "") -> list[str]:
        """Do what a page says, or one section of it; return what each block of commands printed.

        Raises:
            BuildError: a command failed; it names the block.
        """
        return list(self.steps(page, section))

    def steps(self, page: Path, section: str = "") -> Iterator[str]:
        """Do the same, but yield what a block printed before the next one runs."""
        for kind, text in _BLOCK.findall(sections(page)[section]):
            if kind == "bash":
                yield self._run(text)
            elif found := _FILE.match(text):
                (self.folder / found[1]).write_text(text)

    def _wrap(self, clusterctl: Clusterctl) -> None:
        """Put a clusterctl on PATH that reads the lab's settings and the reader's."""
        ours = self.folder / "lab.yaml"
        ours.write_text(yaml.safe_dump(clusterctl.config()))
        wrapper = self._programs / "clusterctl"
        config = self._home / ".config" / "cluster-api" / "clusterctl.yaml"
        names = {"home": config, "ours": ours, "clusterctl": clusterctl.program}
        wrapper.write_text(_WRAPPER.format(python=sys.executable, **names))
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)

    def _run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(commands, done.returncode, done.stdout)
        return done.stdout


def sections(page: Path) -> dict[str, str]:
    """Return the text of each section by its heading; that of the whole page has none."""
    text = page.read_text()
    _, *found = re.split(r"^## ", text, flags=re.MULTILINE)
    return {"": text} | {section.partition("\n")[0]: section for section in found}


def merge(theirs: Path, ours: Path) -> None:
    """Put a reader's settings of clusterctl over the lab's, which has no internet."""
    if not theirs.exists():
        return
    settings, wanted = yaml.safe_load(ours.read_text()), yaml.safe_load(theirs.read_text())
    providers = {it["name"]: it for it in [*settings["providers"], *wanted.pop("providers", [])]}
    ours.write_text(yaml.safe_dump(settings | wanted | {"providers": list(providers.values())}))


if __name__ == "__main__":
    merge(Path(sys.argv[1]), Path(sys.argv[2]))
