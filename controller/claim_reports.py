# SPDX-License-Identifier: Apache-2.0
"""The conditions and Events of claims.

Flow:
    `Ready` says whether the claim has its address, and if not, why.  `Paused` and `Deleting` say
    why nothing happens to a waiting claim.  An Event reports a change for the worse.

Guarantees:
    A claim whose status is right is not written.  No message has a number that changes while the
    claim waits: one more address in a pool must not cause a write for each waiting claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from kube.events import Event
from kube.workers import Done, Outcome, RequeueAfter
from objects.metadata import RELEASE_FINALIZER
from objects.references import NameReference

from .conditions import ALLOCATED, DELETING, PAUSED, READY, ConditionValue, condition
from .rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kube.client import Api
    from kube.events import Recorder
    from kube.meta import Key
    from objects import clusterapi
    from objects.conditions import Condition
    from objects.pools import PoolKey

    from .errors import AllocationError
    from .state import State

log = structlog.get_logger(__name__)

_PAUSES_PER_SECOND = 50.0
"""Writes of `Paused`: a Cluster may have 100,000 claims, and its pause must not keep the API server
busy, or slow down the `clusterctl move` that paused it."""

_FORMER_REASON = "Ready"
"""The reason that earlier releases wrote.  An upgrade must not rewrite 100,000 bound claims."""

_NOT_PAUSED = ConditionValue(ok=False, reason="NotPaused", message="")


class ClaimReports:
    """Writes the status of claims, and records their Events."""

    def __init__(
        self, api: Api, state: State, recorder: Recorder[PoolKey] | None, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._state = state
        self._recorder = recorder
        self._pause_rate: RateLimiter[Key] = RateLimiter(_PAUSES_PER_SECOND, clock)

    def forget(self, key: Key) -> None:
        """Drop the rate limit of a claim that is deleted, or no longer paused."""
        self._pause_rate.forget(key)

    async def allocated(self, claim: clusterapi.IPAddressClaim, address: str) -> None:
        """Set the status of a claim that is bound to the IPAddress of its name.

        Guarantees:
            A claim whose status differs only by the reason of earlier releases is not written.
        """
        value = ConditionValue(ok=True, reason=ALLOCATED, message=f"address {address} is allocated")
        status = self._bound_status(claim, value)
        former = value._replace(reason=_FORMER_REASON)
        if status != claim.status and self._bound_status(claim, former) != claim.status:
            await self._write(claim, status, value)

    def shows(self, claim: clusterapi.IPAddressClaim, error: AllocationError) -> bool:
        """Whether the `Ready` condition of a claim already reports this error."""
        present = self._state.contract.condition(claim, READY)
        return present is not None and (
            (present.reason, present.message) == (error.reason, str(error))
        )

    async def refused(self, claim: clusterapi.IPAddressClaim, error: AllocationError) -> None:
        """Report why a claim has no address, and record an Event if the reason is new."""
        value = ConditionValue(ok=False, reason=error.reason, message=str(error))
        known = self.shows(claim, error)
        status = self._status(claim, self._condition(claim, READY, value))
        if await self._write(claim, status, value) and not known:
            self.record_event(claim, value.reason, "Allocate", value.message, warning=True)

    async def deleting(self, claim: clusterapi.IPAddressClaim, reason: str, message: str) -> None:
        """Report what holds the address of a claim that is being deleted."""
        value = ConditionValue(ok=True, reason=reason, message=message)
        status = self._status(claim, self._condition(claim, DELETING, value))
        await self._write(claim, status, value)

    async def paused(self, claim: clusterapi.IPAddressClaim, causes: Sequence[str]) -> Outcome:
        """Report what pauses a waiting claim; any other claim is not changed.

        Flow:
            A live claim is not Ready for the same reason, because its former message may be wrong.
        """
        key, end = claim.metadata.key, _end_of_pause(claim)
        value = ConditionValue(ok=True, reason=PAUSED, message=f"{' and '.join(causes)}; {end}")
        status = self._paused_status(claim, value)
        if not end or status == claim.status:
            self.forget(key)
            return Done()
        if seconds := self._pause_rate.seconds_left(key):
            return RequeueAfter(seconds)
        await self._write(claim, status, value)
        self.forget(key)
        return Done()

    def record_event(
        self,
        claim: clusterapi.IPAddressClaim,
        reason: str,
        action: str,
        note: str,
        *,
        warning: bool = False,
    ) -> None:
        """Record an Event of a claim; it is written in the background."""
        if self._recorder:
            event = Event(reason, action, note, warning)
            self._recorder.record(self._state.contract.claims, claim.metadata, event, claim.pool)

    def _bound_status(
        self, claim: clusterapi.IPAddressClaim, value: ConditionValue
    ) -> clusterapi.ClaimStatus:
        status = self._status(claim, self._condition(claim, READY, value))
        reference = NameReference(name=claim.metadata.name)
        return msgspec.structs.replace(status, address_ref=reference)

    def _paused_status(
        self, claim: clusterapi.IPAddressClaim, value: ConditionValue
    ) -> clusterapi.ClaimStatus:
        paused = self._condition(claim, PAUSED, value)
        if claim.metadata.deleting:
            return self._state.contract.status(claim, paused)
        unready = self._condition(claim, READY, value._replace(ok=False))
        return self._state.contract.status(claim, unready, paused)

    def _status(self, claim: clusterapi.IPAddressClaim, new: Condition) -> clusterapi.ClaimStatus:
        """Return the status of a claim that is not paused; `Paused` is False if it was True."""
        contract = self._state.contract
        if (old := contract.condition(claim, PAUSED)) is None or old.status == "False":
            return contract.status(claim, new)
        return contract.status(claim, new, self._condition(claim, PAUSED, _NOT_PAUSED))

    def _condition(
        self, claim: clusterapi.IPAddressClaim, kind: str, value: ConditionValue
    ) -> Condition:
        old = self._state.contract.condition(claim, kind)
        return condition(kind, value, old, claim.metadata)

    async def _write(
        self,
        claim: clusterapi.IPAddressClaim,
        status: clusterapi.ClaimStatus,
        value: ConditionValue,
    ) -> bool:
        """Write a status if it differs from the present one; return whether it differs."""
        if status == claim.status:
            return False
        await self._state.claims.patch(self._api, claim, {"status": status}, "status")
        _, reason, message = value
        log.info("claim", object=str(claim.metadata.key), reason=reason, message=message)
        return True


def _end_of_pause(claim: clusterapi.IPAddressClaim) -> str:
    """Return what happens to a claim after a pause; empty if it waits for nothing."""
    if claim.metadata.deleting:
        held = RELEASE_FINALIZER in claim.metadata.finalizers
        return "the address of the claim is released when the pause ends" if held else ""
    return "" if claim.bound else "the claim gets an address when the pause ends"
