# SPDX-License-Identifier: Apache-2.0
"""Cluster API's objects: claims, addresses and clusters, in each contract that is served somewhere.

`contracts.py` says what differs between the contracts.
Source: the CRDs of sigs.k8s.io/cluster-api v1.10.10, v1.13.6 and v1.14.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import force_setattr
from typing_extensions import override

from kube.structs import Struct, prepared

from .conditions import Condition
from .metadata import PAUSED_TEXT, Object
from .pools import PREFIX_KINDS
from .references import NameReference, TypedReference, pool_of

if TYPE_CHECKING:
    from kube.interner import Interner

    from .pools import PoolKey

T = TypeVar("T")


class ClaimSpec(Struct, frozen=True):
    """The spec of a claim."""

    cluster_name: str = ""
    pool_ref: TypedReference = TypedReference()


@prepared
class V1Beta2Conditions(Struct, frozen=True):
    """status.v1beta2 of a v1beta1 claim: the conditions of the contract to come."""

    conditions: tuple[Condition, ...] = ()


class ClaimStatus(Struct, frozen=True):
    """The status of a claim."""

    address_ref: NameReference | None = None
    conditions: tuple[Condition, ...] = ()
    v1beta2: V1Beta2Conditions | None = None


_NO_STATUS = ClaimStatus()


@prepared
class IPAddressClaim(Object, frozen=True):
    """An IPAddressClaim."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = _NO_STATUS

    @override
    def intern(self, interner: Interner) -> None:
        super().intern(interner)
        force_setattr(self, "spec", interner.intern(self.spec))

    @property
    def pool(self) -> PoolKey | None:
        """The pool that it names; None if it is not of our kinds, so another provider serves it."""
        return pool_of(self.spec.pool_ref, self.metadata.namespace)

    @property
    def cluster_name(self) -> str:
        """The name of its Cluster, in the same namespace; empty if it has none."""
        return self.spec.cluster_name or self.metadata.labels.cluster_name or ""

    @property
    def bound(self) -> bool:
        """Whether its status names an address."""
        return self.status.address_ref is not None and bool(self.status.address_ref.name)


class AddressSpec(Struct, frozen=True):
    """The address, its claim and its pool."""

    claim_ref: NameReference = NameReference()
    pool_ref: TypedReference = TypedReference()
    address: str = ""
    prefix: int | None = None
    gateway: str = ""


@prepared
class IPAddress(Object, frozen=True):
    """An IPAddress."""

    spec: AddressSpec = AddressSpec()

    @override
    def intern(self, interner: Interner) -> None:
        super().intern(interner)
        force_setattr(self.spec, "pool_ref", interner.intern(self.spec.pool_ref))
        force_setattr(self.spec, "gateway", interner.intern(self.spec.gateway))
        owners = self.metadata.owner_references
        shared = (owner if owner.controller else interner.intern(owner) for owner in owners)
        force_setattr(self.metadata, "owner_references", tuple(shared))

    @property
    def pool(self) -> PoolKey | None:
        """The pool that it is from; None if it is not of our kinds."""
        return pool_of(self.spec.pool_ref, self.metadata.namespace)

    @override
    @classmethod
    def salvage(cls, raw: bytes) -> IPAddress:
        """Decode each field by itself, so that a bad field does not free the address.

        Null counts as absent.
        """
        return _salvaged(raw)


@prepared
class UnreadableIPAddress(IPAddress, frozen=True):
    """An IPAddress whose pool or address cannot be read, so the address that it takes is unknown.

    `spec.pool_ref` is empty if the former is so.
    """

    problem: str = ""
    """Which field cannot be read, and why."""


_NOTHING = msgspec.Raw(b"null")


@prepared
class _RawAddressSpec(Struct, frozen=True):
    """The fields of an AddressSpec, not decoded."""

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
    """A TypedReference that may contain null, which counts as absent."""

    api_group: str | None = None
    kind: str | None = None
    name: str | None = None


def _salvaged(raw: bytes) -> IPAddress:
    """Return the readable part of an IPAddress.

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
        return UnreadableIPAddress(metadata=whole.metadata, spec=read_spec, problem=problem)
    return IPAddress(metadata=whole.metadata, spec=read_spec)


class ClusterSpec(Struct, frozen=True):
    """The one field of a Cluster that concerns us."""

    paused: bool = False


@prepared
class Cluster(Object, frozen=True):
    """A Cluster."""

    spec: ClusterSpec = ClusterSpec()

    @property
    def pauses(self) -> tuple[str, ...]:
        """What pauses its objects, as a clause: `has ...`."""
        field = ("spec.paused set to true",) if self.spec.paused else ()
        return (*field, PAUSED_TEXT) if self.metadata.paused else field

    @property
    def paused(self) -> bool:
        """Whether its objects are paused."""
        return bool(self.pauses)
