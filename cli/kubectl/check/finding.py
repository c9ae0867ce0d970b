# SPDX-License-Identifier: Apache-2.0
"""A problem of a cluster: which object has it, its cause and its remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from ipam.texts import first_of
from kube.meta import Key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from objects.pools import PoolKey

ERROR, WARNING = "error", "warning"

_NAMED = 5
"""Most objects that a cause names."""


class Check(StrEnum):
    """The names of all checks: a kind of object, and its problem in the words of Kubernetes."""

    ADDRESS_CONFLICT = "address-conflict"
    ADDRESS_DELETING = "address-deleting"
    ADDRESS_NOT_FOUND = "address-not-found"
    ADDRESS_ORPHANED = "address-orphaned"
    ADDRESS_OUT_OF_RANGE = "address-out-of-range"
    CHECK_SKIPPED = "check-skipped"
    CLAIM_DELETING = "claim-deleting"
    CLAIM_REFERENCE_INVALID = "claim-reference-invalid"
    CLAIM_WAITING = "claim-waiting"
    CRD_NOT_FOUND = "crd-not-found"
    CRD_STORED_VERSION = "crd-stored-version"
    CRD_VERSION_MISMATCH = "crd-version-mismatch"
    FINALIZER_STUCK = "finalizer-stuck"
    LEADER_NOT_FOUND = "leader-not-found"
    OBJECT_UNREADABLE = "object-unreadable"
    POOL_DELETING = "pool-deleting"
    POOL_NOT_FOUND = "pool-not-found"
    POOL_NOT_READY = "pool-not-ready"
    POOL_OVERLAP = "pool-overlap"
    RBAC_INSUFFICIENT = "rbac-insufficient"
    WEBHOOK_CA_INVALID = "webhook-ca-invalid"
    WEBHOOK_NOT_FOUND = "webhook-not-found"


class ObjectReference(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object by kind, name and namespace; without a name, all objects of the kind."""

    kind: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {Key(self.namespace, self.name)}".rstrip()


class Fix(msgspec.Struct, frozen=True):
    """A write that is safe: a merge patch of the object, with its resourceVersion."""

    action: str
    """What it does, as an imperative clause."""
    patch: dict[str, object]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem and its remedy.  The name of a check never changes.

    `cause` completes a sentence that begins with the object.
    """

    check: Check
    severity: str
    object: ObjectReference
    cause: str
    remedy: str
    fix: Fix | None = None

    def __str__(self) -> str:
        return f"{self.cause}. Remedy: {self.remedy}"


def of_pool(key: PoolKey) -> ObjectReference:
    """Return the reference to a pool."""
    return ObjectReference(key.kind, key.name, key.namespace)


def of(kind: str, key: Key) -> ObjectReference:
    """Return the reference to an object of a kind."""
    return ObjectReference(kind, key.name, key.namespace)


def names(keys: Iterable[Key]) -> str:
    """Return the first few names, and how many more there are."""
    return first_of(sorted(map(str, keys)), _NAMED)
