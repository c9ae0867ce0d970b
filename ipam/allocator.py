# SPDX-License-Identifier: Apache-2.0
"""The free blocks of a pool, and the lowest of them.

Source: free space as a sorted map of disjoint ranges, as in every extent-based file system.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from sortedcontainers import SortedDict

from .errors import ExhaustedError
from .ranges import Range, RangeSet

_Counted = tuple[int, int, int]
"""The blocks from the first to the last, and the number of holders of each."""

_ALONE = 1  # holders of a block that nobody shares


class Allocator:
    """The free blocks of one pool, by index; a block is an address or a sub-prefix.

    Flow:
        Holders take and return ranges, which may overlap.  A block is free when its last holder
        has returned it.

    Guarantees:
        An operation on one block costs O(log n) in the number of ranges, whatever the size of the
        pool.  One on a range costs that for each free range and each overlap inside it.

    Caveats:
        Only a range that was taken may be returned, and as the same range.
    """

    __slots__ = ("_free", "_left", "_offered", "_shared")

    def __init__(self, offered: RangeSet, taken: Iterable[Range] = ()) -> None:
        """Start with all of `offered` free, except what is `taken` (which need not be offered)."""
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
        """The exact number of free blocks."""
        return self._left

    def lowest(self) -> int:
        """Return the index of the lowest free block, without taking it.

        Raises:
            ExhaustedError: no block is free.
        """
        if not self._free:
            raise ExhaustedError
        return self._free.lowest

    def take(self, first: int, last: int) -> None:
        """Add a holder to each offered block of a range."""
        for part in self._offered.within(first, last):
            freed = self._free.cut(*part)
            self._left -= sum(end - start + 1 for start, end, _ in freed)
            for start, end in _between(part, freed):
                shared = self._shared.cut(start, end)
                for lowest, highest in _between((start, end), shared):
                    self._shared.put(lowest, highest, _ALONE + 1)
                for lowest, highest, holders in shared:
                    self._shared.put(lowest, highest, holders + 1)

    def put_back(self, first: int, last: int) -> None:
        """Remove a holder from each block of a range; blocks without a holder are free."""
        for part in self._offered.within(first, last):
            shared = self._shared.cut(*part)
            for start, end, holders in shared:
                if holders > _ALONE + 1:
                    self._shared.put(start, end, holders - 1)
            for start, end in _between(part, shared):
                self._free.put(start, end, 0)
                self._left += end - start + 1

    def is_free(self, index: int) -> bool:
        """Whether a block is offered and has no holder."""
        return index in self._free

    def is_shared(self, index: int) -> bool:
        """Whether an offered block has more than one holder."""
        return index in self._shared


class _Ranges:
    """Disjoint ranges with a number each; adjacent ranges with the same number are one."""

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
        """The lowest index; there must be at least one range."""
        return self._ranges.peekitem(0)[0]

    def cut(self, first: int, last: int) -> list[_Counted]:
        """Remove the parts inside a range, and return them in order."""
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
        """Add a range that overlaps no other range."""
        start, end, its = self._starting_by(first)
        if (end, its) == (first - 1, number):
            first = start
        end, its = self._ranges.get(last + 1, _NONE[1:])
        if its == number:
            del self._ranges[last + 1]
            last = end
        self._ranges[first] = (last, number)

    def _starting_by(self, index: int) -> _Counted:
        """Return the last range that starts at or below an index, else one that ends before all."""
        at = self._ranges.bisect_right(index) - 1
        if at < 0:
            return _NONE
        first, (last, number) = self._ranges.peekitem(at)
        return first, last, number


_NONE: _Counted = (0, -2, -1)


def _between(whole: Range, parts: Iterable[_Counted]) -> Iterator[Range]:
    """Yield the parts of a range that some ranges in it, in order, do not cover."""
    start, end = whole
    for first, last, _ in parts:
        if start < first:
            yield start, first - 1
        start = last + 1
    if start <= end:
        yield start, end


def _counted(taken: Iterable[Range]) -> Iterator[_Counted]:
    """Yield the taken blocks in order, and the number of their holders."""
    steps: defaultdict[int, int] = defaultdict(int)
    for first, last in taken:
        steps[first] += 1
        steps[last + 1] -= 1
    holders = 0
    for first, end in pairwise(sorted(index for index, step in steps.items() if step)):
        holders += steps[first]
        if holders:
            yield first, end - 1, holders
