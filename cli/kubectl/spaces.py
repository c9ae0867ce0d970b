# SPDX-License-Identifier: Apache-2.0
"""What each address of a pool is: offered, or withheld by which of its fields.

Which field withholds what is asked of the rules themselves: a pool without its exclusions offers
more, and the difference is what they exclude.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ipam.ranges import RangeSet
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipam.address_sets import AddressSet
    from ipam.notation import Address

RESERVED, GATEWAY, EXCLUDED = "reserved", "gateway", "excluded"


@dataclass(frozen=True, slots=True)
class Spaces:
    """The numbers of a pool's allocations, by what withholds them; nothing if the spec is bad."""

    family: int
    block_size: int
    listed: RangeSet
    """All that the entries of the pool have."""
    withheld: dict[str, RangeSet]
    """By `reserved`, `gateway` and `excluded`; a number may be in more than one."""

    def index_of(self, address: Address) -> int | None:
        """Return the number of the allocation that an address is in; None: of no entry."""
        number = address.value // self.block_size
        return number if address.family == self.family and number in self.listed else None

    def reasons(self, index: int) -> Iterator[str]:
        """Yield what withholds an allocation."""
        return (reason for reason, slots in self.withheld.items() if index in slots)


def of(pool: pools.Pool) -> Spaces:
    """Return what each address of a pool is."""
    if pools.address_set_of(pool).errors:
        return Spaces(family=0, block_size=1, listed=RangeSet(), withheld={})
    spec = pool.spec or pools.PoolSpec()
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
    everything = _address_set(pool, bare)
    return Spaces(
        family=everything.family,
        block_size=everything.block_size,
        listed=everything.indexes,
        withheld={
            reason: everything.indexes - _address_set(pool, changed).indexes
            for reason, changed in withholding.items()
        },
    )


def _address_set(pool: pools.Pool, spec: pools.PoolSpec) -> AddressSet:
    return pools.address_set_of(replace(pool, spec=spec))
