# SPDX-License-Identifier: Apache-2.0
"""Wires events to queues, and queues to reconcile functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

import structlog

from kube import capi, workers
from kube.queue import Queue
from kube.tasks import PIECE, in_pieces, together

from . import metrics
from .claims import Claims
from .events import Recorder
from .pools import Pools
from .references import References
from .state import State

if TYPE_CHECKING:
    from collections.abc import Collection

    from kube import pools
    from kube.caches import Caches
    from kube.client import Api
    from kube.objects import Key, PoolKey

    from .line import Age

log = structlog.get_logger(__name__)

CLAIM_WORKERS = 32
"""Claims written at once: enough to keep an API server busy that answers in 10 ms."""

POOL_WORKERS = 2

_SERVED = "served"
"""The group of claims that have their address when a leadership begins: there may be 100,000."""

_Which = Callable[["capi.Claim"], bool]
"""Chooses among claims."""


class Controller:
    """The controller of one leadership, on copies that are kept up to date elsewhere.

    Flow:
        A change of an object -> the books (`State`) -> the keys it concerns -> a worker.
    """

    def __init__(
        self, api: Api, caches: Caches, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.state = State(caches, clock)
        later = asyncio.get_running_loop().call_later
        self._claim_queue: Queue[Key] = Queue("ipaddressclaim", later, order_of=self._age_of)
        self._pool_queue: Queue[PoolKey] = Queue("pool", later)
        self._crowds: asyncio.Queue[tuple[tuple[Key, ...], _Which]] = asyncio.Queue()
        self._news = Recorder(api, self.state.pool)
        self._claims = Claims(api, self.state, self._news, clock)
        self._pools = Pools(api, self.state, self._news, clock)
        self._references = References(self.state, self._news)

    async def run(self) -> NoReturn:
        """Work until cancelled.

        Flow:
            What was written before this leadership began is in the copies before the books are made
            from them, and nothing changes a copy while they are made.

        Raises:
            KubeError: alone or in a group: the copies could not be brought up to date, or
                leadership is lost.
        """
        caches = self.state.caches
        await caches.catch_up()
        with ExitStack() as heard:
            heard.callback(self._claim_queue.close)
            heard.callback(self._pool_queue.close)
            with caches.held():
                await self.state.rebuild()
                self._watch(heard)
            log.info(
                "controller starts", claims=len(caches.claims), addresses=len(caches.addresses)
            )
            await self._start()
            with metrics.SHOWN.showing(self.state):  # not before: counts of half a book are wrong
                await self._work()
        raise AssertionError("jobs never end")  # pragma: no cover - they only end by an error

    async def _work(self) -> None:
        await together(
            self._news.run(),
            self._wake_crowds(),
            workers.run(self._claim_queue, self._reconcile, self._pool_of, CLAIM_WORKERS),
            workers.run(self._pool_queue, self._pools.reconcile, lambda _: None, POOL_WORKERS),
        )

    def _watch(self, heard: ExitStack) -> None:
        """Hear of each change until `heard` is left."""
        caches = self.state.caches
        self.state.on_settled = self._look_at
        heard.enter_context(caches.claims.telling(self._on_claim))
        heard.enter_context(caches.addresses.telling(self._on_address))
        heard.enter_context(caches.clusters.telling(self._on_cluster))
        for cache in caches.pools.values():
            heard.enter_context(cache.telling(self._on_pool))

    async def _start(self) -> None:
        """Look at everything once: claims that wait first, and the others in turn with new ones."""
        claims = tuple(self.state.claims)
        async for claim in in_pieces(claims):
            self._references.check(None, claim)
            if claim.pool and not _is_served(claim):
                self._claim_queue.add(claim.metadata.key, claim.pool)
        async for claim in in_pieces(claims):
            if claim.pool and _is_served(claim):
                self._claim_queue.add(claim.metadata.key, _SERVED)
        async for address in in_pieces(tuple(self.state.addresses)):
            if address.pool:
                self._claim_queue.add(address.metadata.key, address.pool)
        for cache in self.state.caches.pools.values():
            for pool in cache:
                self._pool_queue.add(pool.key)

    def _pool_of(self, key: Key) -> PoolKey | None:
        """Return in whose line a claim stands: a long one must not delay other pools."""
        claim = self.state.claims.get(key)
        return claim.pool if claim else None

    def _age_of(self, key: Key) -> Age:
        """Return where a claim stands in line; what has no claim comes first."""
        claim = self.state.claims.get(key)
        return self.state.age(claim) if claim else ("", 0)

    def _on_claim(self, old: capi.Claim | None, new: capi.Claim | None) -> None:
        changed = new or old
        assert changed is not None
        self._references.check(old, new)
        pools = _pools_of(old, new)
        if pools:
            self._claim_queue.add(changed.metadata.key, changed.pool)
        self.state.set_claim(old, new)
        for pool in pools:
            self._look_at(pool)

    def _on_address(self, old: capi.Address | None, new: capi.Address | None) -> None:
        changed = new or old
        assert changed is not None
        key = changed.metadata.key
        self._claim_queue.add(key, self._pool_of(key))
        unreadable = any(isinstance(each, capi.UnreadableAddress) for each in (old, new))
        concerned = [*self.state.books] if unreadable else _pools_of(old, new)
        before = {pool: self._not_ready(pool) for pool in concerned}
        self.state.set_address(old, new)
        for pool in concerned:
            if (book := self.state.books.get(pool)) and book.not_ready != before[pool]:
                self._wake(book.line.ages)
            self._look_at(pool)

    def _on_pool(self, old: pools.Pool | None, new: pools.Pool | None) -> None:
        changed = new or old
        assert changed is not None
        key, state = changed.key, self.state
        state.set_pool(old, new)
        self._pool_queue.add(key)
        if _appearance(old) != _appearance(new):
            self._wake(state.claims_of_pool.get(key, ()))
        elif old and new and old.spec != new.spec:
            self._wake(state.book(key).line.ages)
            self._wake(state.claims_of_pool.get(key, ()), _is_deleting)  # the grace period, perhaps

    def _on_cluster(self, old: capi.Cluster | None, new: capi.Cluster | None) -> None:
        changed = new or old
        assert changed is not None
        if (old is None, old and old.pauses) != (new is None, new and new.pauses):
            self._wake(self.state.claims_of_cluster.get(changed.metadata.key, ()))

    async def _reconcile(self, key: Key) -> workers.Outcome:
        """Reconcile a claim; whatever came of it may be somebody else's chance."""
        pool = self._pool_of(key)
        try:
            return await self._claims.reconcile(key)
        finally:
            if pool:
                self._look_at(pool)

    def _not_ready(self, pool: PoolKey) -> str:
        book = self.state.books.get(pool)
        return book.not_ready if book else ""

    def _look_at(self, pool: PoolKey) -> None:
        """Let a pool's counts be written, and its waiting claims be served as far as they can."""
        self._pool_queue.add(pool)
        if book := self.state.books.get(pool):
            for key in book.call():
                self._claim_queue.add(key, pool)

    def _wake(self, keys: Collection[Key], which: _Which = bool) -> None:
        """Queue claims; many of them in pieces, since others wait for their turn meanwhile."""
        if len(keys) > PIECE:
            self._crowds.put_nowait((tuple(keys), which))
            return
        for key in keys:
            self._wake_one(key, which)

    def _wake_one(self, key: Key, which: _Which) -> None:
        if (claim := self.state.claims.get(key)) and which(claim):
            self._claim_queue.add(key, claim.pool)

    async def _wake_crowds(self) -> NoReturn:
        while True:
            keys, which = await self._crowds.get()
            async for key in in_pieces(keys):
                self._wake_one(key, which)


def _is_served(claim: capi.Claim) -> bool:
    return claim.bound and not claim.metadata.deleting


def _is_deleting(claim: capi.Claim) -> bool:
    return claim.metadata.deleting


def _pools_of(
    old: capi.Claim | capi.Address | None, new: capi.Claim | capi.Address | None
) -> set[PoolKey]:
    """Return our pools that a change concerns: two where an object was replaced by another."""
    return {item.pool for item in (old, new) if item and item.pool}


def _appearance(pool: pools.Pool | None) -> tuple[str, bool, bool] | None:
    """Return what makes all claims of a pool, bound ones too, worth another look."""
    if pool is None:
        return None
    return pool.metadata.uid, pool.metadata.paused, pool.metadata.deleting
