# SPDX-License-Identifier: Apache-2.0
"""Addresses as the API server checks them, while admission (`ipam`) has the last word.

CEL's isIP and isCIDR refuse IPv4-mapped IPv6 addresses, which are legal here, and the empty string,
which means unset for a gateway.  So each rule lets these pass.  A rule may refuse only what
admission refuses; its message is admission's.
"""

from typing import Annotated

from pydantic import Field, Strict

from crdkit.models.markers import CEL, ListType

MAX_ITEMS = 4096
"""Entries of a list: keeps the estimated cost of the CEL rules inside the API server's budget, and
a converted object's annotation inside 256 KiB.
"""

MAX_LENGTH = 100
"""Characters of an entry: two IPv6 addresses of 45 characters and a dash are 91."""

_V4_MAPPED = "self.lowerAscii().contains(':ffff:')"
"""May hold an IPv4-mapped address: CEL can't tell, so admission does."""

IS_ADDRESS = CEL(
    f"self == '' || isIP(self) || {_V4_MAPPED}",
    "is not an IP address",
)
_NO_CIDR = "is not a CIDR such as 10.0.0.0/24"
_WHY_NO_CIDR = (
    "!self.contains('/') || !isIP(self.substring(0, self.indexOf('/'))) "
    f"? '{_NO_CIDR}' "
    ": !self.substring(self.indexOf('/') + 1).matches('^(0|[1-9][0-9]?[0-9]?)$') "
    "? 'needs a prefix length such as /24 after the slash' "
    ": self.contains(':') ? 'has a prefix longer than the 128 bits of IPv6' "
    ": 'has a prefix longer than the 32 bits of IPv4'"
)

IS_SUBNET = CEL(
    f"self == '' || isCIDR(self) || {_V4_MAPPED}",
    _NO_CIDR,
    message_expression=_WHY_NO_CIDR,
)
IS_CIDR = CEL(
    f"!self.contains('/') || isCIDR(self) || {_V4_MAPPED}",
    _NO_CIDR,
    message_expression=_WHY_NO_CIDR,
)
IS_ENTRY = CEL(
    f"self.contains('/') || isIP(self) || {_V4_MAPPED} || (self.contains('-') "
    "&& isIP(self.substring(0, self.indexOf('-'))) "
    "&& isIP(self.substring(self.indexOf('-') + 1)))",
    "is not an IP address, a range or a CIDR",
)
IS_PREFIX = CEL(
    f"isCIDR(self) || {_V4_MAPPED}",
    "is not a CIDR such as 2001:db8::/48",
)
IS_NETWORK = CEL(
    "!isCIDR(self) || cidr(self) == cidr(self).masked()",
    "has host bits set",
)
IS_IPV6 = CEL(
    "self.contains(':') || !self.matches('^[0-9]+[.]')",
    "is IPv4, but this pool is IPv6: one pool has one IP family",
)

Entries = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_LENGTH), IS_ENTRY, IS_CIDR], ...],
    Strict(strict=False),  # lists too: JSON has no tuples
    Field(max_length=MAX_ITEMS),
    ListType("atomic"),
]
"""Addresses, ranges and CIDRs of either family."""

Entries6 = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_LENGTH), IS_ENTRY, IS_CIDR, IS_IPV6], ...],
    Strict(strict=False),
    Field(max_length=MAX_ITEMS),
    ListType("atomic"),
]
"""Addresses, ranges and CIDRs of IPv6."""

Prefixes = Annotated[
    tuple[Annotated[str, Field(max_length=MAX_LENGTH), IS_PREFIX, IS_NETWORK, IS_IPV6], ...],
    Strict(strict=False),
    Field(max_length=MAX_ITEMS),
    ListType("atomic"),
]
"""IPv6 networks."""

OptionalSubnet = Annotated[str, Field(max_length=MAX_LENGTH), IS_SUBNET]
"""One CIDR, or the empty string for none."""

OptionalAddress = Annotated[str, Field(max_length=MAX_LENGTH), IS_ADDRESS]
"""One address, or the empty string for none."""
