# SPDX-License-Identifier: Apache-2.0
"""What a pool offers: its spec, as plain values, becomes the set of addresses it may hand out.

The rules that make a spec good or bad are here once: admission refuses a write by them, the
controller says by them why a stored pool is not ready, and the command line prints them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import NotationError
from .notation import (
    BITS,
    V4,
    V6,
    Address,
    Block,
    Network,
    format_address,
    parse_address,
    parse_entry,
    parse_network,
    subnet_first,
)
from .ranges import Range, RangeSet
from .texts import quoted


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to tell about one field; `path` is below the spec, such as `addresses[3]`."""

    path: str
    value: object
    text: str

    def __str__(self) -> str:
        return f"spec.{self.path}: {quoted(self.value)}: {self.text}"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a pool may hand out.

    Guarantees:
        A spec with `problems` offers nothing.  `notes` never take anything away.

    `nothing` is why `slots` is empty though there are no problems, and what helps.
    `step` is how many addresses one allocation covers: 1, or those of a sub-prefix.
    `slots` holds allocations by their number: their first address divided by `step`.
    """

    family: int = 0
    step: int = 1
    slots: RangeSet = field(default_factory=RangeSet)
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    nothing: str = ""

    @property
    def total(self) -> int:
        """How many allocations the pool has room for, exactly (an IPv6 pool can have 2**64)."""
        return self.slots.size

    def slot(self, address: Address) -> int | None:
        """Return the number of the allocation that starts at an address; None: not offered."""
        number, rest = divmod(address.value, self.step)
        if address.family != self.family or rest or number not in self.slots:
            return None
        return number

    def hands_out(self, network: Network) -> bool:
        """Say whether a network is one of the allocations: its address, and its size."""
        size = 1 << (BITS[network.family] - network.length)
        return size == self.step and self.slot(Address(network.family, network.value)) is not None

    def overlapped(self, network: Network) -> Range | None:
        """Return the numbers of all allocations that a network overlaps, offered or not."""
        if network.family != self.family:
            return None
        return network.first // self.step, network.last // self.step

    def address(self, slot: int) -> Address:
        """Return the first address of an allocation."""
        return Address(self.family, slot * self.step)


def ip_pool(
    addresses: Sequence[str],
    prefix: int | None,
    gateway: str,
    excluded: Sequence[str],
    *,
    allocate_reserved: bool,
) -> Offer:
    """Work out what an IP pool offers.

    Flow:
        addresses - excluded - gateway - reserved, where reserved is the first address of the subnet
        and, for IPv4, the last, unless `allocate_reserved`.

    Guarantees:
        Total: whatever does not parse or does not fit is among the `problems`.
    """
    entries, problems = _parse_all("addresses", addresses)
    holes, more = _parse_all("excludedAddresses", excluded)
    problems += more
    if not addresses:
        problems.append(Problem("addresses", list(addresses), "at least one address is required"))
    gateways, more = _parse_gateway(gateway)
    problems += more
    if not entries:
        return Offer(problems=tuple(problems))
    family = entries[0].block.family
    problems += _strangers(family, [*entries, *holes, *gateways])
    problems += _check_prefix(family, prefix)
    if problems or prefix is None:
        return Offer(family, problems=tuple(problems))
    offered = _union(entries)
    subnet = _subnet_of(family, offered.lowest, prefix)
    if problems := list(_outside(entries, subnet, prefix)):
        return Offer(family, problems=tuple(problems))
    reserved = [] if allocate_reserved else _reserved(family, subnet)
    slots = offered - _union([*holes, *gateways]) - RangeSet.of(reserved)
    nothing = "" if slots else _nothing_left(offered, RangeSet.of(reserved), _union(holes))
    notes = (
        *_overlaps("addresses", entries),
        *_overlaps("excludedAddresses", holes),
        *_idle(holes, offered),
        *_stray_gateway(gateways, subnet),
        *_note_of_nothing("addresses", addresses, nothing),
    )
    return Offer(family, 1, slots, notes=notes, nothing=nothing)


def prefix_pool(
    prefixes: Sequence[str], length: int, gateway: str, excluded: Sequence[str]
) -> Offer:
    """Work out which sub-prefixes of `length` bits an IPv6 prefix pool offers.

    Guarantees:
        Total, like `ip_pool`.  A sub-prefix that overlaps an excluded entry is not offered.
    """
    entries, problems = _parse_all("prefixes", prefixes)
    holes, more = _parse_all("excludedPrefixes", excluded)
    problems += more
    if not prefixes:
        problems.append(Problem("prefixes", list(prefixes), "at least one prefix is required"))
    gateways, more = _parse_gateway(gateway)
    problems += more
    problems += _strangers(V6, [*entries, *holes, *gateways])
    problems += _check_prefixes(entries, length)
    if problems:
        return Offer(V6, problems=tuple(problems))
    step = 1 << (BITS[V6] - length)
    offered = _union(entries)
    slots = _scaled(offered, step) - _scaled(_union(holes), step)
    nothing = "" if slots else _ALL_EXCLUDED
    notes = (
        *_overlaps("prefixes", entries),
        *_overlaps("excludedPrefixes", holes),
        *_idle(holes, offered),
        *_note_of_nothing("prefixes", prefixes, nothing),
        *_host_addresses(length),
    )
    return Offer(V6, step, slots, notes=notes, nothing=nothing)


class _Entry(NamedTuple):
    """An entry of a list, or the gateway (which has no number): what is written, what it means."""

    field: str
    number: int | None
    text: str
    block: Block

    def problem(self, text: str) -> Problem:
        """Return something to tell about this entry."""
        at = self.field if self.number is None else f"{self.field}[{self.number}]"
        return Problem(at, self.text, text)


def _parse_all(path: str, texts: Sequence[str]) -> tuple[list[_Entry], list[Problem]]:
    entries, problems = list[_Entry](), list[Problem]()
    for index, text in enumerate(texts):
        try:
            entries.append(_Entry(path, index, text, parse_entry(text)))
        except NotationError as error:
            problems.append(Problem(f"{path}[{index}]", text, error.problem))
    return entries, problems


def _parse_gateway(text: str) -> tuple[list[_Entry], list[Problem]]:
    """Return the gateway as a list of none or one."""
    if not text:
        return [], []
    try:
        family, value = parse_address(text)
    except NotationError as error:
        return [], [Problem("gateway", text, error.problem)]
    return [_Entry("gateway", None, text, Block(family, value, value))], []


def _strangers(family: int, entries: Iterable[_Entry]) -> Iterator[Problem]:
    for entry in entries:
        if (other := entry.block.family) != family:
            text = f"is IPv{other}, but this pool is IPv{family}: one pool has one IP family"
            yield entry.problem(text)


def _check_prefix(family: int, prefix: int | None) -> Iterator[Problem]:
    if prefix is None:
        yield Problem("prefix", prefix, "is required")
    elif not 0 <= prefix <= BITS[family]:
        text = f"must be between 0 and {BITS[family]} for IPv{family}"
        yield Problem("prefix", prefix, text)


def _check_prefixes(entries: Iterable[_Entry], length: int) -> Iterator[Problem]:
    if not 1 <= length <= BITS[V6]:
        yield Problem("allocationPrefixLength", length, "must be between 1 and 128")
    for entry in entries:
        if "/" not in entry.text:
            yield entry.problem("is not a CIDR such as 2001:db8::/48")
            continue
        network, block = parse_network(entry.text), entry.block
        if network.value != block.first:
            aligned = f"{format_address(block.family, block.first)}/{network.length}"
            yield entry.problem(f"has host bits set: write {aligned}")
        if network.length > length:
            yield entry.problem(f"is longer than allocationPrefixLength, which is {length}")


def _union(entries: Iterable[_Entry]) -> RangeSet:
    return RangeSet.of((entry.block.first, entry.block.last) for entry in entries)


def _subnet_of(family: int, lowest: int, prefix: int) -> tuple[int, int]:
    first = subnet_first(family, lowest, prefix)
    return first, first + (1 << (BITS[family] - prefix)) - 1


def _outside(entries: Iterable[_Entry], subnet: tuple[int, int], prefix: int) -> Iterator[Problem]:
    for entry in entries:
        if entry.block.last > subnet[1]:
            network = f"{format_address(entry.block.family, subnet[0])}/{prefix}"
            text = f"is not inside the pool's subnet {network} (its lowest address / prefix)"
            yield entry.problem(text)


def _reserved(family: int, subnet: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the network address, and IPv4's broadcast address (IPv6 has none)."""
    ends = [(subnet[0], subnet[0])]
    return [*ends, (subnet[1], subnet[1])] if family == V4 else ends


