# SPDX-License-Identifier: Apache-2.0
"""The pool kinds in the hub version, as the controller keeps them.

`tests/objects/test_pools.py` holds these structs against the models in `api.v1alpha2`, the source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from api import resources as names
from ipam import pool_specs
from kube.meta import Key
from kube.resources import ApiResource
from kube.structs import Struct, prepared

from .conditions import Condition
from .metadata import Metadata, Object

if TYPE_CHECKING:
    from ipam.address_sets import AddressSet

HUB = names.IN_CLUSTER_IP_POOL.hub

RESOURCES = {
    kind.kind: ApiResource(
        kind.group, kind.hub, kind.kind, kind.plural, namespaced=kind.scope == "Namespaced"
    )
    for kind in names.POOLS
}
"""The API resources of the four kinds of pools, by kind."""

PREFIX_KINDS = frozenset(
    {names.IN_CLUSTER_PREFIX_POOL.kind, names.GLOBAL_IN_CLUSTER_PREFIX_POOL.kind}
)
"""Those that hand out IPv6 sub-prefixes."""

DEFAULT_PREFIX_LENGTH = 64
"""Of a sub-prefix, in bits: the usual size of an IPv6 network."""


class PoolKey(NamedTuple):
    """The key of a pool: kind, namespace (empty for global pools) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {Key(self.namespace, self.name)}"


class PoolSpec(Struct, frozen=True):
    """The fields of both pool specs; the kind determines which of them count."""

    addresses: tuple[str, ...] = ()
    prefix: int | None = None
    gateway: str = ""
    allocate_reserved_ip_addresses: bool = msgspec.field(
        default=False, name="allocateReservedIPAddresses"
    )
    excluded_addresses: tuple[str, ...] = ()
    address_reuse_grace_period_seconds: int = 0
    prefixes: tuple[str, ...] = ()
    allocation_prefix_length: int = DEFAULT_PREFIX_LENGTH
    excluded_prefixes: tuple[str, ...] = ()


class Counts(Struct, frozen=True, omit_defaults=False):
    """status.ipAddresses, all of them capped at 2**63 - 1."""

    total: int = 0
    free: int = 0
    used: int = 0
    out_of_range: int = 0


class PoolStatus(Struct, frozen=True):
    """The status of a pool, which the controller writes."""

    ip_addresses: Counts | None = None
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0


_NO_STATUS = PoolStatus()


class ManagedFieldsEntry(Struct, frozen=True):
    """An entry of managedFields; only its version is kept."""

    api_version: str = ""


class PoolMeta(Metadata, frozen=True):
    """metadata of a pool."""

    managed_fields: tuple[ManagedFieldsEntry, ...] = ()

    def spokes(self, hub: ApiResource) -> tuple[ApiResource, ...]:
        """Return the resource in each version but the hub that managedFields name."""
        names = {entry.api_version for entry in self.managed_fields} - {hub.api_version}
        versions = sorted(name.removeprefix(f"{hub.group}/") for name in names)
        return tuple(replace(hub, version=version) for version in versions)


@prepared
class Pool(Object, frozen=True):
    """A pool of any of the four kinds."""

    metadata: PoolMeta
    kind: str = ""
    spec: PoolSpec | None = None
    status: PoolStatus = _NO_STATUS

    @property
    def key(self) -> PoolKey:
        """Kind, namespace and name."""
        return PoolKey(self.kind, self.metadata.namespace, self.metadata.name)


def address_set_of(pool: Pool) -> AddressSet:
    """Return the addresses that a pool may hand out."""
    spec = pool.spec or PoolSpec()
    if pool.kind in PREFIX_KINDS:
        length = spec.allocation_prefix_length
        return pool_specs.prefix_pool(spec.prefixes, length, spec.gateway, spec.excluded_prefixes)
    return pool_specs.ip_pool(
        spec.addresses,
        spec.prefix,
        spec.gateway,
        spec.excluded_addresses,
        allocate_reserved=spec.allocate_reserved_ip_addresses,
    )


def prefix_length(pool: Pool) -> int:
    """Return the `spec.prefix` of IPAddresses of this pool."""
    spec = pool.spec or PoolSpec()
    return spec.allocation_prefix_length if pool.kind in PREFIX_KINDS else spec.prefix or 0
