# SPDX-License-Identifier: Apache-2.0
"""Keeps the finalizer, the counts and the Ready condition of each pool current."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from ipam import texts
from kube.backoff import Backoff
from kube.conditions import find_condition, set_conditions
from kube.errors import KubeError
from kube.events import Event
from kube.workers import Done, Outcome, RequeueAfter
from objects import pools
from objects.metadata import PAUSED_TEXT, PROTECT_POOL_FINALIZER

from . import conditions
from .conditions import DELETING, PAUSED, READY, ConditionValue
from .convertible import Convertible
from .rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ipam.notation import Address
    from kube.client import Api
    from kube.events import Recorder
    from kube.meta import Key
    from objects.conditions import Condition
    from objects.pools import PoolKey

    from .allocations import PoolAllocations
    from .state import State

log = structlog.get_logger(__name__)

STATUS_SECONDS = 1.0
"""The least time between two status writes of a pool: many claims must not cause many writes."""

STATUS_PER_SECOND = 10.0
"""The most status writes a second for all pools together."""

_FIRST_RETRY_SECONDS = 0.1  # a conflict is solved as soon as the watch has caught up

_NAMED_HOLDERS = 5  # of an address, in a message

_INT64_MAX = 2**63 - 1  # what a status can say; an IPv6 pool is often larger


class PoolReconciler:
    """Reconciles pools of all kinds."""

    def __init__(
        self,
        api: Api,
        state: State,
        recorder: Recorder[PoolKey] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._recorder = recorder
        self._clock = clock
        self._convertible = Convertible(api, clock, self._report_unconvertible)
        self._not_before: dict[PoolKey, float] = {}  # when a status may be written next
        self._status_rate: RateLimiter[PoolKey] = RateLimiter(STATUS_PER_SECOND, clock)
        self._backoff: Backoff[PoolKey] = Backoff(_FIRST_RETRY_SECONDS, clock)
        """The queue's back-off ends as soon as an event adds the pool, as each claim does."""

    async def reconcile(self, key: PoolKey) -> Outcome:
        """Bring the finalizer and the status of one pool in line with its addresses.

        Guarantees:
            Idempotent.  A second run in the same state writes nothing.  A failed write
            is retried after a growing pause, whatever happens to the pool's claims meanwhile.

        Raises:
            KubeError: a write failed; the caller retries.
        """
        pool = self._state.pool(key)
        if pool is None:
            self._forget(key)
            return Done()
        if wait := self._backoff.seconds_left(key):
            return RequeueAfter(wait)
        try:
            outcome = await self._reconcile(pool)
        except KubeError:
            self._backoff.failed(key)
            raise
        if isinstance(outcome, Done):
            self._backoff.forget(key)
        return outcome

    def _forget(self, key: PoolKey) -> None:
        """Drop the rate limits of a deleted pool."""
        self._not_before.pop(key, None)
        self._status_rate.forget(key)
        self._convertible.forget(key)
        self._backoff.forget(key)

    async def _reconcile(self, pool: pools.Pool) -> Outcome:
        if not self._selected(pool) or pool.key in self._state.changes:
            return Done()  # it is queued again when the change is done
        if pool.metadata.paused:
            return await self._write_status(pool)
        if pool.metadata.deleting:
            allocations = self._state.allocations_of(pool.key)
            if not (allocations.used or allocations.expects_objects):
                await self._remove_finalizer(pool)
                return Done()
        elif PROTECT_POOL_FINALIZER not in pool.metadata.finalizers:
            if wait := await self._convertible.seconds_left(pool):
                return RequeueAfter(wait)
            finalizers = (*pool.metadata.finalizers, PROTECT_POOL_FINALIZER)
            pool = await self._patch(pool, {"metadata": {"finalizers": finalizers}})
        return await self._write_status(pool)

    async def _remove_finalizer(self, pool: pools.Pool) -> None:
        """Let a pool be deleted that has no IPAddress left."""
        if PROTECT_POOL_FINALIZER not in pool.metadata.finalizers:
            return
        left = pool.metadata.finalizers_but(PROTECT_POOL_FINALIZER)
        await self._patch(pool, {"metadata": {"finalizers": left}})
        log.info("pool released", object=str(pool.key))

    async def _write_status(self, pool: pools.Pool) -> Outcome:
        if wait := self._seconds_to_wait(pool.key):
            # Before counting, because this runs at each change of a claim.
            return RequeueAfter(wait)
        status = self._status(pool)
        if status == pool.status:
            self._status_rate.forget(pool.key)
            return Done()
        if wait := self._status_rate.seconds_left(pool.key):
            self._not_before[pool.key] = self._clock() + wait
            return RequeueAfter(wait)
        if wait := await self._convertible.seconds_left(pool):
            return RequeueAfter(wait)
        self._status_rate.forget(pool.key)  # before the write, because a failed write counts too
        self._not_before[pool.key] = self._clock() + STATUS_SECONDS
        await self._patch(pool, {"status": status}, "status")
        self._record_changes(pool, status)
        return Done()

    def _seconds_to_wait(self, key: PoolKey) -> float:
        now = self._clock()
        return max(self._not_before.get(key, now) - now, 0.0)

    def _record_changes(self, pool: pools.Pool, status: pools.PoolStatus) -> None:
        """Record an Event of each change for the worse since the last status."""
        old, new = (find_condition(each.conditions, READY) for each in (pool.status, status))
        assert new is not None
        if new.reason not in (READY, PAUSED) and (old is None or old.reason != new.reason):
            self._record_event(pool, new.reason or "", new.message or "")
        before = pool.status.ip_addresses.out_of_range if pool.status.ip_addresses else 0
        after = status.ip_addresses.out_of_range if status.ip_addresses else 0
        if after > before:
            count = texts.counted(after, "IPAddress")
            note = f"{count} in use, but not among what the pool may hand out now"
            self._record_event(pool, "AddressOutOfRange", note)

    def _report_unconvertible(self, pool: pools.Pool, problem: str) -> None:
        self._record_event(pool, "ConversionFailed", problem)

    def _record_event(self, pool: pools.Pool, reason: str, note: str) -> None:
        if self._recorder:
            event = Event(reason, "Reconcile", note, warning=True)
            self._recorder.record(pools.RESOURCES[pool.kind], pool.metadata, event)

    def _status(self, pool: pools.Pool) -> pools.PoolStatus:
        allocations = self._state.allocations_of(pool.key)
        counts = allocations.counts
        return pools.PoolStatus(
            ip_addresses=pools.Counts(
                total=min(counts.total, _INT64_MAX),
                free=min(counts.free, _INT64_MAX),
                used=counts.used,
                out_of_range=counts.out_of_range,
            ),
            conditions=set_conditions(pool.status.conditions, _ready(pool, allocations)),
            observed_generation=pool.metadata.generation,
        )

    def _selected(self, pool: pools.Pool) -> bool:
        return self._state.scope.watch_filter in ("", pool.metadata.labels.watch)

    async def _patch(
        self, pool: pools.Pool, changes: Mapping[str, object], subresource: str = ""
    ) -> pools.Pool:
        return await self._state.informers.pools[pool.kind].patch(
            self._api, pool, changes, subresource
        )


