# SPDX-License-Identifier: Apache-2.0
"""Cluster API's types: claims, addresses and clusters, in each contract that is served somewhere.

CAPI 1.10 serves v1beta1; 1.11 to 1.14 serve v1beta1 (deprecated) and v1beta2.  A `Contract` is what
differs for us: the version in paths and bodies, and where a claim's conditions are.
Source: the CRDs of sigs.k8s.io/cluster-api v1.10.10, v1.13.6 and v1.14.2.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NoReturn, TypeVar

import msgspec
from msgspec.structs import force_setattr
from typing_extensions import override

from api.resources import GROUP

from .discovery import Discovery, Group, Kind, served
from .errors import ContractChangedError, KubeError
from .objects import (
    PAUSED_TEXT,
    Condition,
    NameReference,
    Object,
    OwnerReference,
    PoolKey,
    Same,
    Struct,
    TypedReference,
    prepared,
)
from .pools import KINDS, PREFIX_KINDS
from .resources import GroupVersionResource

if TYPE_CHECKING:
    from .client import Api

T = TypeVar("T")

CLUSTER_GROUP = "cluster.x-k8s.io"

_CHECK_SECONDS = 5.0
"""Between looks at what is served; two that agree count.  The older version works on meanwhile."""


class ClaimSpec(Struct, frozen=True):
    """What a claim asks for."""

    cluster_name: str = ""
    pool_ref: TypedReference = TypedReference()


@prepared
class _V1Beta2Conditions(Struct, frozen=True):
    """status.v1beta2 of a v1beta1 claim: the conditions of the contract to come."""

    conditions: tuple[Condition, ...] = ()


class ClaimStatus(Struct, frozen=True):
    """What a claim was given."""

    address_ref: NameReference | None = None
    conditions: tuple[Condition, ...] = ()
    v1beta2: _V1Beta2Conditions | None = None


_NO_STATUS = ClaimStatus()


@prepared
class Claim(Object, frozen=True):
    """An IPAddressClaim."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = _NO_STATUS

    @override
    def share(self, same: Same) -> None:
        super().share(same)
        force_setattr(self, "spec", same(self.spec))

    @property
    def pool(self) -> PoolKey | None:
        """The pool it asks, where that is one of our kinds; None is somebody else's claim."""
        return pool_of(self.spec.pool_ref, self.metadata.namespace)

    @property
    def cluster_name(self) -> str:
        """The name of its Cluster, in its own namespace; empty where it has none."""
        return self.spec.cluster_name or self.metadata.labels.cluster_name or ""

    @property
    def bound(self) -> bool:
        """Whether its status names an address."""
        return self.status.address_ref is not None and bool(self.status.address_ref.name)


class AddressSpec(Struct, frozen=True):
    """What was handed out to whom."""

    claim_ref: NameReference = NameReference()
    pool_ref: TypedReference = TypedReference()
    address: str = ""
    prefix: int | None = None
    gateway: str = ""


@prepared
class Address(Object, frozen=True):
    """An IPAddress."""

    spec: AddressSpec = AddressSpec()

    @override
    def share(self, same: Same) -> None:
        super().share(same)
        force_setattr(self.spec, "pool_ref", same(self.spec.pool_ref))
        force_setattr(self.spec, "gateway", same(self.spec.gateway))
        owners = self.metadata.owner_references
        shared = (owner if owner.controller else same(owner) for owner in owners)
        force_setattr(self.metadata, "owner_references", tuple(shared))

    @property
    def pool(self) -> PoolKey | None:
        """The pool it is from, where that is one of our kinds."""
        return pool_of(self.spec.pool_ref, self.metadata.namespace)

    @override
    @classmethod
    def salvage(cls, raw: bytes) -> Address:
        """Read each field by itself, so that a bad one does not set its address free.

        What is null is absent.
        """
        return _salvaged(raw)


@prepared
class UnreadableAddress(Address, frozen=True):
    """An IPAddress of which nobody knows what it has: its pool or its address cannot be read.

    `spec.pool_ref` is empty where the former is so.
    """

    problem: str = ""
    """Which field cannot be read, and why."""


_NOTHING = msgspec.Raw(b"null")


@prepared
class _RawAddressSpec(Struct, frozen=True):
    """The fields of an AddressSpec, unread."""

    claim_ref: msgspec.Raw = _NOTHING
    pool_ref: msgspec.Raw = _NOTHING
    address: msgspec.Raw = _NOTHING
    prefix: msgspec.Raw = _NOTHING
    gateway: msgspec.Raw = _NOTHING


