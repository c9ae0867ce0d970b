# SPDX-License-Identifier: Apache-2.0
"""What is kept of an object: slim structs that hold only the fields somebody reads.

A decoder skips all other fields, managedFields above all, so a claim costs about 1 KiB.  Every
field has a default: a cache must take whatever is stored.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import msgspec
from msgspec.structs import force_setattr

if TYPE_CHECKING:
    from typing import Self

PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
"""CAPI: whoever reconciles the object shall leave it alone, whatever the value."""

PAUSED_TEXT = f"the {PAUSED_ANNOTATION} annotation"
"""How CAPI calls it in messages."""

ADDRESS_ANNOTATION = "ipam.cluster.x-k8s.io/address"
"""Ours, on claims: the address that the claim asks for, or was given."""

ADDRESS_FOR_ANNOTATION = "ipam.cluster.x-k8s.io/address-for"
"""Ours, on claims: the uid of the claim for which we chose that address, nobody having asked."""

CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name"
WATCH_LABEL = "cluster.x-k8s.io/watch-filter"
MOVE_LABEL = "clusterctl.cluster.x-k8s.io/move"
"""`clusterctl move` takes the object along though no Cluster owns it."""
MOVED_ANNOTATION = "clusterctl.cluster.x-k8s.io/delete-for-move"
"""What `clusterctl move` leaves of an object's annotations before it deletes the object."""


_MOST_PARTS = 10_000  # about 1 MB

H = TypeVar("H", bound=Hashable)


class Key(NamedTuple):
    """Namespace (empty for cluster-scoped objects) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class PoolKey(NamedTuple):
    """Which pool: its kind, namespace (empty for global pools) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {Key(self.namespace, self.name)}"


class Struct(
    msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True, gc=False
):
    """A part of an object with the JSON names of Kubernetes.

    Caveats:
        Not tracked by the garbage collector, which 200,000 objects would keep busy: what is decoded
        from JSON has no cycles.
    """


S = TypeVar("S")


def prepared(kind: type[S]) -> type[S]:
    """Have msgspec prepare the decoding of a struct, and of the structs in it, now.

    Otherwise msgspec prepares it when it decodes one for the first time.  Two threads that do so at
    once crash the process (SIGSEGV, msgspec 0.22).  An import runs in one thread at a time.
    """
    msgspec.json.Decoder(kind)
    return kind


class OwnerReference(Struct, frozen=True):
    """All fields of a metav1.OwnerReference, since lists are written back whole."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Labels(Struct, frozen=True, rename=None):
    """The labels that somebody reads."""

    cluster_name: str | None = msgspec.field(default=None, name=CLUSTER_NAME_LABEL)
    watch: str | None = msgspec.field(default=None, name=WATCH_LABEL)
    move: str | None = msgspec.field(default=None, name=MOVE_LABEL)


class Annotations(Struct, frozen=True, rename=None):
    """The annotations that somebody reads."""

    paused: str | None = msgspec.field(default=None, name=PAUSED_ANNOTATION)
    address: str | None = msgspec.field(default=None, name=ADDRESS_ANNOTATION)
    address_for: str | None = msgspec.field(default=None, name=ADDRESS_FOR_ANNOTATION)
    moved: str | None = msgspec.field(default=None, name=MOVED_ANNOTATION)


_NO_LABELS = Labels()
_NO_ANNOTATIONS = Annotations()


class Meta(Struct, frozen=True):
    """metadata of any object.  Timestamps are RFC 3339 texts in UTC, so they sort as texts."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    labels: Labels = _NO_LABELS
    annotations: Annotations = _NO_ANNOTATIONS
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.name)

    @property
    def revision(self) -> int:
        """The resourceVersion as a number; they are comparable within a resource."""
        return int(self.resource_version)

    @property
    def deleting(self) -> bool:
        """Whether deletion has begun."""
        return self.deletion_timestamp is not None

    @property
    def gone(self) -> bool:
        """Whether nothing holds its deletion any more: who is answered this saw the last of it."""
        return self.deleting and not self.finalizers

    @property
    def paused(self) -> bool:
        """Whether the paused annotation is there, whatever its value."""
        return self.annotations.paused is not None

    def finalizers_but(self, name: str) -> tuple[str, ...]:
        """Return the finalizers without one of them."""
        return tuple(each for each in self.finalizers if each != name)

    @property
    def age_order(self) -> tuple[str, int]:
        """Sorts objects by creation, oldest first; the revision decides within a second."""
        return self.creation_timestamp, self.revision


class Same:
    """Parts that many objects have alike, each kept once."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Hashable] = {}

    def __call__(self, part: H) -> H:
        """Return the part that is kept and equals this one."""
        if len(self._parts) > _MOST_PARTS:
            self._parts.clear()  # so they were not so alike; nothing breaks by it
        return cast("H", self._parts.setdefault(part, part))


@prepared
class Object(Struct, frozen=True):
    """Any object."""

    metadata: Meta

    @classmethod
    def salvage(cls, raw: bytes) -> Self | None:  # noqa: ARG003 - kinds that can do it read it
        """Return what can be read of an object that does not decode as a whole.

        None where that is of no use: it is skipped then.
        """
        return None

    def share(self, same: Same) -> None:
        """Keep once what many objects have alike; equal it stays."""
        meta = self.metadata
        force_setattr(meta, "namespace", same(meta.namespace))
        force_setattr(meta, "finalizers", same(meta.finalizers))
        force_setattr(meta, "labels", same(meta.labels))


T = TypeVar("T", bound=Object)


@prepared
class Condition(Struct, frozen=True):
    """A metav1.Condition, or CAPI's own kind of it (v1beta1), which has `severity`.

    Lists are written back whole, so what is None was absent: only the old kind may leave it out.
    """

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str = ""
    observed_generation: int | None = None
    severity: str | None = None


class TypedReference(Struct, frozen=True):
    """A reference to a pool.  v1alpha1 and v1beta1 allow the group to be absent."""

    api_group: str | None = None
    kind: str = ""
    name: str = ""


@prepared
class NameReference(Struct, frozen=True):
    """A reference to an object of a known kind in the same namespace."""

    name: str = ""


@prepared
class ListMeta(Struct, frozen=True):
    """metadata of a list."""

    resource_version: str = "0"
    continue_: str = msgspec.field(default="", name="continue")


@prepared
class RawList(Struct, frozen=True):
    """A page of a list whose items are decoded one by one, so that a bad one harms no other."""

    metadata: ListMeta
    items: tuple[msgspec.Raw, ...] | None = None


@prepared
class Event(Struct, frozen=True):
    """A watch event; `object` is a Status where the type is ERROR."""

    type: str
    object: msgspec.Raw
