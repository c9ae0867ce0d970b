# SPDX-License-Identifier: Apache-2.0
"""The prefix pools: IPv6 networks handed out in parts, such as a /64 for each node."""

from typing import Annotated, ClassVar

from pydantic import Field

from crdkit.models.markers import CEL, IMMUTABLE, Column, Format, Version
from crdkit.models.model import Model, Object

from .. import resources
from ..status import PoolStatus
from ..texts import IS_IPV6, Entries6, OptionalAddress, Prefixes

_VERSION = Version(
    "v1alpha2",
    storage=True,
    columns=(
        Column("Prefixes", ".spec.prefixes", description="Prefixes that the pool offers"),
        Column("Length", ".spec.allocationPrefixLength", "integer", "Bits of a sub-prefix"),
        Column("Total", ".status.ipAddresses.total", "integer", "Allocatable sub-prefixes"),
        Column("Free", ".status.ipAddresses.free", "integer", "Sub-prefixes left to allocate"),
        Column("Used", ".status.ipAddresses.used", "integer", "Sub-prefixes in use"),
    ),
)


class InClusterPrefixPoolSpec(Model):
    """The prefixes that a pool offers, and the size of the parts that claims get."""

    rules: ClassVar = (
        CEL(
            "self.prefixes.all(p, !isCIDR(p) || "
            "cidr(p).prefixLength() <= self.allocationPrefixLength)",
            "is longer than allocationPrefixLength",
            message_expression="""'"%s": is longer than allocationPrefixLength, which is %d'"""
            ".format([self.prefixes.filter(p, isCIDR(p) && "
            "cidr(p).prefixLength() > self.allocationPrefixLength)[0], "
            "self.allocationPrefixLength])",
            field_path=".prefixes",
        ),
    )

    prefixes: Annotated[Prefixes, Field(min_length=1)]
    """IPv6 networks to hand out in parts, such as `2001:db8::/48`, without host bits."""

    allocation_prefix_length: Annotated[
        int,
        Field(ge=1, le=128),
        Format("int32"),
        IMMUTABLE,
    ] = 64
    """Length in bits of the prefix that each claim gets, at least that of each of `prefixes`.
    Can't be changed later.
    """

    gateway: Annotated[OptionalAddress, IS_IPV6] | None = None
    """Gateway that goes into every IPAddress.  It keeps no prefix from being handed out."""

    excluded_prefixes: Entries6 | None = None
    """IPv6 addresses, ranges or CIDRs not to hand out: a part that overlaps one is left out."""


class InClusterPrefixPool(Object):
    """A pool of IPv6 prefixes for the claims of its own namespace."""

    resource: ClassVar = resources.IN_CLUSTER_PREFIX_POOL
    version: ClassVar = _VERSION

    spec: InClusterPrefixPoolSpec | None = None
    status: PoolStatus | None = None


class GlobalInClusterPrefixPool(Object):
    """A pool of IPv6 prefixes for the claims of all namespaces."""

    resource: ClassVar = resources.GLOBAL_IN_CLUSTER_PREFIX_POOL
    version: ClassVar = _VERSION

    spec: InClusterPrefixPoolSpec | None = None
    status: PoolStatus | None = None
