# SPDX-License-Identifier: Apache-2.0
"""Which allocations of a pool are free, and the lowest of them.

Source: free space as a sorted map of disjoint ranges, as in every extent-based file system.
"""

from collections.abc import Iterable

from sortedcontainers import SortedDict

from .errors import ExhaustedError, UnavailableError
from .ranges import RangeSet


class Allocator:
    """The free slots of one pool; a slot is an address, or the number of a sub-prefix.

    Guarantees:
        Every operation costs O(log n) in the number of free ranges, whatever the size of the pool.
        A slot that was taken is not handed out before it is given back.
    """

    __slots__ = ("_free", "_left", "_offered")

    def __init__(self, offered: RangeSet, taken: Iterable[int] = ()) -> None:
        """Start with all of `offered` free but what is `taken` (which need not be offered)."""
        free = offered - RangeSet.of((slot, slot) for slot in taken)
        self._offered = offered
        self._free: SortedDict[int, int] = SortedDict(free.ranges)
        self._left = free.size

    @property
    def free(self) -> int:
        """How many slots are free, exactly."""
        return self._left

    def lowest(self) -> int:
        """Return the lowest free slot, without taking it.

        Raises:
            ExhaustedError: none is free.
        """
        if not self._free:
            raise ExhaustedError
        return self._free.peekitem(0)[0]

    def take(self, slot: int) -> None:
        """Mark one slot as in use.

        Raises:
            UnavailableError: it is in use already, or not offered.
        """
        first, last = self._range_of(slot)
        if slot > last:
            raise UnavailableError(slot)
        del self._free[first]
        if first < slot:
            self._free[first] = slot - 1
        if slot < last:
            self._free[slot + 1] = last
        self._left -= 1

    def is_free(self, slot: int) -> bool:
        """Say whether a slot is offered and not in use."""
        return slot <= self._range_of(slot)[1]

    def give_back(self, slot: int) -> None:
        """Make a slot free again.  One that is free or not offered stays as it is."""
        if slot not in self._offered or self.is_free(slot):
            return
        first, last = slot, slot
        left_first, left_last = self._range_of(slot)
        if left_last == slot - 1:
            first = left_first
        if slot + 1 in self._free:
            last = self._free.pop(slot + 1)
        self._free[first] = last
        self._left += 1

    def _range_of(self, slot: int) -> tuple[int, int]:
        """Return the last free range that starts at or below `slot`, else (0, -2)."""
        at = self._free.bisect_right(slot) - 1
        return self._free.peekitem(at) if at >= 0 else (0, -2)
