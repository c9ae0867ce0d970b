# SPDX-License-Identifier: Apache-2.0
"""Labels, annotations and finalizers: Cluster API's, and the provider's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import force_setattr
from typing_extensions import override

from kube import meta
from kube.structs import Struct

if TYPE_CHECKING:
    from kube.interner import Interner

PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
"""CAPI: controllers must not change the object, whatever the value."""

PAUSED_TEXT = f"the {PAUSED_ANNOTATION} annotation"
"""How CAPI calls it in messages."""

ADDRESS_ANNOTATION = "ipam.cluster.x-k8s.io/address"
"""Ours, on claims: the address that the claim asks for, or was given."""

ADDRESS_FOR_ANNOTATION = "ipam.cluster.x-k8s.io/address-for"
"""Ours, on claims: the uid of the claim for which we chose the address, unless it was requested."""

CACHE_REVISIONS_ANNOTATION = "ipam.cluster.x-k8s.io/cache-revisions"
"""Ours, on the released Lease: how far the caches of its last holder were."""

CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name"
PROVIDER_LABEL = "cluster.x-k8s.io/provider"
"""CAPI: on each installed object, which provider it belongs to."""
WATCH_LABEL = "cluster.x-k8s.io/watch-filter"
MOVE_LABEL = "clusterctl.cluster.x-k8s.io/move"
"""`clusterctl move` takes the object along though no Cluster owns it."""
MOVED_ANNOTATION = "clusterctl.cluster.x-k8s.io/delete-for-move"
"""What `clusterctl move` leaves of an object's annotations before it deletes the object."""

RELEASE_FINALIZER = "ipam.cluster.x-k8s.io/ReleaseAddress"
"""On claims: their address must be released first."""

PROTECT_ADDRESS_FINALIZER = "ipam.cluster.x-k8s.io/ProtectAddress"
PROTECT_POOL_FINALIZER = "ipam.cluster.x-k8s.io/ProtectPool"


class Labels(Struct, frozen=True, rename=None):
    """The labels that this project reads."""

    cluster_name: str | None = msgspec.field(default=None, name=CLUSTER_NAME_LABEL)
    watch: str | None = msgspec.field(default=None, name=WATCH_LABEL)
    move: str | None = msgspec.field(default=None, name=MOVE_LABEL)


class Annotations(Struct, frozen=True, rename=None):
    """The annotations that this project reads."""

    paused: str | None = msgspec.field(default=None, name=PAUSED_ANNOTATION)
    address: str | None = msgspec.field(default=None, name=ADDRESS_ANNOTATION)
    address_for: str | None = msgspec.field(default=None, name=ADDRESS_FOR_ANNOTATION)
    moved: str | None = msgspec.field(default=None, name=MOVED_ANNOTATION)


_NO_LABELS = Labels()
_NO_ANNOTATIONS = Annotations()


class Metadata(meta.Meta, frozen=True):
    """metadata of an object of the provider or of Cluster API."""

    labels: Labels = _NO_LABELS
    annotations: Annotations = _NO_ANNOTATIONS

    @property
    def paused(self) -> bool:
        """Whether it has the paused annotation, whatever the value."""
        return self.annotations.paused is not None


class Object(meta.Object, frozen=True):
    """Any object of the provider or of Cluster API."""

    metadata: Metadata

    @override
    def intern(self, interner: Interner) -> None:
        super().intern(interner)
        force_setattr(self.metadata, "labels", interner.intern(self.metadata.labels))
