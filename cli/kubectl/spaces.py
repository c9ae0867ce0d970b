# SPDX-License-Identifier: Apache-2.0
"""Find the fields of a pool that withhold an address.

The rules of pools answer this: a pool without its exclusions offers more addresses, and the
difference is what they exclude.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ipam.ranges import RangeSet
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipam.address_sets import AddressSet
    from ipam.notation import Address

RESERVED, GATEWAY, EXCLUDED = "reserved", "gateway", "excluded"

_REMEMBERED = 1024
"""The number of specs whose spaces are kept: a search for many addresses needs them each time."""


@dataclass(frozen=True, slots=True)
class Spaces:
    """The indexes of a pool's allocations, by what withholds them; empty if the spec is invalid."""

    family: int
    block_size: int
    listed: RangeSet
    """All indexes of the entries of the pool."""
    withheld: dict[str, RangeSet]
    """By `reserved`, `gateway` and `excluded`; an index may be in more than one."""

    def index_of(self, address: Address) -> int | None:
        """Return the index of the allocation with an address; None if no entry has the address."""
        number = address.value // self.block_size
        return number if address.family == self.family and number in self.listed else None

    def reasons(self, index: int) -> Iterator[str]:
        """Yield what withholds an allocation."""
        return (reason for reason, indexes in self.withheld.items() if index in indexes)


def of(pool: pools.Pool) -> Spaces:
    """Return the allocations of a pool, and what withholds some of them."""
    return _of(pool.kind, pool.spec or pools.PoolSpec())


@lru_cache(_REMEMBERED)
def _of(kind: str, spec: pools.PoolSpec) -> Spaces:
    if _address_set(kind, spec).errors:
        return Spaces(family=0, block_size=1, listed=RangeSet(), withheld={})
    bare = replace(
        spec,
        gateway="",
        excluded_addresses=(),
        excluded_prefixes=(),
        allocate_reserved_ip_addresses=True,
    )
    withholding = {
        RESERVED: replace(bare, allocate_reserved_ip_addresses=spec.allocate_reserved_ip_addresses),
        GATEWAY: replace(bare, gateway=spec.gateway),
        EXCLUDED: replace(
            bare,
            excluded_addresses=spec.excluded_addresses,
            excluded_prefixes=spec.excluded_prefixes,
        ),
    }
    everything = _address_set(kind, bare)
    return Spaces(
        family=everything.family,
        block_size=everything.block_size,
        listed=everything.indexes,
        withheld={
            reason: everything.indexes - _address_set(kind, changed).indexes
            for reason, changed in withholding.items()
        },
    )


def _address_set(kind: str, spec: pools.PoolSpec) -> AddressSet:
    return pools.address_set_of(pools.Pool(kind=kind, metadata=pools.PoolMeta(), spec=spec))