def _ready(pool: pools.Pool, allocations: PoolAllocations) -> Condition:
    """Return the Ready condition: whether addresses can be allocated, and warnings."""
    old = find_condition(pool.status.conditions, READY)
    return conditions.condition(READY, _ready_value(pool, allocations), old, pool.metadata)


def _ready_value(pool: pools.Pool, allocations: PoolAllocations) -> ConditionValue:
    if pool.metadata.deleting:
        left = texts.counted(allocations.used, "IPAddress")
        text = f"pool {allocations.not_ready}; it waits for the release of {left}"
        return ConditionValue(ok=False, reason=DELETING, message=text)
    if pool.metadata.paused:
        text = f"claims are neither served nor released while the pool has {PAUSED_TEXT}"
        return ConditionValue(ok=False, reason=PAUSED, message=text)
    if allocations.not_ready:
        reason = "InvalidSpec" if allocations.address_set.errors else "NoAddresses"
        if allocations.unknown_use:
            reason = "UnreadableAddress"
        return ConditionValue(ok=False, reason=reason, message=f"pool {allocations.not_ready}")
    if shared := allocations.shared:
        return ConditionValue(ok=True, reason="DuplicateAddress", message=_duplicates(shared))
    if allocations.free == 0:
        text = "no address is free; claims wait until one is released or addresses are added"
        return ConditionValue(ok=True, reason="PoolExhausted", message=text)
    return ConditionValue(ok=True, reason=READY, message="addresses can be allocated")


def _duplicates(shared: Mapping[Address, Sequence[Key]]) -> str:
    """Name the IPAddress objects that share an address; other clients created them."""
    address, holders = min(shared.items())
    in_order = sorted(holders)  # the same order after a restart, so that it writes nothing
    names = ", ".join(str(key) for key in in_order[:_NAMED_HOLDERS])
    return (
        f"{texts.counted(len(shared), 'address')} in use by more than one IPAddress, such as "
        f"{address} by {names}: delete all but one of their claims, or of them where they have none"
    )
