# SPDX-License-Identifier: Apache-2.0
"""A pool's spec, as plain values, becomes the set of addresses that the pool may hand out.

The rules for a valid spec are here, once.  Admission refuses invalid writes, the controller reports
invalid stored pools, and the command line prints the findings.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .address_sets import AddressSet, FieldError
from .errors import NotationError
from .notation import (
    BITS,
    V4,
    V6,
    Block,
    format_address,
    parse_address,
    parse_entry,
    parse_network,
    subnet_first,
)
from .ranges import RangeSet


def ip_pool(
    addresses: Sequence[str],
    prefix: int | None,
    gateway: str,
    excluded: Sequence[str],
    *,
    allocate_reserved: bool,
) -> AddressSet:
    """Return the addresses that an IP pool may hand out.

    Flow:
        addresses - excluded - gateway - reserved, where reserved is the first address of the subnet
        and, for IPv4, the last, unless `allocate_reserved`.

    Guarantees:
        Total: `errors` has all that does not parse or does not fit.
    """
    entries, errors = _parse_all("addresses", addresses)
    exclusions, more = _parse_all("excludedAddresses", excluded)
    errors += more
    if not addresses:
        errors.append(FieldError("addresses", list(addresses), "at least one address is required"))
    gateways, more = _parse_gateway(gateway)
    errors += more
    if not entries:
        return AddressSet(errors=tuple(errors))
    family = entries[0].block.family
    errors += _other_families(family, [*entries, *exclusions, *gateways])
    errors += _check_prefix(family, prefix)
    if errors or prefix is None:
        return AddressSet(family, errors=tuple(errors))
    offered = _union(entries)
    subnet = _subnet_of(family, offered.lowest, prefix)
    if errors := list(_outside_subnet(entries, subnet, prefix)):
        return AddressSet(family, errors=tuple(errors))
    reserved = [] if allocate_reserved else _reserved(family, subnet)
    indexes = offered - _union([*exclusions, *gateways]) - RangeSet.of(reserved)
    why_empty = "" if indexes else _why_empty(offered, RangeSet.of(reserved), _union(exclusions))
    warnings = (
        *_overlaps("addresses", entries),
        *_overlaps("excludedAddresses", exclusions),
        *_useless_exclusions(exclusions, offered),
        *_outside_gateway(gateways, subnet),
        *_warn_if_empty("addresses", addresses, why_empty),
    )
    return AddressSet(family, 1, indexes, warnings=warnings, why_empty=why_empty)


def prefix_pool(
    prefixes: Sequence[str], length: int, gateway: str, excluded: Sequence[str]
) -> AddressSet:
    """Return the sub-prefixes of `length` bits that an IPv6 prefix pool may hand out.

    Guarantees:
        Total, like `ip_pool`.  The set has no sub-prefix that overlaps an excluded entry.
    """
    entries, errors = _parse_all("prefixes", prefixes)
    exclusions, more = _parse_all("excludedPrefixes", excluded)
    errors += more
    if not prefixes:
        errors.append(FieldError("prefixes", list(prefixes), "at least one prefix is required"))
    gateways, more = _parse_gateway(gateway)
    errors += more
    errors += _other_families(V6, [*entries, *exclusions, *gateways])
    errors += _check_prefixes(entries, length)
    if errors:
        return AddressSet(V6, errors=tuple(errors))
    block_size = 1 << (BITS[V6] - length)
    offered = _union(entries)
    excluded_blocks = _overlapped_blocks(_union(exclusions), block_size)
    indexes = _overlapped_blocks(offered, block_size) - excluded_blocks
    why_empty = "" if indexes else _ALL_EXCLUDED
    warnings = (
        *_overlaps("prefixes", entries),
        *_overlaps("excludedPrefixes", exclusions),
        *_useless_exclusions(exclusions, offered),
        *_warn_if_empty("prefixes", prefixes, why_empty),
        *_warn_of_single_addresses(length),
    )
    return AddressSet(V6, block_size, indexes, warnings=warnings, why_empty=why_empty)


class _Entry(NamedTuple):
    """An entry of a list, or the gateway (which has no number), as text and as addresses."""

    field: str
    number: int | None
    text: str
    block: Block

    def error(self, text: str) -> FieldError:
        """Return an error or a warning about this entry."""
        at = self.field if self.number is None else f"{self.field}[{self.number}]"
        return FieldError(at, self.text, text)


def _parse_all(path: str, texts: Sequence[str]) -> tuple[list[_Entry], list[FieldError]]:
    entries, errors = list[_Entry](), list[FieldError]()
    for index, text in enumerate(texts):
        try:
            entries.append(_Entry(path, index, text, parse_entry(text)))
        except NotationError as error:
            errors.append(FieldError(f"{path}[{index}]", text, error.problem))
    return entries, errors


def _parse_gateway(text: str) -> tuple[list[_Entry], list[FieldError]]:
    """Return the gateway as a list, which is empty if there is no gateway."""
    if not text:
        return [], []
    try:
        family, value = parse_address(text)
    except NotationError as error:
        return [], [FieldError("gateway", text, error.problem)]
    return [_Entry("gateway", None, text, Block(family, value, value))], []


def _other_families(family: int, entries: Iterable[_Entry]) -> Iterator[FieldError]:
    for entry in entries:
        if (other := entry.block.family) != family:
            text = f"is IPv{other}, but this pool is IPv{family}: one pool has one IP family"
            yield entry.error(text)


def _check_prefix(family: int, prefix: int | None) -> Iterator[FieldError]:
    if prefix is None:
        yield FieldError("prefix", prefix, "is required")
    elif not 0 <= prefix <= BITS[family]:
        text = f"must be between 0 and {BITS[family]} for IPv{family}"
        yield FieldError("prefix", prefix, text)


def _check_prefixes(entries: Iterable[_Entry], length: int) -> Iterator[FieldError]:
    if not 1 <= length <= BITS[V6]:
        yield FieldError("allocationPrefixLength", length, "must be between 1 and 128")
    for entry in entries:
        if "/" not in entry.text:
            yield entry.error("is not a CIDR such as 2001:db8::/48")
            continue
        network, block = parse_network(entry.text), entry.block
        if network.value != block.first:
            aligned = f"{format_address(block.family, block.first)}/{network.length}"
            yield entry.error(f"has host bits set: write {aligned}")
        if network.length > length:
            yield entry.error(f"is longer than allocationPrefixLength, which is {length}")


def _union(entries: Iterable[_Entry]) -> RangeSet:
    return RangeSet.of((entry.block.first, entry.block.last) for entry in entries)


def _subnet_of(family: int, lowest: int, prefix: int) -> tuple[int, int]:
    first = subnet_first(family, lowest, prefix)
    return first, first + (1 << (BITS[family] - prefix)) - 1


def _outside_subnet(
    entries: Iterable[_Entry], subnet: tuple[int, int], prefix: int
) -> Iterator[FieldError]:
    for entry in entries:
        if entry.block.last > subnet[1]:
            network = f"{format_address(entry.block.family, subnet[0])}/{prefix}"
            text = f"is not inside the pool's subnet {network} (its lowest address / prefix)"
            yield entry.error(text)


def _reserved(family: int, subnet: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the network address and, for IPv4, the broadcast address."""
    ends = [(subnet[0], subnet[0])]
    return [*ends, (subnet[1], subnet[1])] if family == V4 else ends


