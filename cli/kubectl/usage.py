# SPDX-License-Identifier: Apache-2.0
"""The holders of each pool, the claims that wait, and the free addresses.

The controller's own rules say what an IPAddress has, and when a record on a claim counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from controller import changes, state
from ipam.notation import BITS, Address, Network
from ipam.ranges import RangeSet
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ipam.address_sets import AddressSet
    from ipam.ranges import Range
    from kube.meta import Key
    from objects import clusterapi
    from objects.pools import PoolKey

    from .snapshot import Snapshot

NO_POOL = "does not exist"
NOT_READ = "is a global pool, which you may not read"


class Holding(NamedTuple):
    """An IPAddress, or a claim that was given an address and has no IPAddress yet.

    `network` is None if the address cannot be read.  `address` is None if only the claim exists.
    """

    key: Key
    network: Network | None
    address: clusterapi.IPAddress | None
    claim: clusterapi.IPAddressClaim | None

    @property
    def is_held(self) -> bool:
        """Whether no live claim uses it: a grace period or a record holds it."""
        return self.address is None or self.claim is None or self.claim.metadata.deleting

    @property
    def start(self) -> Address | None:
        """The first address that it has."""
        return Address(self.network.family, self.network.value) if self.network else None

    @property
    def text(self) -> str:
        """The address in canonical form; as it is written, if it cannot be read."""
        return str(self.start or (self.address.spec.address if self.address else ""))


@dataclass(frozen=True, slots=True)
class Usage:
    """A pool, what it offers, and its holders in the order of their addresses.

    `pool` is None if claims or IPAddresses name a pool that does not exist, or was not read.
    `free` has the indexes of the allocations that nobody holds.
    """

    key: PoolKey
    pool: pools.Pool | None
    address_set: AddressSet
    closed: str
    """Why the pool cannot allocate, as a clause; empty if it can."""
    holdings: tuple[Holding, ...]
    waiting: tuple[clusterapi.IPAddressClaim, ...]
    """Claims without an address, oldest first."""
    free: RangeSet
    outside: frozenset[Key]
    """IPAddresses that are not, or no longer, in the address set of the pool."""
    duplicates: frozenset[Key]
    """IPAddresses that share their address with another one."""

    @property
    def used(self) -> int:
        """How many IPAddresses the pool has."""
        return sum(holding.address is not None for holding in self.holdings)

    @property
    def held(self) -> int:
        """How many addresses nobody can get although no live claim uses them."""
        return sum(holding.is_held for holding in self.holdings)


def of(snapshot: Snapshot) -> dict[PoolKey, Usage]:
    """Return the usage of each pool, also of pools that are named but do not exist."""
    holdings, waiting = _holdings(snapshot), _waiting(snapshot)
    keys = in_order({*snapshot.pools, *holdings, *waiting})
    return {
        key: _usage(
            key,
            snapshot.pools.get(key),
            holdings[key],
            waiting[key],
            NOT_READ if snapshot.lacks(key) else NO_POOL,
        )
        for key in keys
    }


def in_order(keys: Iterable[PoolKey]) -> list[PoolKey]:
    """Return pools by namespace, name and kind."""
    return sorted(keys, key=lambda key: (key.namespace, key.name, key.kind))


def empty(key: PoolKey) -> Usage:
    """Return the usage of a pool that does not exist and that nothing names."""
    return _usage(key, None, [], [])


def with_pool(usage: Usage, pool: pools.Pool | None) -> Usage:
    """Return the usage as it is once the pool is changed, with the same holders."""
    return _usage(usage.key, pool, list(usage.holdings), list(usage.waiting))


def _usage(
    key: PoolKey,
    pool: pools.Pool | None,
    holdings: list[Holding],
    waiting: list[clusterapi.IPAddressClaim],
    missing: str = NO_POOL,
) -> Usage:
    address_set = pools.address_set_of(pool or pools.Pool(metadata=pools.PoolMeta()))
    taken = RangeSet.of(
        each for holding in holdings if (each := _taken(address_set, holding)) is not None
    )
    return Usage(
        key=key,
        pool=pool,
        address_set=address_set,
        closed=changes.not_ready(pool, address_set) if pool else missing,
        holdings=tuple(sorted(holdings, key=_order)),
        waiting=tuple(sorted(waiting, key=lambda claim: claim.metadata.age_order)),
        free=address_set.indexes - taken,
        outside=frozenset(each.key for each in holdings if _is_outside(address_set, each)),
        duplicates=_duplicates(holdings),
    )


def _is_outside(address_set: AddressSet, holding: Holding) -> bool:
    if holding.address is None:
        return False
    return holding.network is None or not address_set.has_block(holding.network)


def _duplicates(holdings: list[Holding]) -> frozenset[Key]:
    present = [each for each in holdings if each.address and each.start]
    counted = Counter(each.start for each in present)
    return frozenset(each.key for each in present if counted[each.start] > 1)


def _holdings(snapshot: Snapshot) -> defaultdict[PoolKey, list[Holding]]:
    found = defaultdict["PoolKey", list[Holding]](list)
    for key, address in snapshot.addresses.items():
        if pool := address.pool:
            claim = snapshot.claims.get(key)
            claim = claim if claim and claim.pool == pool else None
            found[pool].append(Holding(key, state.held(address), address, claim))
    for key, claim in snapshot.claims.items():
        given = None if key in snapshot.addresses else state.reservation(claim)
        if given and (pool := claim.pool):
            found[pool].append(Holding(key, Network(*given, BITS[given.family]), None, claim))
    return found


def _waiting(snapshot: Snapshot) -> defaultdict[PoolKey, list[clusterapi.IPAddressClaim]]:
    found = defaultdict["PoolKey", list["clusterapi.IPAddressClaim"]](list)
    for claim in snapshot.claims.values():
        if not claim.bound and not claim.metadata.deleting and (pool := claim.pool):
            found[pool].append(claim)
    return found


def _taken(address_set: AddressSet, holding: Holding) -> Range | None:
    """Return the indexes of the allocations that nobody else can get."""
    if holding.network is None or holding.start is None:
        return None
    if holding.address:
        return address_set.overlapping(holding.network)
    index = address_set.index_of(holding.start)
    return None if index is None else (index, index)


def _order(holding: Holding) -> tuple[Address, Key]:
    """Sort by address; before all others if it cannot be read."""
    return holding.start or Address(0, 0), holding.key
