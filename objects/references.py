# SPDX-License-Identifier: Apache-2.0
"""References of claims and addresses, and which of our pools they mean."""

from __future__ import annotations

import msgspec

from api.resources import GROUP
from kube.structs import Struct, prepared

from .pools import RESOURCES, PoolKey


class TypedReference(Struct, frozen=True):
    """A reference to a pool.  v1alpha1 and v1beta1 allow the group to be absent."""

    api_group: str | None = None
    kind: str = ""
    name: str = ""


@prepared
class NameReference(Struct, frozen=True):
    """A reference to an object of a known kind in the same namespace."""

    name: str = ""


def pool_of(reference: TypedReference, namespace: str) -> PoolKey | None:
    """Return the pool of our kinds that an object of a namespace refers to, or None."""
    resource = RESOURCES.get(reference.kind)
    if resource is None or reference.api_group != GROUP:
        return None
    return PoolKey(reference.kind, namespace if resource.namespaced else "", reference.name)


def intended_pool_of(reference: TypedReference, namespace: str) -> PoolKey | None:
    """Return the intended pool of a reference whose group has a version or is empty.

    Return None for all other references, correct ones included.
    """
    if reference.api_group and not reference.api_group.startswith(f"{GROUP}/"):
        return None
    return pool_of(msgspec.structs.replace(reference, api_group=GROUP), namespace)
