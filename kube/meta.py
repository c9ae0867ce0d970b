# SPDX-License-Identifier: Apache-2.0
"""What is kept of an object: slim structs that hold only the fields somebody reads.

A decoder skips all other fields, managedFields above all, so an object costs about 1 KiB.  Every
field has a default: a cache must take whatever is stored.  A kind that has more to say derives its
struct from `Object`, and one that reads labels or annotations derives its metadata from `Meta`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
from msgspec.structs import force_setattr

from .structs import Struct, prepared

if TYPE_CHECKING:
    from typing import Self

    from .interner import Interner


class Key(NamedTuple):
    """Namespace (empty for cluster-scoped objects) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(Struct, frozen=True):
    """All fields of a metav1.OwnerReference, since lists are written back whole."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


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
        """Whether it is deleted and has no finalizer left."""
        return self.deleting and not self.finalizers

    def finalizers_but(self, name: str) -> tuple[str, ...]:
        """Return the finalizers without one of them."""
        return tuple(each for each in self.finalizers if each != name)

    @property
    def age_order(self) -> tuple[str, int]:
        """Sorts objects by creation, oldest first; the revision decides within a second."""
        return self.creation_timestamp, self.revision


@prepared
class Object(Struct, frozen=True):
    """Any object."""

    metadata: Meta

    @classmethod
    def salvage(cls, raw: bytes) -> Self | None:  # noqa: ARG003 - kinds that can do it read it
        """Return the readable part of an object that does not decode as a whole.

        None if that part is useless; the object is skipped then.
        """
        return None

    def intern(self, interner: Interner) -> None:
        """Replace parts that many objects share by the kept equal part."""
        meta = self.metadata
        force_setattr(meta, "namespace", interner.intern(meta.namespace))
        force_setattr(meta, "finalizers", interner.intern(meta.finalizers))


T = TypeVar("T", bound=Object)


@prepared
class ListMeta(Struct, frozen=True):
    """metadata of a list."""

    resource_version: str = "0"
    continue_: str = msgspec.field(default="", name="continue")


@prepared
class RawList(Struct, frozen=True):
    """A page of a list.  Items are decoded one by one, so a bad one does not affect the others."""

    metadata: ListMeta
    items: tuple[msgspec.Raw, ...] | None = None


@prepared
class WatchEvent(Struct, frozen=True):
    """An event of a watch; `object` is a Status where the type is ERROR."""

    type: str
    object: msgspec.Raw
