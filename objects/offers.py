# SPDX-License-Identifier: Apache-2.0
"""The offers of pools, computed once for each spec, for admission and the controller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import pools

if TYPE_CHECKING:
    from ipam.offer import Offer

    from .pools import Pool, PoolKey, PoolSpec

_FEW = 500
"""Entries in the lists of a spec whose offer is computed at once, in at most 3 ms."""


class Offers:
    """Computes and keeps the offers of pools.

    Guarantees:
        Large offers are computed in a thread, one pool at a time: 4,096 entries and as many
        exclusions take 30 to 60 ms.
    """

    def __init__(self) -> None:
        self._known: dict[PoolKey, tuple[PoolSpec | None, Offer]] = {}
        self._one = asyncio.Lock()

    def now(self, pool: Pool) -> Offer | None:
        """Return the offer of a pool; None if it has to be computed in a thread (`get`)."""
        spec, known = self._known.get(pool.key, (None, None))
        if known is not None and spec == pool.spec:
            return known
        return self._remember(pool, pools.offer_of(pool)) if _is_small(pool.spec) else None

    async def get(self, pool: Pool) -> Offer:
        """Return the offer of a pool."""
        if (known := self.now(pool)) is not None:
            return known
        async with self._one:
            if (known := self.now(pool)) is not None:
                return known
            return self._remember(pool, await asyncio.to_thread(pools.offer_of, pool))

    def forget(self, key: PoolKey) -> None:
        """Drop the offer of a pool that is deleted."""
        self._known.pop(key, None)

    def _remember(self, pool: Pool, offer: Offer) -> Offer:
        self._known[pool.key] = (pool.spec, offer)
        return offer


def _is_small(spec: PoolSpec | None) -> bool:
    if spec is None:
        return True
    lists = (spec.addresses, spec.excluded_addresses, spec.prefixes, spec.excluded_prefixes)
    return sum(map(len, lists)) <= _FEW
