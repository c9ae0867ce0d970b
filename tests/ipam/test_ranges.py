# SPDX-License-Identifier: Apache-2.0
"""A set of ranges behaves like the set of its members."""

from collections import Counter
from typing import NoReturn

from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from ipam.ranges import Range, RangeSet, overlap

small = st.integers(0, 60)
ranges = st.lists(st.tuples(small, small).map(lambda pair: (min(pair), max(pair))), max_size=8)


def members(items: list[Range] | tuple[Range, ...]) -> set[int]:
    return {value for first, last in items for value in range(first, last + 1)}


@given(ranges)
def test_a_union_has_exactly_the_members_of_its_parts(parts: list[Range]) -> None:
    union = RangeSet.of(parts)

    assert members(union.ranges) == members(parts)
    assert union.size == len(members(parts))
    assert {value for value in range(62) if value in union} == members(parts)
    assert bool(union) == bool(parts)


@given(ranges)
def test_equal_sets_are_written_equally(parts: list[Range]) -> None:
    singles = [(value, value) for value in members(parts)]

    assert RangeSet.of(parts) == RangeSet.of(singles)


@given(ranges)
def test_the_overlap_has_the_members_of_more_than_one_range(parts: list[Range]) -> None:
    counts = Counter(value for part in parts for value in members([part]))

    assert members(overlap(parts).ranges) == {each for each, count in counts.items() if count > 1}


@given(ranges, ranges)
def test_a_difference_has_what_only_the_first_has(kept: list[Range], removed: list[Range]) -> None:
    left = RangeSet.of(kept) - RangeSet.of(removed)

    assert members(left.ranges) == members(kept) - members(removed)
    assert left == RangeSet.of(left.ranges)


@given(ranges, ranges)
def test_an_intersection_has_what_both_have(one: list[Range], other: list[Range]) -> None:
    both = RangeSet.of(one) & RangeSet.of(other)

    assert members(both.ranges) == members(one) & members(other)


def test_the_ends_of_a_set_are_its_extremes() -> None:
    ends = RangeSet.of([(8, 9), (1, 2)])

    assert ends.lowest == 1


def test_a_huge_range_costs_nothing() -> None:
    assert RangeSet.of([(0, 2**128 - 1)]).size == 2**128


class Counted(tuple[Range, ...]):
    """Ranges that nobody goes through, since there may be thousands."""

    __slots__ = ()

    @override
    def __iter__(self) -> NoReturn:
        raise AssertionError("all ranges are gone through")


def test_a_few_of_many_ranges_are_found_without_going_through_all() -> None:
    many = RangeSet(Counted((10 * number, 10 * number + 5) for number in range(5000)))

    assert list(many.within(49_003, 49_012)) == [(49_003, 49_005), (49_010, 49_012)]
    assert many.meets(49_006, 49_010)
    assert not many.meets(49_006, 49_009)
