# SPDX-License-Identifier: Apache-2.0
"""The IP pools of v1alpha2."""

from typing import Annotated, ClassVar

from pydantic import Field

from crdkit.models.markers import CEL, Column, Format, Version
from crdkit.models.model import Model, Object

from .. import resources
from ..status import PoolStatus
from ..texts import Entries, OptionalAddress

_VERSION = Version(
    "v1alpha2",
    storage=True,
    columns=(
        Column("Addresses", ".spec.addresses", description="Addresses that the pool offers"),
        Column("Total", ".status.ipAddresses.total", "integer", "Allocatable addresses"),
        Column("Free", ".status.ipAddresses.free", "integer", "Addresses left to allocate"),
        Column("Used", ".status.ipAddresses.used", "integer", "Addresses in use"),
    ),
)


def _same_family(field: str) -> CEL:
    """Return a rule that refuses entries of the other family than the first address is of."""
    same = f"self.{field}.all(a, a.contains(':') == self.addresses[0].contains(':'))"
    strangers = f"self.{field}.filter(a, a.contains(':') != self.addresses[0].contains(':'))"
    return CEL(
        f"size(self.addresses) == 0 || !has(self.{field}) || {same}",
        "is of another IP family than the pool: one pool has one IP family",
        message_expression=_is_stranger(f"{strangers}[0]"),
        field_path=f".{field}",
    )


def _is_stranger(value: str) -> str:
    """Return the message: a rule with a `field_path` has to name the value itself."""
    families = "self.addresses[0].contains(':') ? 'IPv4, but this pool is IPv6' : "
    families += "'IPv6, but this pool is IPv4'"
    return f"""'"%s": is %s: one pool has one IP family'.format([{value}, {families}])"""


class InClusterIPPoolSpec(Model):
    """The addresses that a pool offers, and the network they are in."""

    rules: ClassVar = (
        CEL(
            "self.prefix <= 32 || !self.addresses.all(a, !a.contains(':'))",
            "must be between 0 and 32 for IPv4",
            message_expression="'%d: must be between 0 and 32 for IPv4'.format([self.prefix])",
            field_path=".prefix",
        ),
        _same_family("addresses"),
        _same_family("excludedAddresses"),
        CEL(
            "size(self.addresses) == 0 || !has(self.gateway) || self.gateway == '' || "
            "self.gateway.contains(':') == self.addresses[0].contains(':')",
            "is of another IP family than the pool: one pool has one IP family",
            message_expression=_is_stranger("self.gateway"),
            field_path=".gateway",
        ),
    )

    addresses: Annotated[Entries, Field(min_length=1)]
    """Addresses to hand out: single ones (`10.0.0.7`), ranges (`10.0.0.8-10.0.0.15`) and CIDRs
    (`10.0.0.16/28`), IPv4 or IPv6, but all of one family.  Gaps are fine.
    """

    prefix: Annotated[int, Field(ge=0, le=128), Format("int32")]
    """Length in bits of the network's prefix, which goes into every IPAddress.  The network is that
    of the lowest address, and has to contain all the others.
    """

    gateway: OptionalAddress | None = None
    """Gateway of the network, which goes into every IPAddress.  Never handed out, even where
    `addresses` covers it.
    """

    allocate_reserved_ip_addresses: bool | None = None
    """Whether to hand out the network's first address (IPv4's network address, IPv6's subnet-router
    anycast address) and, in IPv4, its last one (broadcast) as well.
    """

    excluded_addresses: Entries | None = None
    """Addresses not to hand out, even where `addresses` covers them, in the same notation."""

    address_reuse_grace_period_seconds: (
        Annotated[int, Field(ge=0, le=2**31 - 1), Format("int32")] | None
    ) = None
    """Seconds for which an address stays reserved after its claim was deleted."""


class InClusterIPPool(Object):
    """A pool of IP addresses for the claims of its own namespace."""

    resource: ClassVar = resources.IN_CLUSTER_IP_POOL
    version: ClassVar = _VERSION

    spec: InClusterIPPoolSpec | None = None
    status: PoolStatus | None = None


class GlobalInClusterIPPool(Object):
    """A pool of IP addresses for the claims of all namespaces."""

    resource: ClassVar = resources.GLOBAL_IN_CLUSTER_IP_POOL
    version: ClassVar = _VERSION

    spec: InClusterIPPoolSpec | None = None
    status: PoolStatus | None = None
