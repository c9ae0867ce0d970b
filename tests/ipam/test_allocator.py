# SPDX-License-Identifier: Apache-2.0
"""The allocator against the plainest model of it: a count for each slot."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ipam.allocator import Allocator
from ipam.errors import ExhaustedError
from ipam.ranges import RangeSet

slots = st.integers(0, 30)
ranges = st.tuples(slots, slots).map(lambda pair: (min(pair), max(pair)))
some_ranges = st.lists(ranges, max_size=4)


class AllocatorBehavesLikeACounter(RuleBasedStateMachine):
    """Ranges are taken and given back in any order, and overlap as they like."""

    @initialize(offered=some_ranges, taken=some_ranges)
    def start(self, offered: list[tuple[int, int]], taken: list[tuple[int, int]]) -> None:
        self.offered = {n for first, last in offered for n in range(first, last + 1)}
        self.taken = list(taken)
        self.allocator = Allocator(RangeSet.of(offered), taken)

    @rule(slot=ranges)
    def a_range_is_taken(self, slot: tuple[int, int]) -> None:
        self.allocator.take(*slot)
        self.taken.append(slot)

    @rule(at=st.integers(0, 100))
    def a_range_is_given_back(self, at: int) -> None:
        if self.taken:
            self.allocator.put_back(*self.taken.pop(at % len(self.taken)))

    @rule()
    def the_lowest_is_taken(self) -> None:
        if free := self.offered - self.held.keys():
            assert self.allocator.lowest() == min(free)
            self.a_range_is_taken((min(free), min(free)))
        else:
            with pytest.raises(ExhaustedError):
                self.allocator.lowest()

    @property
    def held(self) -> Counter[int]:
        return Counter(n for first, last in self.taken for n in range(first, last + 1))

    @invariant()
    def a_slot_is_free_where_nobody_holds_it(self) -> None:
        free = self.offered - self.held.keys()
        assert {n for n in range(31) if self.allocator.is_free(n)} == free
        assert self.allocator.free == len(free)

    @invariant()
    def a_slot_is_shared_where_more_than_one_holds_it(self) -> None:
        shared = {n for n, holders in self.held.items() if holders > 1} & self.offered
        assert {n for n in range(31) if self.allocator.is_shared(n)} == shared

    @invariant()
    def ranges_that_touch_are_one(self) -> None:
        for kept in (self.allocator._free, self.allocator._shared):
            ordered = [(first, *rest) for first, rest in kept._ranges.items()]
            for (_, last, number), (first, _, its) in itertools.pairwise(ordered):
                assert last < first
                assert last + 1 < first or number != its


TestAllocator = AllocatorBehavesLikeACounter.TestCase


@given(st.integers(0, 2**96))
def test_a_huge_pool_hands_out_its_lowest_slots_one_by_one(first: int) -> None:
    allocator = Allocator(RangeSet(((first, first + 2**96),)))

    for expected in range(first, first + 5):
        assert allocator.lowest() == expected
        allocator.take(expected, expected)

    assert allocator.free == 2**96 - 4


def test_a_range_over_the_whole_pool_leaves_what_others_hold_when_it_goes() -> None:
    allocator = Allocator(RangeSet(((0, 2**64 - 1),)), [(5, 5)])

    allocator.take(0, 2**128 - 1)
    assert allocator.free == 0
    allocator.take(7, 8)
    allocator.put_back(0, 2**128 - 1)

    assert allocator.free == 2**64 - 3
    assert not any(allocator.is_free(slot) for slot in (5, 7, 8))
