# SPDX-License-Identifier: Apache-2.0
"""Which allocations of a pool are free, and the lowest of them.

Source: free space as a sorted map of disjoint ranges, as in every extent-based file system.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from sortedcontainers import SortedDict

from .errors import ExhaustedError
from .ranges import Range, RangeSet

_Counted = tuple[int, int, int]
"""The blocks from the first to the last, and how many holders each of them has."""

_ALONE = 1  # holders of a block that nobody shares


class Allocator:
    """The free blocks of one pool; a block is an address, or the number of a sub-prefix.

    Flow:
        Holders take and give back ranges, which may overlap: a block is free when its last holder
        has given it back.

    Guarantees:
        An operation on one block costs O(log n) in the number of ranges, whatever the size of the
        pool.  One on a range costs that for each free range, and each overlap, inside of it.

    Caveats:
        What is given back must have been taken before, as the very same range.
    """

    __slots__ = ("_free", "_left", "_offered", "_shared")

    def __init__(self, offered: RangeSet, taken: Iterable[Range] = ()) -> None:
        """Start with all of `offered` free but what is `taken` (which need not be offered)."""
        counted = tuple(_counted(taken))
        free = offered - RangeSet.of((first, last) for first, last, _ in counted)
        self._offered = offered
        self._free = _Ranges((first, last, 0) for first, last in free.ranges)
        self._left = free.size
        self._shared = _Ranges(  # blocks with more than one holder
            (*part, holders)
            for first, last, holders in counted
            if holders > _ALONE
            for part in offered.within(first, last)
        )

    @property
    def free(self) -> int:
        """How many blocks are free, exactly."""
        return self._left

    def lowest(self) -> int:
        """Return the index of the lowest free block, without taking it.

        Raises:
            ExhaustedError: none is free.
        """
        if not self._free:
            raise ExhaustedError
        return self._free.lowest

    def take(self, first: int, last: int) -> None:
        """Count one more holder of each block of a range that is offered."""
        for part in self._offered.within(first, last):
            freed = self._free.cut(*part)
            self._left -= sum(end - start + 1 for start, end, _ in freed)
            for start, end in _between(part, freed):
                shared = self._shared.cut(start, end)
                for lowest, highest in _between((start, end), shared):
                    self._shared.put(lowest, highest, _ALONE + 1)
                for lowest, highest, holders in shared:
                    self._shared.put(lowest, highest, holders + 1)

    def give_back(self, first: int, last: int) -> None:
        """Count one holder less of each block of a range; those that had only one are free."""
        for part in self._offered.within(first, last):
            shared = self._shared.cut(*part)
            for start, end, holders in shared:
                if holders > _ALONE + 1:
                    self._shared.put(start, end, holders - 1)
            for start, end in _between(part, shared):
                self._free.put(start, end, 0)
                self._left += end - start + 1

    def is_free(self, index: int) -> bool:
        """Say whether a block is offered and not in use."""
        return index in self._free

    def is_shared(self, index: int) -> bool:
        """Say whether more than one range that was taken has a block which is offered."""
        return index in self._shared


class _Ranges:
    """Disjoint ranges with a number each; neighbours with the same number are one range."""

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[_Counted]) -> None:
        self._ranges: SortedDict[int, tuple[int, int]] = SortedDict(
            (first, (last, number)) for first, last, number in ranges
        )

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __contains__(self, index: int) -> bool:
        return index <= self._starting_by(index)[1]

    @property
    def lowest(self) -> int:
        """The lowest index of all; there must be one."""
        return self._ranges.peekitem(0)[0]

    def cut(self, first: int, last: int) -> list[_Counted]:
        """Take out what overlaps a range, and return it in order; what sticks out stays in."""
        found: list[_Counted] = []
        start, end, number = self._starting_by(last)
        while first <= end:
            del self._ranges[start]
            if end > last:
                self._ranges[last + 1] = (end, number)
            if start < first:
                self._ranges[start] = (first - 1, number)
            found.append((max(start, first), min(end, last), number))
            start, end, number = self._starting_by(start - 1)
        return found[::-1]

    def put(self, first: int, last: int, number: int) -> None:
        """Add a range that overlaps none."""
        start, end, its = self._starting_by(first)
        if (end, its) == (first - 1, number):
            first = start
        end, its = self._ranges.get(last + 1, _NONE[1:])
        if its == number:
            del self._ranges[last + 1]
            last = end
        self._ranges[first] = (last, number)

    def _starting_by(self, index: int) -> _Counted:
        """Return the last range that starts at or below a block, else one that ends before all."""
        at = self._ranges.bisect_right(index) - 1
        if at < 0:
            return _NONE
        first, (last, number) = self._ranges.peekitem(at)
        return first, last, number


_NONE: _Counted = (0, -2, -1)


def _between(whole: Range, parts: Iterable[_Counted]) -> Iterator[Range]:
    """Yield what some ranges, in order, leave of the range that they are in."""
    start, end = whole
    for first, last, _ in parts:
        if start < first:
            yield start, first - 1
        start = last + 1
    if start <= end:
        yield start, end


def _counted(taken: Iterable[Range]) -> Iterator[_Counted]:
    """Yield the blocks that are taken, in order, and how many of the ranges have them."""
    steps: defaultdict[int, int] = defaultdict(int)
    for first, last in taken:
        steps[first] += 1
        steps[last + 1] -= 1
    holders = 0
    for first, end in pairwise(sorted(index for index, step in steps.items() if step)):
        holders += steps[first]
        if holders:
            yield first, end - 1, holders
