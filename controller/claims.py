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
from kube.errors import KubeError, NotFoundError
from kube.objects import (
    ADDRESS_ANNOTATION,
    ADDRESS_FOR_ANNOTATION,
    MOVE_LABEL,
    Key,
    Labels,
    Meta,
    NameReference,
    OwnerReference,
)
from kube.workers import Again, Done, Outcome

from . import conditions
from .errors import AllocationError, PoolNotReadyError
from .state import (
    PROTECT_ADDRESS_FINALIZER,
    RELEASE_FINALIZER,
    State,
    parse,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.notation import Address
    from kube.client import Api
    from kube.objects import Object

log = structlog.get_logger(__name__)

ORPHAN_SECONDS = 300.0
"""How long an address may be without its claim: a restore may create addresses first."""

_ENCODE = msgspec.json.encode


class Claims:
    """Reconciles claims, by namespace and name."""

    def __init__(self, api: Api, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._state = state
        self._clock = clock
        self._orphans: dict[Key, float] = {}  # since when, by the clock

    async def reconcile(self, key: Key) -> Outcome:
        """Make the address of one claim match the claim.

        Level-based: acts on the present state, never on the event that woke it.

        Guarantees:
            Idempotent.  A second run in the same state writes nothing.

        Raises:
            KubeError: a write failed; the caller retries with backoff.
        """
        claim, address = self._state.claims.get(key), self._state.addresses.get(key)
        orphan: Outcome = Done()
        if address is not None and _abandoned(address, claim):
            orphan = await self._reconcile_orphan(address)
        else:
            self._orphans.pop(key, None)
        if claim is None:
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
            await self._bind(claim, address)
        except AllocationError as error:
            await self._report(claim, error.reason, str(error), ok=False)
        return Done()

    async def _bind(self, claim: capi.Claim, address: capi.Address | None) -> None:
        """Give a claim its address, or repair what is missing of that."""
        if address is not None:
            _check_owner(claim, address)
            if address.metadata.deleting and not _owned_by(address, claim):
                await self._let_go(address)  # the last claim of this name left it to be deleted
                return
            given = address.spec.address
        else:
            given = str(self._choose(claim))
        claim = await self._record(claim, given)
        if address is None:
            address = await self._create(claim, given)
        else:
            await self._repair(claim, address)
        await self._report(claim, "Ready", f"address {address.spec.address} is allocated", ok=True)

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

    async def _record(self, claim: capi.Claim, given: str) -> capi.Claim:
        """Write on the claim, in one patch, what must be there before its IPAddress is created."""
        changes: dict[str, object] = {}
        meta = claim.metadata
        if RELEASE_FINALIZER not in meta.finalizers:
            changes["finalizers"] = (*meta.finalizers, RELEASE_FINALIZER)
        if meta.annotations.address != given and wanted(claim) != parse(given):
            changes["annotations"] = {ADDRESS_ANNOTATION: given, ADDRESS_FOR_ANNOTATION: meta.uid}
        if meta.labels.move is None and pools.KINDS[claim.spec.pool_ref.kind].namespaced:
            changes["labels"] = {MOVE_LABEL: ""}
        if not changes:
            return claim
        try:
            return await self._state.claims.patch(self._api, claim, {"metadata": changes})
        except KubeError as error:
            if claim.pool and not error.maybe_applied:
                self._state.book(claim.pool).cancel(meta.key)
            raise

    async def _create(self, claim: capi.Claim, given: str) -> capi.Address:
        """Create the IPAddress; that the claim says so already is what keeps it unique."""
        resource = self._state.contract.addresses
        pool = self._pool(claim)
        meta = Meta(
            name=claim.metadata.name,
            namespace=claim.metadata.namespace,
            finalizers=(PROTECT_ADDRESS_FINALIZER,),
            labels=Labels(cluster_name=claim.metadata.labels.cluster_name),
            owner_references=self._owners(claim),
        )
        spec = capi.AddressSpec(
            claim_ref=NameReference(name=claim.metadata.name),
            pool_ref=claim.spec.pool_ref,
            address=given,
            prefix=pools.prefix_length(pool),
            gateway=pool.spec.gateway if pool.spec else "",
        )
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        answer = await self._api.create(
            resource, claim.metadata.namespace, _ENCODE({**body, "spec": spec})
        )
        return self._state.addresses.observe(answer)

    async def _repair(self, claim: capi.Claim, address: capi.Address) -> None:
        """Put back what is missing on the IPAddress of a live claim."""
        meta, changes = address.metadata, dict[str, object]()
        if PROTECT_ADDRESS_FINALIZER not in meta.finalizers and not meta.deleting:
            changes["finalizers"] = (*meta.finalizers, PROTECT_ADDRESS_FINALIZER)
        cluster = claim.metadata.labels.cluster_name
        if cluster is not None and meta.labels.cluster_name != cluster:
            changes["labels"] = Labels(cluster_name=cluster)
        if missing := [
            owner
            for owner in self._owners(claim)
            if owner.uid not in {known.uid for known in meta.owner_references}
        ]:
            kept = [known for known in meta.owner_references if not _replaces(missing, known)]
            changes["ownerReferences"] = [*kept, *missing]
        if changes:
            await self._state.addresses.patch(self._api, address, {"metadata": changes})

    def _owners(self, claim: capi.Claim) -> tuple[OwnerReference, ...]:
        """Return the owners an IPAddress shall have: its claim, and its pool where that exists."""
        contract = self._state.contract
        owner = OwnerReference(
            api_version=contract.claims.api_version,
            kind=contract.claims.kind,
            name=claim.metadata.name,
            uid=claim.metadata.uid,
            controller=True,
            block_owner_deletion=True,
        )
        pool = self._state.pool(claim.pool) if claim.pool else None
        if pool is None:
            return (owner,)
        return (
            owner,
            OwnerReference(
                api_version=pools.KINDS[pool.kind].api_version,
                kind=pool.kind,
                name=pool.metadata.name,
                uid=pool.metadata.uid,
                controller=False,
                block_owner_deletion=True,
            ),
        )

    async def _report(self, claim: capi.Claim, reason: str, message: str, *, ok: bool) -> None:
        """Write the claim's status if it is not so already."""
        contract = self._state.contract
        present = contract.ready(claim)
        condition = conditions.ready(present, claim.metadata, reason, message, ok=ok)
        named = not ok or claim.status.address_ref == NameReference(name=claim.metadata.name)
        if named and present == condition:
            return
        status = contract.status(claim, condition)
        if ok:
            reference = NameReference(name=claim.metadata.name)
            status = msgspec.structs.replace(status, address_ref=reference)
        await self._state.claims.patch(self._api, claim, {"status": status}, "status")
        log.info("claim", object=str(claim.metadata.key), ready=ok, reason=reason, message=message)

    async def _release(self, claim: capi.Claim, address: capi.Address | None) -> Outcome:
        """Give back the address of a claim that is being deleted: first the address, then it.

        The record on the claim holds the address until no IPAddress has it, so what the cache does
        not show is looked for at the API server: a create of ours may have just gone through.
        """
        ours = RELEASE_FINALIZER in claim.metadata.finalizers
        if address is None and ours:
            address = await self._state.addresses.fetch(self._api, claim.metadata.key)
        if address is not None and _refers_to(address, claim):
            if (seconds := self._grace_seconds_left(claim)) > 0:
                return Again(seconds)
            await self._let_go(address)
        if ours:
            finalizers = _without(claim, RELEASE_FINALIZER)
            changes = {"metadata": {"finalizers": finalizers}}
            try:
                await self._state.claims.patch(self._api, claim, changes)
            except NotFoundError:
                return Done()
            log.info("claim released", object=str(claim.metadata.key))
        return Done()

    async def _let_go(self, address: capi.Address) -> None:
        """Delete an IPAddress, then take our finalizer off it: after a crash it still is ours."""
        cache = self._state.addresses
        try:
            if not address.metadata.deleting:
                deleted = await cache.delete(self._api, address)
                if deleted is None:
                    return
                address = deleted
            if PROTECT_ADDRESS_FINALIZER in address.metadata.finalizers:
                finalizers = _without(address, PROTECT_ADDRESS_FINALIZER)
                await cache.patch(self._api, address, {"metadata": {"finalizers": finalizers}})
        except NotFoundError:
            pass  # it is gone, which was the aim

    async def _reconcile_orphan(self, address: capi.Address) -> Outcome:
        """Release an address whose claim is gone, after a time in which one may come back."""
        key = address.metadata.key
        if PROTECT_ADDRESS_FINALIZER not in address.metadata.finalizers:
            return Done()  # not ours, or already on its way out
        if not self._state.selected_address(address):
            return Done()
        if self._orphan_paused(address):
            return Again(ORPHAN_SECONDS)
        left = self._orphans.setdefault(key, self._clock()) + ORPHAN_SECONDS - self._clock()
        if left > 0:
            return Again(left)
        self._orphans.pop(key)
        if _abandoned(address, await self._state.claims.fetch(self._api, key)):
            await self._let_go(address)
            log.info("orphaned address released", object=str(key), address=address.spec.address)
        return Done()

    def _orphan_paused(self, address: capi.Address) -> bool:
        """Say whether the Cluster or the pool of an address without a claim is to be left alone."""
        meta = address.metadata
        cluster = self._state.clusters.get(Key(meta.namespace, meta.labels.cluster_name or ""))
        pool = self._state.pool(address.pool) if address.pool else None
        held = pool is not None and pool.metadata.paused
        return held or (cluster is not None and cluster.paused)

    def _grace_seconds_left(self, claim: capi.Claim) -> float:
        """Return for how long the address stays held: the pool's grace period since deletion."""
        pool = self._state.pool(claim.pool) if claim.pool else None
        if pool is None or pool.metadata.deleting or pool.spec is None:
            return 0.0
        since = datetime.fromisoformat(claim.metadata.deletion_timestamp or "").timestamp()
        return since + pool.spec.address_reuse_grace_period_seconds - time.time()

    def _pool(self, claim: capi.Claim) -> pools.Pool:
        """Return the pool of a claim that was just served from it."""
        assert claim.pool is not None
        pool = self._state.pool(claim.pool)
        if pool is None:
            raise PoolNotReadyError(claim.pool, "has just been deleted")
        return pool

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


def _abandoned(address: capi.Address, claim: capi.Claim | None) -> bool:
    """Say whether an address of a pool of ours belongs to a claim that is gone.

    A claim of that name and for that pool may adopt it, though it is another one (a restore).
    """
    if address.pool is None:
        return False
    return claim is None or not (_refers_to(address, claim) or _owned_by(address, claim))


def _without(item: Object, finalizer: str) -> list[str]:
    """Return the finalizers of an object but for one."""
    return [name for name in item.metadata.finalizers if name != finalizer]


def _refers_to(address: capi.Address, claim: capi.Claim) -> bool:
    return address.spec.claim_ref.name == claim.metadata.name and address.pool == claim.pool


def _owned_by(address: capi.Address, claim: capi.Claim) -> bool:
    return any(owner.uid == claim.metadata.uid for owner in address.metadata.owner_references)


def _replaces(missing: list[OwnerReference], known: OwnerReference) -> bool:
    """Say whether an owner reference is to a former object of one that is to be added."""
    return any((known.kind, known.name) == (new.kind, new.name) for new in missing)


def _check_owner(claim: capi.Claim, address: capi.Address) -> None:
    """Refuse to touch an IPAddress that has the claim's name and is not the claim's."""
    if not _refers_to(address, claim):
        reference = address.spec.pool_ref
        raise AllocationError(
            f"IPAddress {address.metadata.key} exists and belongs to claim "
            f"{address.spec.claim_ref.name} and pool {reference.kind} {reference.name}; "
            "delete it, or give the claim another name"
        )
