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

    from .ledger import Book

_FEW = 200
"""Held addresses that are placed at once, which takes 2 ms."""

_SHOWN_ERRORS = 5  # of a spec; the API server refuses conditions over 32,768 characters


class Changes:
    """Updates a pool's book to its spec: a small change at once, large ones in turn, in pieces.

    Guarantees:
        The book answers from the old offer until the change is done.  A later change replaces one
        that is under way.
    """

    def __init__(self, address_sets: AddressSetCache, book: Callable[[PoolKey], Book]) -> None:
        """Begin without changes; `book` returns the book of a pool."""
        self._address_sets = address_sets
        self._book = book
        self._keys: asyncio.Queue[PoolKey] = asyncio.Queue()
        self._under_way: dict[PoolKey, pools.Pool] = {}
        self.on_done: Callable[[PoolKey], None] = _ignore
        """Called with each pool whose change was done in pieces."""

    def __contains__(self, key: object) -> bool:
        """Whether a change of the pool is still under way."""
        return key in self._under_way

    def begin(self, pool: pools.Pool) -> None:
        """Update the book of a pool to its spec, or queue that if it takes long."""
        self.cancel(pool.key)
        book, address_set = self._book(pool.key), self._address_sets.now(pool)
        if address_set is not None and (address_set == book.address_set or book.holders <= _FEW):
            book.set_offer(address_set, not_ready(pool, address_set))
            return
        if pool.metadata.deleting:
            book.begin(book.address_set, not_ready(pool, book.address_set))
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
        book = self._book(pool.key)
        book.begin(address_set, not_ready(pool, address_set))
        while book.changing:
            await asyncio.sleep(0)
            if not self._is_current(pool):
                return
            book.go_on()
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
