# SPDX-License-Identifier: Apache-2.0
"""The IPAddresses of each pool in order, so that a question reads only the matching ones."""

from collections.abc import Iterator

from sortedcontainers import SortedList

from ipam import errors as ipam_errors
from ipam import notation
from ipam.address_sets import AddressSet
from kube.deltas import Added, Deleted, Delta, Modified
from kube.meta import Key
from kube.tasks import in_pieces
from objects import clusterapi, pools

from .cluster_reader import Found, Holder

_Entry = tuple[int, int, str, str, str]
"""Family, address, namespace, name and the address as written.  It takes about 120 bytes for each
IPAddress of the cluster, because it shares its texts with the cache.
"""

_Range = tuple[_Entry, _Entry]
"""From the first bound, included, to the last, which is not."""

_ANY: _Range = ((0, 0, "", "", ""), (notation.V6 + 1, 0, "", "", ""))


class AddressIndex:
    """The IPAddresses of our pools, updated by a cache.

    Guarantees:
        A question costs O(log n) for each of its ranges and for each IPAddress that it finds.
    """

    def __init__(self) -> None:
        self._held: dict[pools.PoolKey, SortedList[_Entry]] = {}

    def apply(self, delta: Delta[clusterapi.IPAddress]) -> None:
        """Apply a change of the cache."""
        match delta:
            case Added(address):
                self._add(address)
            case Modified(old, address):
                self._remove(old)
                self._add(address)
            case Deleted(address):
                self._remove(address)

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return the IPAddresses of a pool with an address in the set; all if it is None."""
        found = Found()
        async for first, last in in_pieces(_ranges(address_set)):
            held = self._held.get(pool)  # read again: other tasks may have run
            if held is None:
                break
            for _, value, namespace, name, text in held.irange(first, last, (True, False)):
                if address_set is None or value % address_set.block_size == 0:
                    found.add(Holder(Key(namespace, name), text))
                if found.more:
                    return found
        return found

    def _add(self, address: clusterapi.IPAddress) -> None:
        if address.pool is not None:
            self._held.setdefault(address.pool, SortedList()).add(_entry(address))

    def _remove(self, address: clusterapi.IPAddress) -> None:
        if address.pool is not None:
            held = self._held[address.pool]
            held.remove(_entry(address))
            if not held:
                del self._held[address.pool]


def _entry(address: clusterapi.IPAddress) -> _Entry:
    """Return the entry of an IPAddress; it sorts first if its address does not parse."""
    key, text = address.metadata.key, address.spec.address
    try:
        family, value = notation.parse_address(text)
    except ipam_errors.NotationError:
        family, value = 0, 0
    return family, value, key.namespace, key.name, text


def _ranges(address_set: AddressSet | None) -> Iterator[_Range]:
    if address_set is None:
        yield _ANY
        return
    family, block_size = address_set.family, address_set.block_size
    for first, last in address_set.indexes.ranges:
        yield (family, first * block_size, "", "", ""), (family, last * block_size + 1, "", "", "")
