# SPDX-License-Identifier: Apache-2.0
"""The real clusterctl with a repository of releases in a folder."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..controlplane import binaries
from ..errors import EnvtestError
from ..waiting import until

COMMAND_SECONDS = 300.0  # the longest, an upgrade with the core, takes 10 s on two idle cores
KEPT = ("PATH", "LANG")
"""Of the environment: clusterctl takes every variable for a setting of its own."""


class ClusterctlError(EnvtestError):
    """clusterctl failed; `output` is what it printed."""

    def __init__(self, arguments: tuple[str, ...], status: int, output: str) -> None:
        super().__init__(f"clusterctl {' '.join(arguments)} failed with status {status}:\n{output}")
        self.status = status
        self.output = output


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and how long it took."""

    output: str
    seconds: float


class Repository:
    """Releases of providers in a folder, in the layout that clusterctl reads.

    Each is at LABEL/VERSION/COMPONENTS with a metadata.yaml beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, label: str, version: str, components: str, metadata: str = "") -> None:
        """Publish a release."""
        folder = self.folder / label / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILES[label]).write_text(components)
        if metadata:
            (folder / "metadata.yaml").write_text(metadata)

    def latest(self, label: str) -> str:
        """Return the version that was published last."""
        versions = (self.folder / label).iterdir()
        return max(versions, key=lambda path: path.stat().st_mtime_ns).name


FILES = {
    "cluster-api": "core-components.yaml",
    "ipam-in-cluster": "ipam-components.yaml",
    "cert-manager": "cert-manager.yaml",
}


class Clusterctl:
    """clusterctl of one version, with a home of its own."""

    def __init__(self, tool: binaries.Tool, repository: Repository, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.program = binaries.find(tool)
        self._repository = repository
        self._home = home

    def __call__(self, *arguments: str) -> Done:
        """Run a command.

        Raises:
            ClusterctlError: it failed.
        """
        began = time.monotonic()
        with self._start(arguments) as process:
            try:
                output, _ = process.communicate(timeout=COMMAND_SECONDS)
            finally:
                process.kill()
        if process.returncode != 0:
            raise ClusterctlError(arguments, process.returncode, output)
        return Done(output, time.monotonic() - began)

    def interrupted(self, *arguments: str, when: Callable[[], bool]) -> None:
        """Run a command and kill it as soon as something is so.

        Raises:
            ClusterctlError: it ended before that.
            NotReachedError: it never came to that.
        """
        with self._start(arguments) as process:
            try:
                until(
                    f"clusterctl {' '.join(arguments)} gets so far",
                    lambda: process.poll() is not None or when(),
                    bool,
                    COMMAND_SECONDS,
                )
                if process.poll() is not None:
                    output, _ = process.communicate()
                    raise ClusterctlError(arguments, process.returncode, output)
            finally:
                process.kill()

    def _start(self, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
        config = self._home / "clusterctl.yaml"
        config.write_text(yaml.safe_dump(self.config()))
        return subprocess.Popen(
            [self.program, "--config", str(config), *arguments],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "CLUSTERCTL_DISABLE_VERSIONCHECK": "true",
        }

    def config(self) -> dict[str, object]:
        """Return its settings: where releases are."""
        return {
            "providers": [
                {"name": "cluster-api", "type": "CoreProvider", "url": self._url("cluster-api")},
                {"name": "in-cluster", "type": "IPAMProvider", "url": self._url("ipam-in-cluster")},
            ],
            "cert-manager": {
                "url": self._url("cert-manager"),
                "version": self._repository.latest("cert-manager"),
                "timeout": "2m",
            },
        }

    def _url(self, label: str) -> str:
        folder = self._repository.folder / label
        return f"file://{folder}/{self._repository.latest(label)}/{FILES[label]}"
