# SPDX-License-Identifier: Apache-2.0
"""Which of many sets of integers have members in common.

A set of sets is an integer whose bit i stands for set i.  So a union of thousands of sets costs one
machine operation for each 64 of them.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .ranges import Range

_Placed = tuple[int, int, int]
"""First and last member of a range, and the number of its set."""


def shared(one: Sequence[Range], other: Sequence[Range]) -> Iterator[Range]:
    """Yield the ranges that two sets have in common, in order.

    Guarantees:
        O(log n) for each range of the shorter list and for each range that is yielded.
    """
    short, long = sorted((one, other), key=len)
    for first, last in short:
        for at in range(bisect_left(long, first, key=_last), len(long)):
            if long[at][0] > last:
                break
            yield max(first, long[at][0]), min(last, long[at][1])


def intersecting(sets: Sequence[Sequence[Range]]) -> list[int]:
    """Return for each set the other sets that have a member in common with it.

    Flow:
        One sweep over the sorted ranges of all sets finds the sets that cover the first member of
        each range.  A tree over the same order finds the sets whose ranges begin inside it.

    Guarantees:
        O(n log n) unions, where n counts the ranges of all sets.

    Args:
        sets: Each as its ranges, sorted and apart, as in `RangeSet.ranges`.
    """
    placed = sorted(
        (first, last, number) for number, ranges in enumerate(sets) for first, last in ranges
    )
    begins = [first for first, _, _ in placed]
    tree = _Tree([1 << number for _, _, number in placed])
    found = [0] * len(sets)
    for at, ((_, last, number), covering) in enumerate(zip(placed, _covering(placed), strict=True)):
        found[number] |= covering | tree.union(at + 1, bisect_right(begins, last))
    return [others & ~(1 << number) for number, others in enumerate(found)]


def members(numbers: int) -> Iterator[int]:
    """Yield the bits that are set, lowest first."""
    while numbers:
        lowest = numbers & -numbers
        yield lowest.bit_length() - 1
        numbers ^= lowest


def _covering(placed: Sequence[_Placed]) -> Iterator[int]:
    """Yield for each range the sets whose earlier ranges have its first member."""
    covering, ends = 0, list[tuple[int, int]]()
    for first, last, number in placed:
        while ends and ends[0][0] < first:
            covering ^= 1 << heapq.heappop(ends)[1]  # a set has one open range at a time
        yield covering
        covering |= 1 << number
        heapq.heappush(ends, (last, number))


class _Tree:
    """Unions of consecutive sets in O(log n): a segment tree."""

    def __init__(self, leaves: Sequence[int]) -> None:
        self._size = len(leaves)
        self._nodes = [0] * self._size + list(leaves)
        for at in range(self._size - 1, 0, -1):
            self._nodes[at] = self._nodes[2 * at] | self._nodes[2 * at + 1]

    def union(self, begin: int, end: int) -> int:
        """Return the union of the leaves from `begin` to before `end`."""
        union, low, high = 0, begin + self._size, end + self._size
        while low < high:
            if low & 1:
                union |= self._nodes[low]
                low += 1
            if high & 1:
                high -= 1
                union |= self._nodes[high]
            low, high = low >> 1, high >> 1
        return union


def _last(item: Range) -> int:
    return item[1]
