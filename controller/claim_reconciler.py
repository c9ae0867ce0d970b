# SPDX-License-Identifier: Apache-2.0
"""The life of a claim: it gets an address, keeps it, and returns it.

Flow:
    Choose an address in memory -> record it on the claim, with our finalizer -> create the
    IPAddress -> write the status.  After a crash in between, the next run finishes the claim.
    Every leader honours a recorded address, and creates no IPAddress without a record.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from kube.client import pages
from kube.errors import ConflictError, KubeError, NotFoundError
from kube.meta import Key
from kube.workers import Done, Outcome, RequeueAfter
from objects import clusterapi, pools
from objects.metadata import (
    ADDRESS_ANNOTATION,
    ADDRESS_FOR_ANNOTATION,
    CLUSTER_NAME_LABEL,
    MOVE_LABEL,
    RELEASE_FINALIZER,
)

from . import pauses
from .addresses import (
    Addresses,
    abandoned,
    check_owner,
    owned_by,
    parsed,
)
from .claim_reports import ClaimReports
from .conditions import ALLOCATED
from .errors import AllocationError, ClusterNotFoundError
from .orphans import Orphans
from .rate_limiter import RateLimiter
from .refusals import Refusals
from .release import Release
from .state import State, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.notation import Address
    from kube.client import Api
    from kube.events import Recorder
    from objects.pools import PoolKey

    from .allocations import PoolAllocations

log = structlog.get_logger(__name__)

_TAKEN_OVER_PER_SECOND = 20.0
"""Records for claims that another provider or release has bound.  They are not urgent, so they must
not keep the API server busy."""


class ClaimReconciler:
    """Reconciles claims."""

    def __init__(
        self,
        api: Api,
        state: State,
        recorder: Recorder[PoolKey] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._reports = ClaimReports(api, state, recorder, clock)
        self._refusals = Refusals(state, self._reports)
        self._addresses = Addresses(api, state)
        self._release = Release(api, state, self._addresses, self._reports)
        self._orphans = Orphans(api, state, self._addresses, clock)
        self._takeover_rate: RateLimiter[Key] = RateLimiter(_TAKEN_OVER_PER_SECOND, clock)

    async def reconcile(self, key: Key) -> Outcome:
        """Bring the IPAddress and the status of one claim in line with the claim.

        Level-based: it acts on the present state, never on the event that queued the claim.

        Guarantees:
            Idempotent.  A second run in the same state writes nothing.

        Raises:
            KubeError: a write failed; the caller retries with backoff.
        """
        left, claim = await self._seconds_in_flight(key), self._state.claims.get(key)
        if left and (claim is None or claim.metadata.deleting):
            # A live claim goes on, because only one IPAddress can have its name.
            return RequeueAfter(left)
        outcome = await self._reconcile(key)
        return RequeueAfter(left) if key in self._state.in_flight else outcome

    async def _seconds_in_flight(self, key: Key) -> float:
        """Return the seconds for which an in-flight create may still succeed."""
        pool = self._state.in_flight.get(key)
        if pool is None:
            return 0.0
        until = self._state.allocations_of(pool).in_flight_until(key)
        left = until - self._state.clock()  # before the API server is asked
        found = await self._state.addresses.get_live(self._api, key)
        if found or left <= 0:
            self._state.resolve(key)
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
            self._takeover_rate.forget(key)
            self._reports.forget(key)
            return orphan
        outcome = await self._reconcile_claim(claim, address)
        return orphan if outcome == Done() else outcome

    async def _reconcile_claim(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress | None
    ) -> Outcome:
        if claim.pool is None:
            return Done()
        self._state.allocations_of(claim.pool).queue.remove(claim.metadata.key)
        if not self._state.selected(claim):
            self._cancel(claim)
            return Done()
        if causes := pauses.causes(self._state, claim):
            self._cancel(claim)
            return await self._reports.paused(claim, causes)
        self._reports.forget(claim.metadata.key)
        if claim.metadata.deleting:
            self._cancel(claim)
            return await self._end(claim, address)
        return await self._serve(claim, address)

    async def _serve(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress | None
    ) -> Outcome:
        """Bind a live claim, or report why it waits.

        Guarantees:
            A claim that is retried keeps its chosen address, or else its place in the queue.
        """
        try:
            if self._cluster_is_missing(claim):
                return await self._await_cluster(claim)
            if address is None and self._awaits_offer(claim):
                self._keep_place(claim)
                return Done()  # it is queued again when the change of the pool is done
            return await self._bind(claim, address)
        except AllocationError as error:
            self._cancel(claim)
            await self._reports.refused(claim, error)
        except KubeError as error:
            if address is None:
                self._keep_place(claim)
            await self._refusals.report(claim, error)
            raise
        return Done()

    async def _end(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress | None
    ) -> Outcome:
        """Release a deleted claim, and report a refusal of the API server."""
        try:
            return await self._release.reconcile(claim, address)
        except KubeError as error:
            await self._refusals.report(claim, error)
            raise

    def _keep_place(self, claim: clusterapi.IPAddressClaim) -> None:
        """Keep the place of a claim that is retried, so that no younger claim overtakes it."""
        key, allocations = claim.metadata.key, self._allocations_of(claim)
        if allocations and key not in allocations.pending and self._is_current(claim):
            allocations.queue.keep_place(key, self._state.age(claim))

    async def _bind(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress | None
    ) -> Outcome:
        """Bind a claim to its IPAddress, and repair both."""
        if address is None:
            return await self._allocate(claim)
        check_owner(claim, address)
        if address.metadata.deleting and not owned_by(address, claim):
            return await self._release_former(address)
        changes = _record(claim, parsed(address), address.spec.address)
        if changes and claim.bound and (seconds := self._seconds_to_takeover(claim)):
            return RequeueAfter(seconds)
        claim = await self._patch(claim, changes) if changes else claim
        self._takeover_rate.forget(claim.metadata.key)
        await self._addresses.repair(claim, address)
        await self._reports.allocated(claim, address.spec.address)
        return Done()

    async def _allocate(self, claim: clusterapi.IPAddressClaim) -> Outcome:
        """Choose an address, record it on the claim, and create the IPAddress."""
        chosen = self._choose(claim)
        if changes := _record(claim, chosen, str(chosen)):
            claim = await self._patch(claim, changes)
        self._takeover_rate.forget(claim.metadata.key)
        if not await self._still_recorded(claim):
            return RequeueAfter(0)
        if not (self._is_current(claim) and self._owns(claim, chosen)):
            return RequeueAfter(0)  # the claim is deleted, or another IPAddress has the address
        return await self._bind_new(claim, await self._create(claim, chosen))

    def _seconds_to_takeover(self, claim: clusterapi.IPAddressClaim) -> float:
        return self._takeover_rate.seconds_left(claim.metadata.key)

    async def _bind_new(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress
    ) -> Outcome:
        """Bind a claim to the IPAddress that was just created for it.

        Flow:
            If the claim is gone, the IPAddress is released at once.  The API server may lose an
            acknowledged finalizer to a deletion in the same moment.
        """
        note = f"address {address.spec.address} was allocated"
        self._reports.record_event(claim, ALLOCATED, "Allocate", note)
        try:
            await self._reports.allocated(claim, address.spec.address)
        except NotFoundError:
            self._state.forsaken[address.metadata.key] = address.metadata.uid
            return await self._orphans.reconcile(address)
        return Done()

    async def _release_former(self, address: clusterapi.IPAddress) -> Outcome:
        """Release the IPAddress that a former claim of this name left behind.

        Raises:
            AllocationError: another controller's finalizer holds it.
        """
        if others := await self._addresses.release(address):
            raise AllocationError(
                f"IPAddress {address.metadata.key} of a former claim of this name is being deleted "
                f"and held by finalizers {', '.join(others)}; this claim gets an address after it"
            )
        return Done()

    def _awaits_offer(self, claim: clusterapi.IPAddressClaim) -> bool:
        """Whether a claim has to wait until a change of its pool is done."""
        pool = claim.pool
        assert pool is not None
        pending = self._state.allocations_of(pool).pending
        return pool in self._state.changes and claim.metadata.key not in pending

    def _choose(self, claim: clusterapi.IPAddressClaim) -> Address:
        asked, record = wanted(claim), claim.metadata.annotations.address
        if record and asked is None:
            raise AllocationError(
                f"annotation {ADDRESS_ANNOTATION}: {record!r} is not an IP address; "
                "correct it, or remove it to get any address"
            )
        assert claim.pool is not None
        allocations = self._state.allocations_of(claim.pool)
        made_for = claim.metadata.annotations.address_for
        replaceable = made_for == claim.metadata.uid and not claim.bound
        return allocations.choose(
            claim.metadata.key, self._state.age(claim), asked, replaceable=replaceable
        )

    async def _patch(
        self, claim: clusterapi.IPAddressClaim, changes: dict[str, object]
    ) -> clusterapi.IPAddressClaim:
        """Patch the claim with all that its IPAddress needs: finalizer, record and label."""
        try:
            return await self._state.claims.patch(self._api, claim, {"metadata": changes})
        except ConflictError:  # perhaps with our own write, whose answer was lost
            await self._state.claims.get_live(self._api, claim.metadata.key)
            raise
        except NotFoundError:
            self._cancel(claim)
            raise

    async def _create(
        self, claim: clusterapi.IPAddressClaim, chosen: Address
    ) -> clusterapi.IPAddress:
        """Create the IPAddress; no other claim gets the address until the result is known."""
        assert claim.pool is not None
        key = claim.metadata.key
        with self._state.creating(key, claim.pool, chosen):
            try:
                address = await self._addresses.create(claim, chosen)
            except KubeError as error:
                if error.maybe_applied:
                    self._state.mark_in_flight(key, claim.pool, chosen)
                raise
        if key in self._state.in_flight:
            self._state.resolve(key)
        return address

    async def _still_recorded(self, claim: clusterapi.IPAddressClaim) -> bool:
        """Whether the claim is unchanged at the API server, if a create of it is in flight.

        After an outage, etcd may be restored from a backup that has no such record.

        Raises:
            RevisionError: etcd was restored.
        """
        if claim.metadata.key not in self._state.in_flight:
            return True
        found = await self._state.claims.get_live(self._api, claim.metadata.key)
        return found is not None and found.metadata.revision == claim.metadata.revision

    def _is_current(self, claim: clusterapi.IPAddressClaim) -> bool:
        """Whether a claim still exists in the cache, and is not being deleted."""
        known = self._state.claims.get(claim.metadata.key)
        if known is None or known.metadata.deleting:
            return False
        return known.metadata.uid == claim.metadata.uid

    def _owns(self, claim: clusterapi.IPAddressClaim, chosen: Address) -> bool:
        assert claim.pool is not None
        return self._state.allocations_of(claim.pool).owns(claim.metadata.key, chosen)

    def _cancel(self, claim: clusterapi.IPAddressClaim) -> None:
        """Drop a choice that certainly has no IPAddress; a record of it still counts."""
        if allocations := self._allocations_of(claim):
            allocations.cancel(claim.metadata.key)

    def _allocations_of(self, claim: clusterapi.IPAddressClaim) -> PoolAllocations | None:
        return self._state.allocations.get(claim.pool) if claim.pool else None

    async def _await_cluster(self, claim: clusterapi.IPAddressClaim) -> Outcome:
        """Do nothing for a claim until its Cluster exists; a bound claim does not wait.

        Flow:
            A watch may report the Cluster later than the claim, so the API server is asked.

        Raises:
            ClusterNotFoundError: the API server does not have it, either.
        """
        if claim.bound:
            return Done()
        cluster = Key(claim.metadata.namespace, claim.cluster_name)
        field = "spec.clusterName" if claim.spec.cluster_name else f"label {CLUSTER_NAME_LABEL}"
        error = ClusterNotFoundError(cluster, field)
        if not self._reports.shows(claim, error):
            resource = self._state.contract.clusters
            async for page in pages(self._api, resource, cluster.namespace, cluster.name):
                if page.items:
                    return Done()
        raise error

    def _cluster_is_missing(self, claim: clusterapi.IPAddressClaim) -> bool:
        cluster = Key(claim.metadata.namespace, claim.cluster_name)
        return bool(claim.cluster_name) and self._state.clusters.get(cluster) is None


def _record(claim: clusterapi.IPAddressClaim, given: Address, text: str) -> dict[str, object]:
    """Return the changes of a claim's metadata that record its address; empty if it is recorded."""
    changes: dict[str, object] = {}
    meta = claim.metadata
    if RELEASE_FINALIZER not in meta.finalizers:
        changes["finalizers"] = (*meta.finalizers, RELEASE_FINALIZER)
    if wanted(claim) != given:
        changes["annotations"] = {ADDRESS_ANNOTATION: text, ADDRESS_FOR_ANNOTATION: meta.uid}
    if meta.labels.move is None and pools.RESOURCES[claim.spec.pool_ref.kind].namespaced:
        changes["labels"] = {MOVE_LABEL: ""}
    return changes
