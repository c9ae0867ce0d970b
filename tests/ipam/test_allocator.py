# SPDX-License-Identifier: Apache-2.0
"""The allocator against the plainest model of it: a Python set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ipam.allocator import Allocator
from ipam.errors import ExhaustedError, UnavailableError
from ipam.ranges import RangeSet

slots = st.integers(0, 30)
ranges = st.lists(st.tuples(slots, slots).map(lambda pair: (min(pair), max(pair))), max_size=4)


class AllocatorBehavesLikeASet(RuleBasedStateMachine):
    @initialize(offered=ranges, taken=st.sets(slots))
    def start(self, offered: list[tuple[int, int]], taken: set[int]) -> None:
        self.offered = {n for first, last in offered for n in range(first, last + 1)}
        self.free = self.offered - taken
        self.allocator = Allocator(RangeSet.of(offered), taken)

    @rule(slot=slots)
    def take(self, slot: int) -> None:
        if slot in self.free:
            self.allocator.take(slot)
            self.free.remove(slot)
        else:
            with pytest.raises(UnavailableError):
                self.allocator.take(slot)

    @rule()
    def take_the_lowest(self) -> None:
        if self.free:
            assert self.allocator.lowest() == min(self.free)
            self.allocator.take(min(self.free))
            self.free.remove(min(self.free))
        else:
            with pytest.raises(ExhaustedError):
                self.allocator.lowest()

    @rule(slot=slots)
    def give_back(self, slot: int) -> None:
        self.allocator.give_back(slot)
        if slot in self.offered:
            self.free.add(slot)

    @invariant()
    def the_same_slots_are_free(self) -> None:
        assert {n for n in range(31) if self.allocator.is_free(n)} == self.free
        assert self.allocator.free == len(self.free)


TestAllocator = AllocatorBehavesLikeASet.TestCase


@given(st.integers(0, 2**96))
def test_a_huge_pool_hands_out_its_lowest_slots_one_by_one(first: int) -> None:
    allocator = Allocator(RangeSet(((first, first + 2**96),)))

    for expected in range(first, first + 5):
        assert allocator.lowest() == expected
        allocator.take(expected)

    assert allocator.free == 2**96 - 4


def test_an_unavailable_slot_is_named() -> None:
    with pytest.raises(UnavailableError) as caught:
        Allocator(RangeSet()).take(7)

    assert caught.value.address == 7
