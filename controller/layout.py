# SPDX-License-Identifier: Apache-2.0
"""The address set of a pool, and which of its addresses are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipam.allocator import Allocator
from ipam.notation import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ipam.address_sets import AddressSet
    from ipam.ranges import Range
    from kube.meta import Key

START = Address(-1, 0)
"""Sorts before all addresses."""


class Layout:
    """One address set of a pool, with the holders that are placed in it so far.

    Flow:
        Holders are placed in the order of their addresses, in pieces.  `reached` is the last
        placed address, or None if all are placed.  Later pieces take in changes beyond it.
    """

    __slots__ = ("address_set", "allocator", "outside", "reached")

    def __init__(self, address_set: AddressSet, outside: Iterable[Key] = ()) -> None:
        """Begin without holders; `outside` are IPAddresses whose address cannot be parsed."""
        self.address_set = address_set
        self.allocator = Allocator(address_set.indexes)
        self.outside = set(outside)
        """IPAddresses that are out of range."""
        self.reached: Address | None = START

    def has_reached(self, address: Address) -> bool:
        """Whether the holders of an address are placed."""
        return self.reached is None or address <= self.reached

    def move(self, before: Range | None, after: Range | None) -> None:
        """Replace the range of a holder."""
        if before == after:
            return
        if after:
            self.allocator.take(*after)
        if before:
            self.allocator.put_back(*before)

    def take(self, ranges: Iterable[Range]) -> None:
        """Mark sorted ranges as taken."""
        for first, last in _joined(ranges):
            self.allocator.take(first, last)


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """Yield the ranges, with adjacent ones joined: most pools fill up from the start."""
    start, end = 0, -1
    for first, last in ranges:
        if start <= end and first == end + 1:
            end = last
            continue
        if start <= end:
            yield start, end
        start, end = first, last
    if start <= end:
        yield start, end
