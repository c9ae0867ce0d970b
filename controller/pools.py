# SPDX-License-Identifier: Apache-2.0
"""Keeps a pool's finalizer, counts and Ready condition current."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from kube import capi, pools
from kube.workers import Again, Done, Outcome

from . import conditions
from .state import PROTECT_POOL_FINALIZER, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.client import Api
    from kube.objects import Condition, PoolKey

    from .ledger import Book

log = structlog.get_logger(__name__)

STATUS_SECONDS = 1.0
"""At most one status write per pool in this time: a storm of claims must not double itself."""

_INT64_MAX = 2**63 - 1  # what a status can say; an IPv6 pool is often larger


class Pools:
    """Reconciles pools of all kinds."""

    def __init__(self, api: Api, state: State) -> None:
        self._api = api
        self._state = state
        self._written: dict[PoolKey, float] = {}  # when the status was, by time.monotonic()

    async def reconcile(self, key: PoolKey) -> Outcome:
        """Make one pool's finalizer and status match its addresses.

        Guarantees:
            Idempotent.  A second run in the same state writes nothing.

        Raises:
            KubeError: a write failed; the caller retries with backoff.
        """
        pool = self._state.pool(key)
        if pool is None:
            self._written.pop(key, None)
            return Done()
        if not self._selected(pool) or pool.metadata.paused:
            return Done()
        if pool.metadata.deleting:
            if not self._state.book(pool.key).used:
                await self._let_go(pool)
                return Done()
        elif PROTECT_POOL_FINALIZER not in pool.metadata.finalizers:
            finalizers = (*pool.metadata.finalizers, PROTECT_POOL_FINALIZER)
            pool = await self._patch(pool, {"metadata": {"finalizers": finalizers}})
        return await self._write_status(pool)

    async def _let_go(self, pool: pools.Pool) -> None:
        """Let a pool be deleted of which no address is left."""
        if PROTECT_POOL_FINALIZER not in pool.metadata.finalizers:
            return
        left = [name for name in pool.metadata.finalizers if name != PROTECT_POOL_FINALIZER]
        await self._patch(pool, {"metadata": {"finalizers": left}})
        log.info("pool released", object=str(pool.key))

    async def _write_status(self, pool: pools.Pool) -> Outcome:
        status = self._status(pool)
        if status == pool.status:
            return Done()
        wait = self._written.get(pool.key, -STATUS_SECONDS) + STATUS_SECONDS - time.monotonic()
        if wait > 0:
            return Again(wait)
        self._written[pool.key] = time.monotonic()
        await self._patch(pool, {"status": status}, "status")
        return Done()

    def _status(self, pool: pools.Pool) -> pools.PoolStatus:
        book = self._state.book(pool.key)
        counts = book.counts
        return pools.PoolStatus(
            ip_addresses=pools.Counts(
                total=min(counts.total, _INT64_MAX),
                free=min(counts.free, _INT64_MAX),
                used=counts.used,
                out_of_range=counts.out_of_range,
            ),
            conditions=capi.replaced(pool.status.conditions, _ready(pool, book)),
            observed_generation=pool.metadata.generation,
        )

    def _selected(self, pool: pools.Pool) -> bool:
        return self._state.scope.watch_filter in ("", pool.metadata.labels.watch)

    async def _patch(
        self, pool: pools.Pool, changes: Mapping[str, object], subresource: str = ""
    ) -> pools.Pool:
        return await self._state.pools[pool.kind].patch(self._api, pool, changes, subresource)


def _ready(pool: pools.Pool, book: Book) -> Condition:
    old = capi.find(pool.status.conditions, "Ready")
    if book.not_ready:
        reason = "Deleting" if pool.metadata.deleting else "InvalidSpec"
        message = f"pool {book.not_ready}"
        return conditions.ready(old, pool.metadata, reason, message, ok=False)
    if book.free == 0:
        text = "no address is free; claims wait until one is released or addresses are added"
        return conditions.ready(old, pool.metadata, "PoolExhausted", text, ok=True)
    return conditions.ready(old, pool.metadata, "Ready", "addresses can be allocated", ok=True)