@prepared
class _RawAddress(Object, frozen=True):
    spec: msgspec.Raw = _NOTHING


@prepared
class _LooseReference(Struct, frozen=True):
    """A TypedReference in which null is absent."""

    api_group: str | None = None
    kind: str | None = None
    name: str | None = None


def _salvaged(raw: bytes) -> Address:
    """Return what can be read of an IPAddress.

    Raises:
        msgspec.ValidationError: its metadata cannot be read.
    """
    whole = msgspec.json.decode(raw, type=_RawAddress)
    problems: dict[str, str] = {}

    def read(name: str, part: msgspec.Raw, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(part, type=kind | None)
        except msgspec.ValidationError as error:
            problems[name] = f"{name}: {error}"
            return None

    spec = read("spec", whole.spec, _RawAddressSpec) or _RawAddressSpec()
    pool = read("spec.poolRef", spec.pool_ref, _LooseReference) or _LooseReference()
    read_spec = AddressSpec(
        claim_ref=read("spec.claimRef", spec.claim_ref, NameReference) or NameReference(),
        pool_ref=TypedReference(
            api_group=pool.api_group, kind=pool.kind or "", name=pool.name or ""
        ),
        address=read("spec.address", spec.address, str) or "",
        prefix=read("spec.prefix", spec.prefix, int),
        gateway=read("spec.gateway", spec.gateway, str) or "",
    )
    decisive = ["spec", "spec.poolRef", "spec.address"]
    if pool.kind in PREFIX_KINDS:
        decisive.append("spec.prefix")
    if problem := "; ".join(problems[name] for name in decisive if name in problems):
        return UnreadableAddress(metadata=whole.metadata, spec=read_spec, problem=problem)
    return Address(metadata=whole.metadata, spec=read_spec)


class ClusterSpec(Struct, frozen=True):
    """The one field of a Cluster that concerns us."""

    paused: bool = False


@prepared
class Cluster(Object, frozen=True):
    """A Cluster."""

    spec: ClusterSpec = ClusterSpec()

    @property
    def pauses(self) -> tuple[str, ...]:
        """What pauses its objects, as the end of a sentence: `has ...`."""
        field = ("spec.paused set to true",) if self.spec.paused else ()
        return (*field, PAUSED_TEXT) if self.metadata.paused else field

    @property
    def paused(self) -> bool:
        """Whether its objects shall be left alone."""
        return bool(self.pauses)


def pool_of(reference: TypedReference, namespace: str) -> PoolKey | None:
    """Return which pool of ours an object of a namespace refers to, or None."""
    resource = KINDS.get(reference.kind)
    if resource is None or reference.api_group != GROUP:
        return None
    return PoolKey(reference.kind, namespace if resource.namespaced else "", reference.name)


def intended_pool_of(reference: TypedReference, namespace: str) -> PoolKey | None:
    """Return the pool that a reference means whose group has a version or is empty.

    Return None for all other references, correct ones included.
    """
    if reference.api_group and not reference.api_group.startswith(f"{GROUP}/"):
        return None
    return pool_of(msgspec.structs.replace(reference, api_group=GROUP), namespace)


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of CAPI's IPAM types; subclasses say where conditions go."""

    version: ClassVar[str]
    cluster_version: str
    kinds: frozenset[Kind] = field(default_factory=frozenset[Kind])
    """All that the IPAM group serves; empty where nobody asked."""

    @property
    def claims(self) -> GroupVersionResource:
        """IPAddressClaims at the API server."""
        return GroupVersionResource(GROUP, self.version, "IPAddressClaim", "ipaddressclaims")

    @property
    def addresses(self) -> GroupVersionResource:
        """IPAddresses at the API server."""
        return _addresses(self.version)

    @property
    def clusters(self) -> GroupVersionResource:
        """Clusters at the API server."""
        return GroupVersionResource(CLUSTER_GROUP, self.cluster_version, "Cluster", "clusters")

    def served(self, owner: OwnerReference) -> bool:
        """Say whether the API server still serves the version that an owner reference names."""
        return not self.kinds or (owner.api_version, owner.kind) in self.kinds

    def condition(self, claim: Claim, kind: str) -> Condition | None:
        """Return a claim's condition of a type, in the form of metav1."""
        return find(self._conditions(claim), kind)

    def status(self, claim: Claim, *conditions: Condition) -> ClaimStatus:
        """Return the status with these conditions; all others stay as they are."""
        raise NotImplementedError

    def _conditions(self, claim: Claim) -> tuple[Condition, ...]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class V1Beta2(Contract):
    """metav1 conditions in status.conditions."""

    version = "v1beta2"

    @override
    def status(self, claim: Claim, *conditions: Condition) -> ClaimStatus:
        merged = replaced(claim.status.conditions, *conditions)
        return msgspec.structs.replace(claim.status, conditions=merged)

    @override
    def _conditions(self, claim: Claim) -> tuple[Condition, ...]:
        return claim.status.conditions


@dataclass(frozen=True, slots=True)
class V1Beta1(Contract):
    """CAPI's own conditions in status.conditions, metav1 ones in status.v1beta2.conditions.

    Of CAPI's own kind there is only Ready, as for CAPI's other objects.
    """

    version = "v1beta1"

    @override
    def status(self, claim: Claim, *conditions: Condition) -> ClaimStatus:
        old = (_in_v1beta1(each) for each in conditions if each.type == "Ready")
        merged = replaced(self._conditions(claim), *conditions)
        return msgspec.structs.replace(
            claim.status,
            conditions=replaced(claim.status.conditions, *old),
            v1beta2=_V1Beta2Conditions(conditions=merged),
        )

    @override
    def _conditions(self, claim: Claim) -> tuple[Condition, ...]:
        return claim.status.v1beta2.conditions if claim.status.v1beta2 else ()


def _addresses(version: str) -> GroupVersionResource:
    return GroupVersionResource(GROUP, version, "IPAddress", "ipaddresses")


def find(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """Return the condition of a type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def replaced(conditions: tuple[Condition, ...], *new: Condition) -> tuple[Condition, ...]:
    """Return the conditions with each new one in the place of its predecessor, or at the end."""
    by_type = {each.type: each for each in new}
    kept = tuple(by_type.pop(old.type, old) for old in conditions)
    return (*kept, *by_type.values())


def _in_v1beta1(condition: Condition) -> Condition:
    """Return a metav1 condition as one of CAPI's own kind."""
    bad = condition.status == "False"
    return msgspec.structs.replace(
        condition,
        observed_generation=None,
        message=condition.message if bad else None,
        reason=condition.reason if bad else None,
        severity="Warning" if bad else None,
    )


_NEWEST_FIRST: tuple[type[Contract], ...] = (V1Beta2, V1Beta1)
_CLUSTER_VERSIONS = ("v1beta2", "v1beta1")
_IPAM = Group(GROUP, ("v1beta2", "v1beta1", "v1alpha2", "v1alpha1"))  # CAPI's, and our own


async def discover(api: Api) -> Contract | None:
    """Ask the API server which of CAPI's versions it serves, and choose the newest we know.

    Returns:
        None where CAPI is not installed (yet).
    """
    return _newest(await _discovery(api).look())


def _discovery(api: Api) -> Discovery:
    return Discovery(api, _IPAM, Group(CLUSTER_GROUP, _CLUSTER_VERSIONS))


def _newest(kinds: frozenset[Kind]) -> Contract | None:
    for contract in _NEWEST_FIRST:
        version = f"{GROUP}/{contract.version}"
        if {(version, "IPAddressClaim"), (version, "IPAddress")} <= kinds:
            for cluster_version in _CLUSTER_VERSIONS:
                if (f"{CLUSTER_GROUP}/{cluster_version}", "Cluster") in kinds:
                    ipam = frozenset(each for each in kinds if each[0].startswith(f"{GROUP}/"))
                    return contract(cluster_version, ipam)
    return None


async def until_changed(api: Api, contract: Contract) -> NoReturn:
    """Look now and then whether another contract is to be used by now.

    Raises:
        ContractChangedError: it is: CAPI was upgraded, or taken away.
    """
    before: Contract | None = contract
    discovery = _discovery(api)
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        try:
            found = _newest(await discovery.look())
        except KubeError:
            continue  # an outage says nothing about versions
        if found != contract and found == before:  # once may be an API server that lags behind
            raise ContractChangedError(contract.version, found.version if found else "none")
        before = found


async def discover_addresses(api: Api) -> GroupVersionResource | None:
    """Ask the API server for IPAddresses alone: they may be there while clusters are not.

    Returns:
        None where they are not installed (yet).
    """
    versions = tuple(contract.version for contract in _NEWEST_FIRST)
    kinds = await served(api, Group(GROUP, versions))
    for contract in _NEWEST_FIRST:
        if (f"{GROUP}/{contract.version}", "IPAddress") in kinds:
            return _addresses(contract.version)
    return None
