# SPDX-License-Identifier: Apache-2.0
"""Runs a root file system as a container, by runc, as restricted as the pods that we ship.

The process has no capability and can't gain any, and its root is read-only.  Folders that mounts
need are made on a layer above the root file system (overlayfs), which itself is never touched.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..client import Json
from ..errors import BuildError
from ..processes import Process

KILL_SECONDS = 5.0  # after a container was asked to end: what remains of it is killed
_START_TIME, _AFTER_NAME = 22, 3  # fields of /proc/PID/stat, as proc(5) counts them
_NO_DEVICES = [{"allow": False, "access": "rwm"}]
_SYSTEM_MOUNTS: list[Json] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
    },
    {
        "destination": "/sys",
        "type": "sysfs",
        "source": "sysfs",
        "options": ["nosuid", "noexec", "nodev", "ro"],
    },
]
_MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"]
_READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What runs, in which root file system, and what it sees of the rest."""

    root: Path
    command: Sequence[str]
    user: int
    """User and group."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: Mapping[str, tuple[Path, bool]] = field(default_factory=dict[str, tuple[Path, bool]])
    """Folders of the host by their path in the container, and whether it may write there."""
    network: Path | None = None
    """A network namespace; None is that of the process that starts the container."""
    read_only: bool = True
    """Whether its root is; where not, what it writes goes with the container."""


class Container(Process):
    """One container; `folder` is for what runc needs, and goes with the container."""

    def __init__(self, name: str, spec: Spec, folder: Path, log: Path) -> None:
        self._spec = spec
        self._folder = folder
        self._merged = folder / "merged"
        command = ["runc", "--root", str(folder / "state"), "run", "--bundle", str(folder), name]
        super().__init__(name, command, log)

    def rss_bytes(self) -> int:
        """Return how much memory its first process holds now."""
        status = self._proc("status")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def process_started(self) -> float:
        """Return when runc began its first process, by the monotonic clock."""
        after_name = self._proc("stat").rpartition(")")[2].split()
        ticks = int(after_name[_START_TIME - _AFTER_NAME])
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.monotonic() - since_boot

    def _proc(self, file: str) -> str:
        """Read what the kernel says of its first process."""
        state = json.loads(_run("runc", "--root", str(self._folder / "state"), "state", self.name))
        return Path(f"/proc/{state['pid']}/{file}").read_text()

    def start(self) -> None:
        """Start it from a fresh layer; does nothing while it runs."""
        if self.running:
            return
        self._clear()
        self._mount()
        (self._folder / "config.json").write_text(json.dumps(config(self._spec, self._merged)))
        super().start()

    def stop(self, seconds: float = KILL_SECONDS) -> None:
        """Ask it to end, kill it after `seconds`, and remove what runc left."""
        super().stop(seconds)
        self._clear()

    def kill(self) -> None:
        """Kill it at once."""
        super().kill()
        self._clear()

    def _mount(self) -> None:
        layers = {name: self._folder / name for name in ("upper", "work")}
        for folder in (*layers.values(), self._merged):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        options = f"lowerdir={self._spec.root},upperdir={layers['upper']},workdir={layers['work']}"
        _run("mount", "-t", "overlay", "-o", options, "overlay", str(self._merged))

    def _clear(self) -> None:
        """Kill what a killed runc left behind, and take the layer away."""
        if not self._merged.is_mount():
            return
        state = ["runc", "--root", str(self._folder / "state")]
        subprocess.run([*state, "delete", "--force", self.name], capture_output=True, check=False)
        _run("umount", "--lazy", str(self._merged))


def config(spec: Spec, root: Path) -> Json:
    """Return runc's config.json (the OCI runtime specification, 1.0.2)."""
    network: Json = {"type": "network", "path": str(spec.network)}
    kinds = ("pid", "ipc", "uts", "mount")
    none: list[str] = []
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": spec.user, "gid": spec.user},
            "args": list(spec.command),
            "env": [f"{name}={value}" for name, value in spec.environment.items()],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), none),
            "noNewPrivileges": True,
        },
        "root": {"path": str(root), "readonly": spec.read_only},
        "mounts": [*_SYSTEM_MOUNTS, *_volumes(spec)],
        "linux": {
            "resources": {"devices": _NO_DEVICES},
            "namespaces": [
                *({"type": kind} for kind in kinds),
                *([network] if spec.network else []),
            ],
            "maskedPaths": _MASKED,
            "readonlyPaths": _READ_ONLY,
        },
    }


def _volumes(spec: Spec) -> list[Json]:
    return [
        {
            "destination": path,
            "type": "bind",
            "source": str(source),
            "options": ["rbind", "nosuid", "nodev", "rw" if writable else "ro"],
        }
        for path, (source, writable) in spec.volumes.items()
    ]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(" ".join(command), done.returncode, done.stderr)
    return done.stdout
