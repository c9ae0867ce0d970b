# SPDX-License-Identifier: Apache-2.0
"""Apply changes of pool specs that take too long for one turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.address_sets import AddressSet
    from objects import pools
    from objects.address_sets import AddressSetCache
    from objects.pools import PoolKey

    from .allocations import PoolAllocations

_FEW = 200
"""Held addresses that are placed at once, in 2 ms."""

_SHOWN_ERRORS = 5  # of a spec; the API server refuses conditions over 32,768 characters


class Changes:
    """Updates the allocations of pools to their specs: small changes at once, large ones in pieces.

    Guarantees:
        The old address set counts until the change is done.  A later change of the pool replaces
        an unfinished one.
    """

    def __init__(
        self, address_sets: AddressSetCache, allocations_of: Callable[[PoolKey], PoolAllocations]
    ) -> None:
        """Begin without changes; `allocations_of` returns the allocations of a pool."""
        self._address_sets = address_sets
        self._allocations_of = allocations_of
        self._keys: asyncio.Queue[PoolKey] = asyncio.Queue()
        self._under_way: dict[PoolKey, pools.Pool] = {}
        self.on_done: Callable[[PoolKey], None] = _ignore
        """Called with each pool whose change was done in pieces."""

    def __contains__(self, key: object) -> bool:
        """Whether a change of the pool is still under way."""
        return key in self._under_way

    def begin(self, pool: pools.Pool) -> None:
        """Update the allocations of a pool to its spec; queue the update if it takes long."""
        self.cancel(pool.key)
        allocations, address_set = self._allocations_of(pool.key), self._address_sets.now(pool)
        if address_set is not None and (
            address_set == allocations.address_set or allocations.holders <= _FEW
        ):
            allocations.update(address_set, not_ready(pool, address_set))
            return
        if pool.metadata.deleting:
            allocations.begin_update(
                allocations.address_set, not_ready(pool, allocations.address_set)
            )
        self._under_way[pool.key] = pool
        self._keys.put_nowait(pool.key)

    def cancel(self, key: PoolKey) -> None:
        """Drop the change of a pool that is deleted or has changed again."""
        self._under_way.pop(key, None)

    async def until_done(self) -> None:
        """Wait until no change is under way; `run` must be running."""
        await self._keys.join()

    async def run(self) -> NoReturn:
        """Apply queued changes one by one, until cancelled."""
        while True:
            key = await self._keys.get()
            if pool := self._under_way.get(key):
                await self._change(pool)
            self._keys.task_done()

    async def _change(self, pool: pools.Pool) -> None:
        address_set = await self._address_sets.get(pool)
        if not self._is_current(pool):
            self._address_sets.forget(pool.key)  # it belongs to an old spec, or to a deleted pool
            return
        allocations = self._allocations_of(pool.key)
        allocations.begin_update(address_set, not_ready(pool, address_set))
        while allocations.updating:
            await asyncio.sleep(0)
            if not self._is_current(pool):
                return
            allocations.continue_update()
        del self._under_way[pool.key]
        self.on_done(pool.key)

    def _is_current(self, pool: pools.Pool) -> bool:
        return self._under_way.get(pool.key) is pool


def _ignore(_pool: PoolKey) -> None:
    """Do nothing: the default of `on_done`."""


def not_ready(pool: pools.Pool, address_set: AddressSet) -> str:
    """Return why a pool cannot allocate, as the rest of a sentence; empty if it can."""
    if pool.metadata.deleting:
        return "is being deleted"
    if not address_set.errors:
        return f"offers nothing: {address_set.why_empty}" if address_set.why_empty else ""
    few = [str(error) for error in address_set.errors[:_SHOWN_ERRORS]]
    if more := len(address_set.errors) - len(few):
        few.append(f"and {more} more")
    return f"has an invalid spec: {'; '.join(few)}"
