# SPDX-License-Identifier: Apache-2.0
"""The address sets of pools, computed once for each spec, for admission and the controller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import pools

if TYPE_CHECKING:
    from ipam.address_sets import AddressSet

    from .pools import Pool, PoolKey, PoolSpec

_FEW = 500
"""Entries in the lists of a spec whose address set is computed at once, in at most 3 ms."""


class AddressSetCache:
    """Computes and keeps the address sets of pools.

    Guarantees:
        Large address sets are computed in a thread, one pool at a time: 4,096 entries and as many
        exclusions take 30 to 60 ms.
    """

    def __init__(self) -> None:
        self._known: dict[PoolKey, tuple[PoolSpec | None, AddressSet]] = {}
        self._one = asyncio.Lock()

    def now(self, pool: Pool) -> AddressSet | None:
        """Return the address set of a pool; None if `get` has to compute it in a thread."""
        spec, known = self._known.get(pool.key, (None, None))
        if known is not None and spec == pool.spec:
            return known
        return self._remember(pool, pools.address_set_of(pool)) if _is_small(pool.spec) else None

    async def get(self, pool: Pool) -> AddressSet:
        """Return the address set of a pool."""
        if (known := self.now(pool)) is not None:
            return known
        async with self._one:
            if (known := self.now(pool)) is not None:
                return known
            return self._remember(pool, await asyncio.to_thread(pools.address_set_of, pool))

    def forget(self, key: PoolKey) -> None:
        """Drop the address set of a deleted pool."""
        self._known.pop(key, None)

    def _remember(self, pool: Pool, address_set: AddressSet) -> AddressSet:
        self._known[pool.key] = (pool.spec, address_set)
        return address_set


def _is_small(spec: PoolSpec | None) -> bool:
    if spec is None:
        return True
    lists = (spec.addresses, spec.excluded_addresses, spec.prefixes, spec.excluded_prefixes)
    return sum(map(len, lists)) <= _FEW