def _overlapped_blocks(ranges: RangeSet, block_size: int) -> RangeSet:
    """Return the indexes of all sub-prefixes that overlap the ranges."""
    return RangeSet.of((first // block_size, last // block_size) for first, last in ranges.ranges)


def _overlaps(path: str, entries: Sequence[_Entry]) -> Iterator[FieldError]:
    """Yield a warning for each entry that repeats addresses of another one."""
    ordered = sorted(entries, key=lambda entry: (entry.block.first, -entry.block.last))
    reach, owner = -1, ""
    for entry in ordered:
        if entry.block.first <= reach:
            yield entry.error(f"overlaps another entry of {path}: {owner}")
        if entry.block.last > reach:
            reach, owner = entry.block.last, entry.text


def _useless_exclusions(exclusions: Iterable[_Entry], offered: RangeSet) -> Iterator[FieldError]:
    for entry in exclusions:
        if not offered.meets(entry.block.first, entry.block.last):
            yield entry.error("excludes nothing: the pool has no such address")


def _outside_gateway(gateways: Iterable[_Entry], subnet: tuple[int, int]) -> Iterator[FieldError]:
    for entry in gateways:
        if not subnet[0] <= entry.block.first <= subnet[1]:
            yield entry.error("is outside the pool's subnet")


_ALL_EXCLUDED = (
    "every sub-prefix overlaps an excluded entry; add prefixes, or shorten excludedPrefixes"
)


def _why_empty(offered: RangeSet, reserved: RangeSet, exclusions: RangeSet) -> str:
    """Return what removes all addresses of a pool, and the remedies."""
    takers = {
        "reserved": ("set allocateReservedIPAddresses to true", reserved),
        "excluded": ("shorten excludedAddresses", exclusions),
    }
    found = {name: remedy for name, (remedy, its) in takers.items() if offered & its}
    rest = () if not offered - reserved - exclusions else ("the gateway",)
    remedies = " or ".join(["add addresses", *found.values()])
    return f"every address is {' or '.join([*found, *rest])}; {remedies}"


def _warn_if_empty(path: str, texts: Sequence[str], why_empty: str) -> Iterator[FieldError]:
    if why_empty:
        yield FieldError(path, list(texts), f"nothing can be allocated: {why_empty}")


def _warn_of_single_addresses(length: int) -> Iterator[FieldError]:
    if length == BITS[V6]:
        text = "allocates single addresses; a gateway inside the prefixes may be allocated too"
        yield FieldError("allocationPrefixLength", length, text)
