# SPDX-License-Identifier: Apache-2.0
"""The life of a claim: gets an address, keeps it, gives it back.

Flow:
    choose (memory) -> record (finalizer and annotation on the claim) -> create the IPAddress ->
    status.  A crash in between leaves a claim that the next run finishes: what was recorded is a
    reservation that every successor honours, and nothing is created that was not recorded.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import structlog

from kube import capi, pools
from kube.errors import ConflictError, KubeError, NotFoundError
from kube.objects import (
    ADDRESS_ANNOTATION,
    ADDRESS_FOR_ANNOTATION,
    MOVE_LABEL,
    Key,
    NameReference,
)
from kube.workers import Again, Done, Outcome

from . import conditions
from .addresses import (
    Addresses,
    abandoned,
    check_owner,
    check_readable,
    owned_by,
    refers_to,
)
from .errors import AllocationError
from .events import News
from .orphans import Orphans
from .pace import Pace
from .state import RELEASE_FINALIZER, State, parse, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.notation import Address
    from kube.client import Api

    from .events import Recorder

log = structlog.get_logger(__name__)

_TAKEN_OVER_PER_SECOND = 20.0
"""Claims bound by another provider or release that get their record: it changes nothing for them,
so it must not keep the API server busy."""


class Claims:
    """Reconciles claims, by namespace and name."""

    def __init__(
        self,
        api: Api,
        state: State,
        news: Recorder | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._news = news
        self._addresses = Addresses(api, state)
        self._orphans = Orphans(api, state, self._addresses, clock)
        self._taken_over: Pace[Key] = Pace(_TAKEN_OVER_PER_SECOND, clock)

    async def reconcile(self, key: Key) -> Outcome:
        """Make the address of one claim match the claim.

        Level-based: acts on the present state, never on the event that woke it.

        Guarantees:
            Idempotent.  A second run in the same state writes nothing.

        Raises:
            KubeError: a write failed; the caller retries with backoff.
        """
        left, claim = await self._seconds_unsettled(key), self._state.claims.get(key)
        if left and (claim is None or claim.metadata.deleting):
            return Again(left)  # a live one goes on: of one name there is only one IPAddress
        outcome = await self._reconcile(key)
        return Again(left) if key in self._state.unsettled else outcome

    async def _seconds_unsettled(self, key: Key) -> float:
        """Return for how long an IPAddress of a claim may still come to exist that is not there."""
        unsettled = self._state.unsettled.get(key)
        if unsettled is None:
            return 0.0
        found = await self._state.addresses.fetch(self._api, key)
        left = unsettled.until - self._state.clock()
        if found or left <= 0:
            self._state.settle(key)
            return 0.0
        return left

    async def _reconcile(self, key: Key) -> Outcome:
        claim, address = self._state.claims.get(key), self._state.addresses.get(key)
        orphan: Outcome = Done()
        if address is not None and abandoned(address, claim):
            orphan = await self._orphans.reconcile(address)
        else:
            self._orphans.forget(key)
        if claim is None:
            self._taken_over.forget(key)
            return orphan
        outcome = await self._reconcile_claim(claim, address)
        return orphan if outcome == Done() else outcome

    async def _reconcile_claim(self, claim: capi.Claim, address: capi.Address | None) -> Outcome:
        if claim.pool is None:
            return Done()
        self._state.book(claim.pool).line.remove(claim.metadata.key)
        if not self._state.selected(claim) or self._paused(claim):
            return Done()
        if claim.metadata.deleting:
            return await self._release(claim, address)
        if self._cluster_is_missing(claim):
            return Done()
        try:
            return await self._bind(claim, address)
        except AllocationError as error:
            await self._report(claim, error.reason, str(error), ok=False)
        return Done()

    async def _bind(self, claim: capi.Claim, address: capi.Address | None) -> Outcome:
        """Give a claim its address, or repair what is missing of that."""
        if address is not None:
            check_owner(claim, address)
            if address.metadata.deleting and not owned_by(address, claim):
                await self._addresses.let_go(address)  # the last claim of this name left it
                return Done()
            given = address.spec.address
            check_readable(address)
        else:
            given = str(self._choose(claim))
        changes = _record(claim, given)
        taken_over = bool(changes) and claim.bound and address is not None
        if taken_over and (seconds := self._taken_over.seconds_left(claim.metadata.key)):
            return Again(seconds)
        claim = await self._patch(claim, changes) if changes else claim
        self._taken_over.forget(claim.metadata.key)
        if address is None:
            if not self._holds_first(claim, given):
                return Again(0)  # somebody's IPAddress with this address has just come
            address = await self._create(claim, given)
            self._tell(claim, "AddressAllocated", "Allocate", f"address {given} was allocated")
        else:
            await self._addresses.repair(claim, address)
        await self._report(claim, "Ready", f"address {address.spec.address} is allocated", ok=True)
        return Done()

    def _choose(self, claim: capi.Claim) -> Address:
        asked, record = wanted(claim), claim.metadata.annotations.address
        if record and asked is None:
            raise AllocationError(
                f"annotation {ADDRESS_ANNOTATION}: {record!r} is not an IP address"
            )
        assert claim.pool is not None
        book = self._state.book(claim.pool)
        made_for = claim.metadata.annotations.address_for
        settle = made_for == claim.metadata.uid and not claim.bound
        return book.choose(claim.metadata.key, self._state.age(claim), asked, settle=settle)

    async def _patch(self, claim: capi.Claim, changes: dict[str, object]) -> capi.Claim:
        """Write on the claim, in one patch, what must be there before its IPAddress is created."""
        try:
            return await self._state.claims.patch(self._api, claim, {"metadata": changes})
        except ConflictError:  # perhaps with a write of ours whose answer was lost
            await self._state.claims.fetch(self._api, claim.metadata.key)
            self._cancel(claim)
            raise
        except KubeError as error:
            if not error.maybe_applied:
                self._cancel(claim)
            raise

    async def _create(self, claim: capi.Claim, given: str) -> capi.Address:
        """Create the IPAddress; until it is seen, or surely does not exist, nobody else gets it."""
        try:
            address = await self._addresses.create(claim, given)
        except KubeError as error:
            if error.maybe_applied and claim.pool:
                self._state.unsettle(claim.metadata.key, claim.pool, _address(given))
            else:
                self._cancel(claim)
            raise
        except AllocationError:
            self._cancel(claim)
            raise
        self._state.unsettled.pop(claim.metadata.key, None)
        return address

    def _holds_first(self, claim: capi.Claim, given: str) -> bool:
        assert claim.pool is not None
        return self._state.book(claim.pool).holds_first(claim.metadata.key, _address(given))

    def _cancel(self, claim: capi.Claim) -> None:
        """Give up a choice that has surely not become an IPAddress; a record of it still counts."""
        if claim.pool and (book := self._state.books.get(claim.pool)):
            book.cancel(claim.metadata.key)

    async def _report(self, claim: capi.Claim, reason: str, message: str, *, ok: bool) -> None:
        """Write the claim's status if it is not so already."""
        contract = self._state.contract
        present = contract.ready(claim)
        condition = conditions.ready(present, claim.metadata, reason, message, ok=ok)
        status = contract.status(claim, condition)
        if ok:
            reference = NameReference(name=claim.metadata.name)
            status = msgspec.structs.replace(status, address_ref=reference)
        if status == claim.status:
            return
        await self._state.claims.patch(self._api, claim, {"status": status}, "status")
        if not ok and (present is None or present.reason != reason):
            self._tell(claim, reason, "Allocate", message, warning=True)
        log.info("claim", object=str(claim.metadata.key), ready=ok, reason=reason, message=message)

    async def _release(self, claim: capi.Claim, address: capi.Address | None) -> Outcome:
        """Give back the address of a claim that is being deleted: first the address, then it.

        The record on the claim holds the address until no IPAddress has it, so what the cache does
        not show is looked for at the API server: a create of ours may have just gone through.
        """
        ours = RELEASE_FINALIZER in claim.metadata.finalizers
        if address is None and ours:
            address = await self._state.addresses.fetch(self._api, claim.metadata.key)
        if address is not None and refers_to(address, claim):
            if (seconds := self._grace_seconds_left(claim)) > 0:
                return Again(seconds)
            if not await self._addresses.let_go(address):
                return Done()  # woken when it goes
            note = f"address {address.spec.address} was released"
            self._tell(claim, "AddressReleased", "Release", note)
        if ours:
            finalizers = claim.metadata.finalizers_but(RELEASE_FINALIZER)
            changes = {"metadata": {"finalizers": finalizers}}
            try:
                await self._state.claims.patch(self._api, claim, changes)
            except NotFoundError:
                return Done()
            log.info("claim released", object=str(claim.metadata.key))
        return Done()

    def _grace_seconds_left(self, claim: capi.Claim) -> float:
        """Return for how long the address stays held: the pool's grace period since deletion."""
        pool = self._state.pool(claim.pool) if claim.pool else None
        if pool is None or pool.metadata.deleting or pool.spec is None:
            return 0.0
        since = datetime.fromisoformat(claim.metadata.deletion_timestamp or "").timestamp()
        return since + pool.spec.address_reuse_grace_period_seconds - time.time()

    def _paused(self, claim: capi.Claim) -> bool:
        """Say whether the claim, its Cluster or its pool is to be left alone."""
        cluster = self._state.clusters.get(Key(claim.metadata.namespace, claim.cluster_name))
        pool = self._state.pool(claim.pool) if claim.pool else None
        return (
            claim.metadata.paused
            or (cluster is not None and cluster.paused)
            or (pool is not None and pool.metadata.paused)
        )

    def _cluster_is_missing(self, claim: capi.Claim) -> bool:
        cluster = Key(claim.metadata.namespace, claim.cluster_name)
        return bool(claim.cluster_name) and self._state.clusters.get(cluster) is None

    def _tell(
        self, claim: capi.Claim, reason: str, action: str, note: str, *, warning: bool = False
    ) -> None:
        """Leave news about a claim to be written in the background."""
        if self._news:
            news = News(reason, action, note, warning)
            self._news.tell(self._state.contract.claims, claim.metadata, news, claim.pool)


def _address(given: str) -> Address:
    """Return an address that was chosen, from its text."""
    address = parse(given)
    assert address is not None
    return address


def _record(claim: capi.Claim, given: str) -> dict[str, object]:
    """Return what a claim's metadata still lack to say that it was given this address."""
    changes: dict[str, object] = {}
    meta = claim.metadata
    if RELEASE_FINALIZER not in meta.finalizers:
        changes["finalizers"] = (*meta.finalizers, RELEASE_FINALIZER)
    if meta.annotations.address != given and wanted(claim) != parse(given):
        changes["annotations"] = {ADDRESS_ANNOTATION: given, ADDRESS_FOR_ANNOTATION: meta.uid}
    if meta.labels.move is None and pools.KINDS[claim.spec.pool_ref.kind].namespaced:
        changes["labels"] = {MOVE_LABEL: ""}
    return changes
