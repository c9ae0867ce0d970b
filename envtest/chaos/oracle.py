# SPDX-License-Identifier: Apache-2.0
"""What a pool offers, counted one by one: slow, obvious, and not the provider's own arithmetic."""

import ipaddress
from collections.abc import Iterator

from ..client import Json


def offered(pool: Json) -> set[int]:
    """Return every address (or first address of a prefix) that a small pool may hand out."""
    spec = pool["spec"]
    return _prefixes(spec) if "prefixes" in spec else _addresses(spec)


def _addresses(spec: Json) -> set[int]:
    listed = {number for entry in spec["addresses"] for number in _entry(entry)}
    taken = {number for entry in spec.get("excludedAddresses", ()) for number in _entry(entry)}
    if spec.get("gateway"):
        taken.add(int(ipaddress.ip_address(spec["gateway"])))
    if not spec.get("allocateReservedIPAddresses"):
        lowest = ipaddress.ip_address(spec["addresses"][0].partition("-")[0].partition("/")[0])
        make = type(lowest)
        subnet = ipaddress.ip_network((make(min(listed)), spec["prefix"]), strict=False)
        taken.add(int(subnet[0]))
        if isinstance(subnet, ipaddress.IPv4Network):
            taken.add(int(subnet[-1]))
    return listed - taken


def _prefixes(spec: Json) -> set[int]:
    length = spec.get("allocationPrefixLength", 64)
    taken = [_bounds(entry) for entry in spec.get("excludedPrefixes", ())]
    return {
        int(subnet[0])
        for prefix in spec["prefixes"]
        for subnet in ipaddress.IPv6Network(prefix).subnets(new_prefix=length)
        if all(last < int(subnet[0]) or int(subnet[-1]) < first for first, last in taken)
    }


def _entry(entry: str) -> Iterator[int]:
    first, last = _bounds(entry)
    yield from range(first, last + 1)


def _bounds(entry: str) -> tuple[int, int]:
    """Return the first and the last address of `A`, `A-B` or `A/LENGTH`."""
    if "/" in entry:
        network = ipaddress.ip_network(entry, strict=False)
        return int(network[0]), int(network[-1])
    first, _, last = entry.partition("-")
    return int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last or first))
