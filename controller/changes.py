# SPDX-License-Identifier: Apache-2.0
"""Changes of what pools offer that take too long for one turn of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.offer import Offer
    from kube import pools
    from kube.objects import PoolKey
    from kube.offers import Offers

    from .ledger import Book

_FEW = 200
"""Addresses with holders that are placed at once, in 2 ms."""

_TOLD_PROBLEMS = 5  # of a spec; the API server refuses conditions over 32,768 characters


class Changes:
    """Brings books to what their pools offer: small ones at once, others in turn, in pieces.

    Guarantees:
        The book answers by the former offer until the change is done.  A change that comes
        meanwhile replaces it.
    """

    def __init__(self, offers: Offers, book: Callable[[PoolKey], Book]) -> None:
        """Begin with none; `book` returns the book of a pool."""
        self._offers = offers
        self._book = book
        self._keys: asyncio.Queue[PoolKey] = asyncio.Queue()
        self._under_way: dict[PoolKey, pools.Pool] = {}
        self.on_done: Callable[[PoolKey], None] = _ignore
        """Is told of a pool whose change was not done at once."""

    def __contains__(self, key: object) -> bool:
        """Whether the book of a pool does not answer by the pool's spec yet."""
        return key in self._under_way

    def begin(self, pool: pools.Pool) -> None:
        """Bring a book to what its pool offers."""
        self.cancel(pool.key)
        book, offer = self._book(pool.key), self._offers.now(pool)
        if offer is not None and (offer == book.offer or book.holders <= _FEW):
            book.set_offer(offer, _not_ready(pool, offer))
            return
        if pool.metadata.deleting:
            book.begin(book.offer, _not_ready(pool, book.offer))
        self._under_way[pool.key] = pool
        self._keys.put_nowait(pool.key)

    def cancel(self, key: PoolKey) -> None:
        """Give up the change of a pool: it is gone, or has changed again."""
        self._under_way.pop(key, None)

    async def until_done(self) -> None:
        """Wait until no change is under way; `run` has to be running."""
        await self._keys.join()

    async def run(self) -> NoReturn:
        """Do what was not done at once, until cancelled."""
        while True:
            key = await self._keys.get()
            if pool := self._under_way.get(key):
                await self._change(pool)
            self._keys.task_done()

    async def _change(self, pool: pools.Pool) -> None:
        offer = await self._offers.get(pool)
        if not self._is_current(pool):
            return
        book = self._book(pool.key)
        book.begin(offer, _not_ready(pool, offer))
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
    """Stand in until somebody wants to know."""


def _not_ready(pool: pools.Pool, offer: Offer) -> str:
    """Return why a pool hands out nothing, as the rest of a sentence; empty when it may."""
    if pool.metadata.deleting:
        return "is being deleted"
    if not offer.problems:
        return f"offers nothing: {offer.nothing}" if offer.nothing else ""
    few = [str(problem) for problem in offer.problems[:_TOLD_PROBLEMS]]
    if more := len(offer.problems) - len(few):
        few.append(f"and {more} more")
    return f"has a spec that makes no sense: {'; '.join(few)}"
