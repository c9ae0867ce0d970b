# SPDX-License-Identifier: Apache-2.0
"""A provider that stays: what `make dev` starts and `make dev-down` ends.

Its folder holds everything, `state.json` says which processes are its own.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from ..errors import StartError
from ..processes import Identity, Process, tail
from .control_plane import ADMIN_GROUP
from .provider import Provider

STATE = "state.json"
USER = "dev-admin"


def up(folder: Path) -> Path:
    """Start a detached provider, unless the one of that folder runs; return its kubeconfig."""
    kubeconfig = _kubeconfig(folder)
    if kubeconfig is not None:
        return kubeconfig
    down(folder)
    folder.mkdir(parents=True)
    provider = Provider(folder, detached=True)
    try:
        provider.start()
        kubeconfig = provider.control_plane.kubeconfig(USER, [ADMIN_GROUP])
        plane = provider.control_plane
        _save(folder, kubeconfig, [provider.manager, plane.apiserver, plane.etcd])
    except BaseException:
        provider.stop()
        raise
    return kubeconfig


def down(folder: Path) -> None:
    """End the folder's processes, as far as they are still the same, and remove the folder."""
    for identity in _identities(folder):
        identity.end()
    shutil.rmtree(folder, ignore_errors=True)


def _kubeconfig(folder: Path) -> Path | None:
    """Return the kubeconfig of a provider of which every process still runs."""
    identities = _identities(folder)
    running = bool(identities) and all(identity.alive() for identity in identities)
    return Path(json.loads((folder / STATE).read_text())["kubeconfig"]) if running else None


def _identities(folder: Path) -> list[Identity]:
    state = folder / STATE
    if not state.exists():
        return []
    return [Identity(**fields) for fields in json.loads(state.read_text())["processes"]]


def _save(folder: Path, kubeconfig: Path, processes: list[Process]) -> None:
    state = {
        "kubeconfig": str(kubeconfig),
        "processes": [asdict(_identity(process)) for process in processes],
    }
    (folder / STATE).write_text(json.dumps(state, indent=2))


def _identity(process: Process) -> Identity:
    identity = Identity.of(process.pid)
    if identity is None:
        raise StartError(process.name, "ended soon after it was ready", tail(process.log))
    return identity
