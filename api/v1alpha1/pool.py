# SPDX-License-Identifier: Apache-2.0
"""The IP pools of v1alpha1.  Empty strings and a prefix of 0 mean unset here."""

from typing import Annotated, ClassVar

from pydantic import Field

from crdkit.models.markers import Column, Format, Version
from crdkit.models.model import Model, Object

from .. import resources
from ..status import PoolStatus
from ..texts import Entries, OptionalAddress, OptionalSubnet


def _version(kind: str) -> Version:
    return Version(
        "v1alpha1",
        deprecated=f"{resources.GROUP}/v1alpha1 {kind} is deprecated; "
        f"use {resources.GROUP}/v1alpha2 {kind}",
        columns=(
            Column("Subnet", ".spec.subnet", description="Network to hand out addresses of"),
            Column("First", ".spec.start", description="First address to hand out"),
            Column("Last", ".spec.end", description="Last address to hand out"),
            Column("Addresses", ".spec.addresses", description="Addresses that the pool offers"),
            Column("Total", ".status.ipAddresses.total", "integer", "Allocatable addresses"),
            Column("Free", ".status.ipAddresses.free", "integer", "Addresses left to allocate"),
            Column("Used", ".status.ipAddresses.used", "integer", "Addresses in use"),
        ),
    )


class InClusterIPPoolSpec(Model):
    """The addresses that a pool offers: a list, a subnet, a range, or several of these."""

    addresses: Entries | None = None
    """Addresses to hand out: single ones (`10.0.0.7`), ranges (`10.0.0.8-10.0.0.15`) and CIDRs
    (`10.0.0.16/28`), IPv4 or IPv6, but all of one family.
    """

    subnet: OptionalSubnet | None = None
    """Network to hand out addresses of, such as `10.0.0.0/24`.  Gives `start` (its second address),
    `end` (its second last) and `prefix` where they are not set.
    """

    start: OptionalAddress | None = None
    """First address to hand out."""

    end: OptionalAddress | None = None
    """Last address to hand out."""

    prefix: Annotated[int, Field(ge=0, le=128), Format("int32")] | None = None
    """Length in bits of the network's prefix, which goes into every IPAddress."""

    gateway: OptionalAddress | None = None
    """Gateway of the network, which goes into every IPAddress.  Never handed out."""


class InClusterIPPool(Object):
    """A pool of IP addresses for the claims of its own namespace."""

    resource: ClassVar = resources.IN_CLUSTER_IP_POOL
    version: ClassVar = _version("InClusterIPPool")

    spec: InClusterIPPoolSpec | None = None
    status: PoolStatus | None = None


class GlobalInClusterIPPool(Object):
    """A pool of IP addresses for the claims of all namespaces."""

    resource: ClassVar = resources.GLOBAL_IN_CLUSTER_IP_POOL
    version: ClassVar = _version("GlobalInClusterIPPool")

    spec: InClusterIPPoolSpec | None = None
    status: PoolStatus | None = None
