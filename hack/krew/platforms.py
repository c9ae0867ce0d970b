# SPDX-License-Identifier: Apache-2.0
"""The platforms that have an archive, by the names that Go and krew use."""

import platform

from .errors import KrewError

PLATFORMS = ("darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64")
"""Windows is not among them: uvloop, which serves the map, does not run there."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def current() -> str:
    """Return the platform of this machine.

    Raises:
        KrewError: it has no archive.
    """
    machine = platform.machine()
    found = f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}"
    if found not in PLATFORMS:
        raise KrewError(f"{found} has no archive: build on one of {', '.join(PLATFORMS)}")
    return found


def file_name(name: str) -> str:
    """Return the name of a platform's archive."""
    return f"kubectl-ipam_{name.replace('/', '_')}.tar.gz"
