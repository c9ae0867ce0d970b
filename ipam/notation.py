# SPDX-License-Identifier: Apache-2.0
"""Addresses as text: the only parser and the only printer.

Stricter than the standard library's `ipaddress`: no leading zeros, no netmask notation
(`10.0.0.0/255.0.0.0`), no zone (`fe80::1%eth0`).  A v4-mapped address (`::ffff:10.0.0.1`) is IPv6
and is printed that way.  Otherwise the printed form is that of RFC 5952.
"""

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from .errors import NotationError

V4 = 4
V6 = 6

BITS = {V4: 32, V6: 128}
"""Bits of an address, by family."""

_V4_MAPPED = 0xFFFF  # the upper 96 bits of ::ffff:0:0/96 (RFC 4291, section 2.5.5.2)


class Address(NamedTuple):
    """An address of family 4 or 6; its text is the canonical form."""

    family: int
    value: int

    def __str__(self) -> str:
        return format_address(self.family, self.value)


class Block(NamedTuple):
    """The addresses from `first` to `last`, both included; its text is an entry of a pool."""

    family: int
    first: int
    last: int

    @classmethod
    def of_indexes(cls, family: int, block_size: int, first: int, last: int) -> "Block":
        """Return the addresses of consecutive allocations of `block_size` addresses each."""
        return cls(family, first * block_size, last * block_size + block_size - 1)

    def __str__(self) -> str:
        low = format_address(self.family, self.first)
        if self.first == self.last:
            return low
        return f"{low}-{format_address(self.family, self.last)}"


class Network(NamedTuple):
    """A CIDR; `value` is the address as written, with its host bits."""

    family: int
    value: int
    length: int

    @property
    def first(self) -> int:
        """The lowest address of the network."""
        return subnet_first(self.family, self.value, self.length)

    @property
    def last(self) -> int:
        """The highest address of the network."""
        return self.bounds[1]

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest address of the network."""
        host_bits = BITS[self.family] - self.length
        first = self.value >> host_bits << host_bits
        return first, first + (1 << host_bits) - 1


def subnet_first(family: int, value: int, length: int) -> int:
    """Return the lowest address of the network of `length` bits that contains `value`."""
    host_bits = BITS[family] - length
    return value >> host_bits << host_bits


def parse_address(text: str) -> Address:
    """Read a single address.

    Raises:
        NotationError: the text is not an address.
    """
    family = V6 if ":" in text else V4
    kind = socket.AF_INET6 if family == V6 else socket.AF_INET
    try:
        packed = socket.inet_pton(kind, text)
    except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate inside
        raise NotationError(text, "is not an IP address") from error
    return Address(family, int.from_bytes(packed, "big"))


def parse_network(text: str) -> Network:
    """Read a CIDR such as `10.0.0.5/24`; host bits may be set.

    Raises:
        NotationError: the text is not a CIDR, or its length does not fit its family.
    """
    address, slash, length_text = text.partition("/")
    if not slash:
        raise NotationError(text, "is not a CIDR such as 10.0.0.0/24")
    try:
        family, value = parse_address(address)
    except NotationError as error:
        raise NotationError(text, "is not a CIDR such as 10.0.0.0/24") from error
    length = _parse_length(text, length_text)
    if length > BITS[family]:
        problem = f"has a prefix longer than the {BITS[family]} bits of IPv{family}"
        raise NotationError(text, problem)
    return Network(family, value, length)


def parse_entry(text: str) -> Block:
    """Read an address, an inclusive range `first-last` or a CIDR (all of its network).

    Raises:
        NotationError: the text is none of these, or a range is reversed or of two families.
    """
    if "/" in text:
        network = parse_network(text)
        return Block(network.family, network.first, network.last)
    first_text, dash, last_text = text.partition("-")
    if not dash:
        family, value = _parse_part(text, text)
        return Block(family, value, value)
    family, first = _parse_part(text, first_text)
    last_family, last = _parse_part(text, last_text)
    if family != last_family:
        raise NotationError(text, "is a range from one IP family to the other")
    if first > last:
        raise NotationError(text, "is a range whose first address is above its last")
    return Block(family, first, last)


def format_address(family: int, value: int) -> str:
    """Write an address in its canonical form."""
    if family == V4:
        return socket.inet_ntoa(value.to_bytes(4, "big"))
    if value >> 32 == _V4_MAPPED:
        return f"::ffff:{IPv4Address(value & 0xFFFF_FFFF)}"
    return str(IPv6Address(value))


def _parse_part(entry: str, text: str) -> Address:
    """Read one address of an entry; an error quotes the whole entry."""
    try:
        return parse_address(text)
    except NotationError as error:
        raise NotationError(entry, "is not an IP address, a range or a CIDR") from error


def _parse_length(cidr: str, text: str) -> int:
    """Read what follows the slash: digits only, no leading zero."""
    digits = text.isascii() and text.isdigit() and len(text) <= len("128")
    if not digits or text != str(int(text)):
        raise NotationError(cidr, "needs a prefix length such as /24 after the slash")
    return int(text)
