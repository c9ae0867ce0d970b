# SPDX-License-Identifier: Apache-2.0
"""The lab's network: one bridge, on which every pod has a network namespace and an address.

The addresses are those of RFC 5737's TEST-NET-1, which nobody routes.
"""

import ipaddress
import subprocess
import threading
from pathlib import Path

from ..errors import BuildError

BRIDGE = "lab0"
NETWORK = ipaddress.ip_network("192.0.2.0/24")
NAMESPACES = Path("/run/netns")  # where iproute2 keeps network namespaces by name
CONTROL_PLANES = 8  # addresses at the network's beginning that no pod gets


def prepare(scratch: str) -> None:
    """Make the bridge, and folders that nobody outside these namespaces sees."""
    NAMESPACES.mkdir(exist_ok=True)
    for folder in (scratch, str(NAMESPACES)):
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "name", BRIDGE, "type", "bridge")
    _run("ip", "link", "set", BRIDGE, "up")


def control_plane_address(number: int) -> str:
    """Give the bridge the address of the lab's control plane of that number, and return it."""
    if not 1 <= number <= CONTROL_PLANES:
        raise ValueError(f"control plane {number}: a lab has 1 to {CONTROL_PLANES}")
    address = f"{NETWORK[number]}/{NETWORK.prefixlen}"
    _run("ip", "address", "replace", address, "dev", BRIDGE)
    return str(NETWORK[number])


class PodNetwork:
    """Hands out addresses to pods, each with a network namespace; shared by a lab's clusters."""

    def __init__(self) -> None:
        self._free = [str(host) for host in NETWORK.hosts()][CONTROL_PLANES:]
        self._lock = threading.Lock()

    def attach(self) -> tuple[str, Path]:
        """Return an address and the network namespace that has it."""
        with self._lock:  # first in, first out: an address rests before a pod gets it again
            address = self._free.pop(0)
        name = _name(address)
        _run("ip", "netns", "add", name)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "add", "name", name, *cable)
        _run("ip", "link", "set", name, "master", BRIDGE, "up")
        _run("ip", "-n", name, "address", "add", f"{address}/{NETWORK.prefixlen}", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run("ip", "-n", name, "link", "set", device, "up")
        return address, NAMESPACES / name

    def detach(self, address: str) -> None:
        """Take the namespace away and the address back."""
        _run("ip", "netns", "delete", _name(address))
        with self._lock:
            self._free.append(address)


def _name(address: str) -> str:
    return f"pod-{address.rpartition('.')[2]}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(" ".join(command), done.returncode, done.stderr)
