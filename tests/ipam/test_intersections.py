# SPDX-License-Identifier: Apache-2.0
"""Which sets have members in common, whatever their ranges look like."""

import time

from hypothesis import given
from hypothesis import strategies as st

from ipam import intersections
from ipam.ranges import RangeSet

SETS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12))).map(
    lambda pairs: RangeSet.of((first, first + size) for first, size in pairs)
)
SECONDS = 5.0  # of CPU; the linear way takes 0.5, the quadratic way minutes


@given(SETS, SETS)
def test_what_two_sets_share_is_their_intersection(one: RangeSet, other: RangeSet) -> None:
    found = tuple(intersections.shared(one.ranges, other.ranges))

    assert found == (one & other).ranges


@given(st.lists(SETS, max_size=12))
def test_sets_meet_that_have_a_member_in_common(sets: list[RangeSet]) -> None:
    found = intersections.intersecting([each.ranges for each in sets])

    assert [list(intersections.members(each)) for each in found] == [
        [j for j, other in enumerate(sets) if j != i and each & other]
        for i, each in enumerate(sets)
    ]


def test_thousands_of_equal_sets_are_compared_in_bounded_time() -> None:
    sets = [[(4 * n, 4 * n + 2) for n in range(10)] for _ in range(4000)]

    begin = time.process_time()
    found = intersections.intersecting(sets)

    assert time.process_time() - begin < SECONDS
    assert {each.bit_count() for each in found} == {len(sets) - 1}


def test_two_long_lists_are_compared_in_bounded_time() -> None:
    one = [(2 * n, 2 * n) for n in range(100_000)]
    other = [(2 * n + 1, 2 * n + 1) for n in range(100_000)]

    begin = time.process_time()
    found = list(intersections.shared(one, other))

    assert time.process_time() - begin < SECONDS
    assert found == []
