# SPDX-License-Identifier: Apache-2.0
"""Wires changes of objects to work queues, and the queues to reconcilers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import ExitStack
from functools import partial
from heapq import merge
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from kube import workers
from kube.deltas import Added, Delta, Modified
from kube.queue import Queue
from kube.tasks import in_pieces, together
from objects import clusterapi

from . import metrics
from .claim_reconciler import ClaimReconciler
from .events import recorder
from .pool_reconciler import PoolReconciler
from .references import References
from .state import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube.client import Api
    from kube.meta import Key
    from objects import pools
    from objects.informers import Informers
    from objects.pools import PoolKey

    from .election import Election
    from .wait_queue import Age

log = structlog.get_logger(__name__)

CLAIM_WORKERS = 32
"""Claims reconciled at once: enough to keep an API server busy that answers in 10 ms."""

POOL_WORKERS = 2

_BOUND = "served"
"""The queue group of claims that are bound when a leadership begins: there may be 100,000."""

_BATCH_SIZE = 200
"""Claims or pools that are queued in one turn of the event loop, in 2 ms."""

_Filter = Callable[[clusterapi.IPAddressClaim], bool]
"""Selects claims."""

_Batch = Callable[[], Coroutine[Any, Any, None]]
"""Queues many keys, in pieces."""


class Controller:
    """The controller of at most one leadership; others keep its caches up to date.

    Flow:
        A standby keeps the allocations (`State`) up to date.  In a leader, a change of an object ->
        the allocations -> the keys of affected objects -> a worker.
    """

    def __init__(
        self, api: Api, informers: Informers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.state = State(informers, clock)
        call_later = asyncio.get_running_loop().call_later
        self._claim_queue: Queue[Key] = Queue("ipaddressclaim", call_later, order_of=self._age_of)
        self._pool_queue: Queue[PoolKey] = Queue("pool", call_later)
        self._batches: asyncio.Queue[_Batch] = asyncio.Queue()
        self._recorder = recorder(api, self.state.pool)
        self._claims = ClaimReconciler(api, self.state, self._recorder, clock)
        self._pools = PoolReconciler(api, self.state, self._recorder, clock)
        self._references = References(self.state, self._recorder)

    async def run(self, election: Election) -> NoReturn:
        """Keep the allocations up to date, and reconcile once this process leads, until cancelled.

        Raises:
            KubeError: alone or in a group: the caches could not catch up, or leadership is lost.
        """
        with ExitStack() as following:
            following.callback(self.state.clear)
            following.enter_context(self.state.following())
            await together(self.state.changes.run(), self._lead(election))
        raise AssertionError("jobs never end")  # pragma: no cover - they only end by an error

    async def _lead(self, election: Election) -> None:
        """Wait for the election, then reconcile.

        Flow:
            Before the first write, the caches and allocations have all writes of former leaders.
            Waiting claims come first.
        """
        await self.state.build()
        newest, informers = await election.won(), self.state.informers
        await informers.catch_up(newest)
        await self.state.mark_records_in_flight()
        election.catch_up()
        with ExitStack() as subscriptions:
            subscriptions.callback(self._claim_queue.close)
            subscriptions.callback(self._pool_queue.close)
            self._watch(subscriptions)
            waiting, claims = len(self.state.waiting), len(informers.claims)
            log.info("controller starts", waiting=waiting, claims=claims)
            await self._queue_waiting()
            with metrics.SHOWN.showing(self.state):
                await self._work()

    async def _work(self) -> None:
        await together(
            self._recorder.run(),
            self._run_batches(),
            self._queue_rest(),
            workers.run(self._claim_queue, self._reconcile, self._pool_of, CLAIM_WORKERS),
            workers.run(self._pool_queue, self._pools.reconcile, lambda _: None, POOL_WORKERS),
        )

    def _watch(self, subscriptions: ExitStack) -> None:
        """Handle each change until `subscriptions` is closed."""
        informers = self.state.informers
        self.state.on_resolved = self._enqueue_pool
        self.state.changes.on_done = self._on_address_set
        subscriptions.enter_context(informers.claims.event_handler(self._on_claim))
        subscriptions.enter_context(informers.addresses.event_handler(self._on_address))
        subscriptions.enter_context(informers.clusters.event_handler(self._on_cluster))
        for informer in informers.pools.values():
            subscriptions.enter_context(informer.event_handler(self._on_pool))

    async def _queue_waiting(self) -> None:
        """Queue waiting claims, and those whose create may be in flight."""
        for keys in (self.state.waiting, self.state.in_flight):
            async for key in in_pieces(tuple(keys)):
                self._claim_queue.add(key, self._pool_of(key))

    async def _queue_rest(self) -> None:
        """Queue all other objects once, in turn with new claims: a change may have been missed."""
        for informer in self.state.informers.pools.values():
            async for pool in in_pieces(tuple(informer)):
                self._pool_queue.add(pool.key)
        async for claim in in_pieces(tuple(self.state.claims)):
            self._references.check(Added(claim))
            if claim.pool and claim.metadata.key not in self.state.waiting:
                self._claim_queue.add(claim.metadata.key, _BOUND)
        async for address in in_pieces(tuple(self.state.addresses)):
            if address.pool and self._pool_of(address.metadata.key) is None:
                self._claim_queue.add(address.metadata.key, _BOUND)

    def _pool_of(self, key: Key) -> PoolKey | None:
        """Return the pool of a claim: the long queue of one pool must not delay other pools."""
        claim = self.state.claims.get(key)
        return claim.pool if claim else None

    def _age_of(self, key: Key) -> Age:
        """Return the age of a claim, which orders the queue; keys without a claim come first."""
        claim = self.state.claims.get(key)
        return self.state.age(claim) if claim else ("", 0)

    def _on_claim(self, delta: Delta[clusterapi.IPAddressClaim]) -> None:
        claim = delta.object
        self._references.check(delta)
        pools = _pools_of(delta)
        if pools:
            self._claim_queue.add(claim.metadata.key, claim.pool)
        for pool in pools:
            self._enqueue_pool(pool)

    def _on_address(self, delta: Delta[clusterapi.IPAddress]) -> None:
        key = delta.object.metadata.key
        self._claim_queue.add(key, self._pool_of(key))
        unreadable = [
            each for each in delta.objects if isinstance(each, clusterapi.UnreadableIPAddress)
        ]
        if any(each.pool is None for each in unreadable):  # it may belong to any pool
            self._batches.put_nowait(self._check_all_pools)
            return
        for pool in _pools_of(delta):
            if unreadable:
                self._on_address_set(pool)
            else:
                self._enqueue_pool(pool)

    def _on_pool(self, delta: Delta[pools.Pool]) -> None:
        pool = delta.object
        self._pool_queue.add(pool.key)
        claims = self.state.claims_of_pool.get(pool.key, ())
        if not isinstance(delta, Modified) or _appearance(delta.old) != _appearance(pool):
            self._enqueue(claims)
        elif delta.old.spec != pool.spec:
            self._on_address_set(pool.key)
            self._enqueue(claims, _is_deleting)  # the grace period, perhaps

    def _on_address_set(self, pool: PoolKey) -> None:
        """Queue all waiting claims of a pool: its change may serve them, or change their reason."""
        if allocations := self.state.allocations.get(pool):
            self._enqueue(allocations.queue.ages)
        self._enqueue_pool(pool)

    def _on_cluster(self, delta: Delta[clusterapi.Cluster]) -> None:
        cluster = delta.object
        if not isinstance(delta, Modified) or delta.old.pauses != cluster.pauses:
            self._enqueue(self.state.claims_of_cluster.get(cluster.metadata.key, ()))

    async def _reconcile(self, key: Key) -> workers.Outcome:
        """Reconcile a claim, and then its pool: another claim may be served now."""
        pool = self._pool_of(key)
        try:
            return await self._claims.reconcile(key)
        finally:
            if pool:
                self._enqueue_pool(pool)

    def _enqueue_pool(self, pool: PoolKey) -> None:
        """Queue a pool, and those of its waiting claims that can be served."""
        self._pool_queue.add(pool)
        if allocations := self.state.allocations.get(pool):
            notified = allocations.notify(_BATCH_SIZE)
            self._enqueue(notified)
            if len(notified) >= _BATCH_SIZE:
                self._batches.put_nowait(partial(self._enqueue_pool_again, pool))

    def _enqueue(self, keys: Collection[Key], wanted: _Filter = bool) -> None:
        """Queue claims; many of them in pieces, so that other tasks run in between."""
        if len(keys) > _BATCH_SIZE:
            self._batches.put_nowait(partial(self._enqueue_many, tuple(keys), wanted))
            return
        for key in tuple(keys):
            self._enqueue_one(key, wanted)

    def _enqueue_one(self, key: Key, wanted: _Filter) -> None:
        if (claim := self.state.claims.get(key)) and wanted(claim):
            self._claim_queue.add(key, claim.pool)

    async def _enqueue_many(self, keys: Sequence[Key], wanted: _Filter) -> None:
        """Queue claims, oldest first: some are served before the last are queued."""
        pieces = [keys[first : first + _BATCH_SIZE] for first in range(0, len(keys), _BATCH_SIZE)]
        ordered = [sorted(piece, key=self._age_of) async for piece in in_pieces(pieces)]
        async for key in in_pieces(merge(*ordered, key=self._age_of)):
            self._enqueue_one(key, wanted)

    async def _check_all_pools(self) -> None:
        async for pool in in_pieces(tuple(self.state.allocations)):
            self._on_address_set(pool)

    async def _enqueue_pool_again(self, pool: PoolKey) -> None:
        self._enqueue_pool(pool)

    async def _run_batches(self) -> NoReturn:
        while True:
            work = await self._batches.get()
            await work()
            await asyncio.sleep(0)  # there may be many small batches


def _is_deleting(claim: clusterapi.IPAddressClaim) -> bool:
    return claim.metadata.deleting


def _pools_of(
    delta: Delta[clusterapi.IPAddressClaim] | Delta[clusterapi.IPAddress],
) -> set[PoolKey]:
    """Return the pools that a change concerns: two if another object took the name."""
    return {item.pool for item in delta.objects if item.pool}


def _appearance(pool: pools.Pool) -> tuple[str, bool, bool]:
    """Return the fields of a pool on which all its claims depend, bound ones too."""
    return pool.metadata.uid, pool.metadata.paused, pool.metadata.deleting
