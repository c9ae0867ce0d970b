# SPDX-License-Identifier: Apache-2.0
"""Sets of integers as ranges: the cost depends on their number, not on their size."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""The integers from the first to the last, both included."""


@dataclass(frozen=True, slots=True)
class RangeSet:
    """A set of integers.

    Guarantees:
        `ranges` is sorted; no two of them overlap or touch, so equal sets are equal objects.
    """

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> RangeSet:
        """Build the union of ranges given in any order, overlapping ones included."""
        merged: list[Range] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __contains__(self, value: int) -> bool:
        return self.meets(value, value)

    def meets(self, first: int, last: int) -> bool:
        """Whether any integer from `first` to `last` is in the set, in O(log n)."""
        at = bisect_right(self.ranges, last, key=_first) - 1
        return at >= 0 and first <= self.ranges[at][1]

    def within(self, first: int, last: int) -> Iterator[Range]:
        """Yield the parts of the set from `first` to `last`, in O(log n) for each."""
        at = max(bisect_right(self.ranges, first, key=_first) - 1, 0)
        for number in range(at, len(self.ranges)):  # a slice or iterator would go through all
            start, end = self.ranges[number]
            if start > last:
                return
            if end >= first:
                yield max(start, first), min(end, last)

    def __sub__(self, other: RangeSet) -> RangeSet:
        return RangeSet(tuple(_difference(self.ranges, other.ranges)))

    def __and__(self, other: RangeSet) -> RangeSet:
        return self - (self - other)

    @property
    def size(self) -> int:
        """The exact number of integers."""
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def lowest(self) -> int:
        """The smallest member.  The set must not be empty."""
        return self.ranges[0][0]


def overlap(ranges: Iterable[Range]) -> RangeSet:
    """Return the integers that are in more than one of the ranges."""
    found, end = list[Range](), -1
    for first, last in sorted(ranges):
        if first <= end:
            found.append((first, min(last, end)))
        end = max(last, end)
    return RangeSet.of(found)


def _first(item: Range) -> int:
    return item[0]


def _difference(kept: tuple[Range, ...], removed: tuple[Range, ...]) -> Iterator[Range]:
    """Walk both sorted lists once, and yield what is only in the first."""
    at = 0
    for first, last in kept:
        while at < len(removed) and removed[at][1] < first:
            at += 1
        scan, start = at, first
        while scan < len(removed) and removed[scan][0] <= last:
            if removed[scan][0] > start:
                yield start, removed[scan][0] - 1
            start = removed[scan][1] + 1
            scan += 1
        if start <= last:
            yield start, last
