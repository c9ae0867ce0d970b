# SPDX-License-Identifier: Apache-2.0
"""IPAddress objects: created for a claim, repaired, and released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kube.errors import NotFoundError
from kube.meta import OwnerReference
from objects import clusterapi, pools
from objects.metadata import PROTECT_ADDRESS_FINALIZER, Labels, Metadata
from objects.references import NameReference

from .errors import AllocationError, PoolNotReadyError
from .state import State, parse

if TYPE_CHECKING:
    from ipam.notation import Address
    from kube.client import Api

_GATEWAY_LENGTH = 39
"""The most characters of an IPAddress's gateway; IPv6 with an IPv4 tail may have 45."""


class Addresses:
    """Writes IPAddress objects."""

    def __init__(self, api: Api, state: State) -> None:
        self._api = api
        self._state = state

    async def create(
        self, claim: clusterapi.IPAddressClaim, given: Address
    ) -> clusterapi.IPAddress:
        """Create the IPAddress of a claim; the claim must record the address already."""
        assert claim.pool is not None
        pool = self._state.pool(claim.pool)
        if pool is None:
            raise PoolNotReadyError(claim.pool, "has just been deleted")
        resource = self._state.contract.addresses
        meta = Metadata(
            name=claim.metadata.name,
            namespace=claim.metadata.namespace,
            finalizers=(PROTECT_ADDRESS_FINALIZER,),
            labels=Labels(cluster_name=claim.metadata.labels.cluster_name),
            owner_references=self._owners(claim),
        )
        spec = clusterapi.AddressSpec(
            claim_ref=NameReference(name=claim.metadata.name),
            pool_ref=claim.spec.pool_ref,
            address=str(given),
            prefix=pools.prefix_length(pool),
            gateway=_gateway(pool),
        )
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        text = msgspec.json.encode({**body, "spec": spec})
        return await self._state.addresses.create(self._api, claim.metadata.namespace, text)

    async def repair(self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress) -> None:
        """Restore the finalizer, label and owners of a live claim's IPAddress."""
        meta, changes = address.metadata, dict[str, object]()
        if PROTECT_ADDRESS_FINALIZER not in meta.finalizers and not meta.deleting:
            changes["finalizers"] = (*meta.finalizers, PROTECT_ADDRESS_FINALIZER)
        cluster = claim.metadata.labels.cluster_name
        if cluster is not None and meta.labels.cluster_name != cluster:
            changes["labels"] = Labels(cluster_name=cluster)
        owners = self._merged(meta.owner_references, self._owners(claim))
        if owners != meta.owner_references:
            changes["ownerReferences"] = owners
        if changes:
            await self._state.addresses.patch(self._api, address, {"metadata": changes})

    async def release(self, address: clusterapi.IPAddress) -> tuple[str, ...]:
        """Delete an IPAddress, then remove our finalizer: after a crash in between it still has it.

        Returns:
            The finalizers of others that hold it; empty if it is gone.
        """
        informer = self._state.addresses
        try:
            if not address.metadata.deleting:
                deleted = await informer.delete(self._api, address)
                if deleted is None:
                    return ()
                address = deleted
            if PROTECT_ADDRESS_FINALIZER in address.metadata.finalizers:
                left = address.metadata.finalizers_but(PROTECT_ADDRESS_FINALIZER)
                address = await informer.patch(
                    self._api, address, {"metadata": {"finalizers": left}}
                )
        except NotFoundError:
            return ()
        return address.metadata.finalizers

    def _owners(self, claim: clusterapi.IPAddressClaim) -> tuple[OwnerReference, ...]:
        """Return the owners that an IPAddress needs: its claim, and its pool if that exists."""
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
                api_version=pools.RESOURCES[pool.kind].api_version,
                kind=pool.kind,
                name=pool.metadata.name,
                uid=pool.metadata.uid,
                controller=False,
                block_owner_deletion=True,
            ),
        )

    def _merged(
        self, present: tuple[OwnerReference, ...], owners: tuple[OwnerReference, ...]
    ) -> tuple[OwnerReference, ...]:
        """Return the present owners with ours merged in; those of others stay.

        Owners match by uid.  A reference to a former object of the same name is replaced.  One in a
        version that is no longer served is renewed.
        """
        served = self._state.contract.served
        wanted = {owner.uid: owner for owner in owners}
        kept = [
            wanted[known.uid] if known.uid in wanted and not served(known) else known
            for known in present
        ]
        missing = [owner for owner in owners if owner.uid not in {known.uid for known in present}]
        names = {(owner.kind, owner.name) for owner in missing}
        return (*(known for known in kept if (known.kind, known.name) not in names), *missing)


def _gateway(pool: pools.Pool) -> str:
    """Return the pool's gateway as written, or in canonical form if it is too long."""
    text = pool.spec.gateway if pool.spec else ""
    return text if len(text) <= _GATEWAY_LENGTH else str(parse(text) or "")


def refers_to(address: clusterapi.IPAddress, claim: clusterapi.IPAddressClaim) -> bool:
    """Whether an IPAddress refers to a claim of this name and pool."""
    return address.spec.claim_ref.name == claim.metadata.name and address.pool == claim.pool


def owned_by(address: clusterapi.IPAddress, claim: clusterapi.IPAddressClaim) -> bool:
    """Whether this claim owns an IPAddress, and not a former claim of the same name."""
    return any(owner.uid == claim.metadata.uid for owner in address.metadata.owner_references)


def abandoned(address: clusterapi.IPAddress, claim: clusterapi.IPAddressClaim | None) -> bool:
    """Whether an IPAddress of our pools belongs to a claim that is gone.

    A new claim of that name and pool may adopt it, as after a restore.
    """
    if address.pool is None:
        return False
    return claim is None or not (refers_to(address, claim) or owned_by(address, claim))


def parsed(address: clusterapi.IPAddress) -> Address:
    """Return the address of an IPAddress, which anybody may have written.

    Raises:
        AllocationError: it does not parse.
    """
    found = parse(address.spec.address)
    if found is None:
        raise AllocationError(
            f"IPAddress {address.metadata.key}: spec.address {address.spec.address!r} is not an IP "
            "address; delete the IPAddress, and the claim gets another one"
        )
    return found


def check_owner(claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress) -> None:
    """Check that an IPAddress with the claim's name belongs to the claim.

    Raises:
        AllocationError: it belongs to another claim, or to another controller.
    """
    if not refers_to(address, claim):
        reference = address.spec.pool_ref
        raise AllocationError(
            f"IPAddress {address.metadata.key} exists and belongs to claim "
            f"{address.spec.claim_ref.name} and pool {reference.kind} {reference.name}; "
            "delete it, or give the claim another name"
        )
    owners = () if owned_by(address, claim) else address.metadata.owner_references
    for owner in owners:
        if owner.controller and (owner.kind, owner.name) != ("IPAddressClaim", claim.metadata.name):
            raise AllocationError(
                f"IPAddress {address.metadata.key} exists and is controlled by {owner.kind} "
                f"{owner.name}; delete it, or give the claim another name"
            )