def _scaled(ranges: RangeSet, step: int) -> RangeSet:
    """Return the numbers of all sub-prefixes that overlap the ranges."""
    return RangeSet.of((first // step, last // step) for first, last in ranges.ranges)


def _overlaps(path: str, entries: Sequence[_Entry]) -> Iterator[Problem]:
    """Note entries that repeat another one; the later in the list is the one to remove."""
    ordered = sorted(entries, key=lambda entry: (entry.block.first, -entry.block.last))
    reach, owner = -1, ""
    for entry in ordered:
        if entry.block.first <= reach:
            yield entry.problem(f"overlaps another entry of {path}: {owner}")
        if entry.block.last > reach:
            reach, owner = entry.block.last, entry.text


def _idle(holes: Iterable[_Entry], offered: RangeSet) -> Iterator[Problem]:
    for entry in holes:
        if not offered.meets(entry.block.first, entry.block.last):
            yield entry.problem("excludes nothing: the pool has no such address")


def _stray_gateway(gateways: Iterable[_Entry], subnet: tuple[int, int]) -> Iterator[Problem]:
    for entry in gateways:
        if not subnet[0] <= entry.block.first <= subnet[1]:
            yield entry.problem("is outside the pool's subnet")


_ALL_EXCLUDED = (
    "every sub-prefix overlaps an excluded entry; add prefixes, or shorten excludedPrefixes"
)


def _nothing_left(offered: RangeSet, reserved: RangeSet, holes: RangeSet) -> str:
    """Say what takes all addresses of a pool away, and what helps."""
    takers = {
        "reserved": ("set allocateReservedIPAddresses to true", reserved),
        "excluded": ("shorten excludedAddresses", holes),
    }
    found = {name: remedy for name, (remedy, its) in takers.items() if offered & its}
    rest = () if not offered - reserved - holes else ("the gateway",)
    remedies = " or ".join(["add addresses", *found.values()])
    return f"every address is {' or '.join([*found, *rest])}; {remedies}"


def _note_of_nothing(path: str, texts: Sequence[str], nothing: str) -> Iterator[Problem]:
    if nothing:
        yield Problem(path, list(texts), f"nothing can be allocated: {nothing}")


def _host_addresses(length: int) -> Iterator[Problem]:
    if length == BITS[V6]:
        text = "allocates single addresses; a gateway inside the prefixes may be allocated too"
        yield Problem("allocationPrefixLength", length, text)
