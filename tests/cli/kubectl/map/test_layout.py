# SPDX-License-Identifier: Apache-2.0
"""Where each address of a pool stands on its map, for pools of any size."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import Objects

from cli.kubectl import maps, spaces
from cli.kubectl.map import layout
from ipam import ranges
from ipam.address_sets import AddressSet
from ipam.notation import V4, V6, parse_address
from ipam.ranges import RangeSet

PREFIX_POOL = "InClusterPrefixPool"


async def layers(objects: Objects) -> maps.Layers:
    (usage,) = (await objects.usages()).values()
    assert usage.pool is not None
    return maps.layers(usage, spaces.of(usage.pool))


def names(found: layout.Layout) -> list[tuple[str, str]]:
    return [
        (cell.state, layout.name(found.family, found.block_size, cell.first, cell.last))
        for cell in found.cells
    ]


def numbers(*ranges: tuple[int, int]) -> RangeSet:
    return RangeSet.of(ranges)


async def test_a_small_pool_has_a_cell_for_each_address() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/29", prefix=29, gateway="10.0.0.1", excludedAddresses=["10.0.0.3"])
    objects.bound("a", "10.0.0.2")
    objects.address("held", "10.0.0.4")

    found = layout.of(await layers(objects))

    assert [state for state, _ in names(found)] == [
        *("reserved", "gateway", "used", "excluded", "held", "free", "free", "reserved")
    ]
    assert [row.cells[-1].columns for row in found.rows] == [layout.COLUMNS - 8]


async def test_a_row_begins_at_a_round_address() -> None:
    objects = Objects()
    objects.pool("10.0.0.50-10.0.0.70")

    found = layout.of(await layers(objects))

    assert [row.cells[0].columns for row in found.rows] == [50, 1]
    assert [layout.name(V4, 1, row.first, row.first) for row in found.rows] == [
        "10.0.0.0",
        "10.0.0.64",
    ]


async def test_4096_addresses_have_cells_and_more_have_blocks() -> None:
    small, large = Objects(), Objects()
    small.pool("10.0.0.0/20", prefix=20)
    large.pool("10.0.0.0/19", prefix=19)
    large.bound("a", "10.0.3.4")

    assert len(list(layout.of(await layers(small)).cells)) == 4096
    assert names(layout.of(await layers(large))) == [
        ("mixed", "10.0.0.0/24"),
        ("free", "10.0.1.0-10.0.2.255"),
        ("mixed", "10.0.3.0/24"),
        ("free", "10.0.4.0-10.0.30.255"),
        ("mixed", "10.0.31.0/24"),
    ]


async def test_a_block_is_the_next_window() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/16", prefix=16)
    objects.bound("a", "10.0.3.4")
    first = parse_address("10.0.3.0").value

    found = layout.of(await layers(objects), (first, first + 255))

    assert found.size == 1
    assert Counter(state for state, _ in names(found)) == {"free": 255, "used": 1}


@pytest.mark.parametrize(
    ("kind", "entry", "held", "size", "at"),
    [
        ("InClusterIPPool", "2001:db8::/48", ("2001:db8:0:5::9", 128), 64, "2001:db8:0:5::/64"),
        ("InClusterIPPool", "2001:db8::/64", ("2001:db8::9", 128), 8, "2001:db8::/120"),
        (PREFIX_POOL, "2001:db8::/48", ("2001:db8:0:105::", 64), 8, "2001:db8:0:100::/56"),
    ],
)
async def test_ipv6_is_no_special_case(
    kind: str, entry: str, held: tuple[str, int], size: int, at: str
) -> None:
    objects = Objects()
    pool = objects.pool(entry, kind=kind) if kind == PREFIX_POOL else objects.pool(entry, prefix=48)
    objects.bound("a", held[0], pool, held[1])

    found = layout.of(await layers(objects))

    assert found.size == 1 << size
    assert ("mixed", at) in names(found)
    assert len(found.rows) < 8


async def test_a_pool_that_offers_nothing_has_no_rows() -> None:
    objects = Objects()
    objects.pool("nonsense")

    assert layout.of(await layers(objects)).rows == []


def test_full_blocks_with_holders_are_no_bar() -> None:
    found = layout.of(maps.Layers(V4, 1, {"used": numbers((0, 8191)), "free": RangeSet()}))

    assert [cell.counts["used"] for cell in found.cells] == [256] * 32


def test_a_network_as_large_as_many_blocks_is_a_bar() -> None:
    found = layout.of(maps.Layers(V6, 1, {"outside": numbers((0, 2**100))}))

    assert len(list(found.cells)) < 5


def test_a_bar_takes_one_row_for_all_rows_that_it_fills() -> None:
    found = layout.of(maps.Layers(V4, 1, {"free": numbers((256, 256 * 32 * 5 - 257))}))

    assert [[cell.columns for cell in row.cells] for row in found.rows] == [[1, 31], [32], [31, 1]]


@pytest.mark.parametrize("distance", [997, 9_973])
def test_scattered_addresses_have_larger_blocks(distance: int) -> None:
    count = 20_000
    scattered = numbers(*((each * distance, each * distance) for each in range(count)))
    free = numbers((0, count * distance)) - scattered

    found = layout.of(maps.Layers(V4, 1, {"used": scattered, "free": free}))

    assert len(list(found.cells)) <= layout.MOST_CELLS
    assert sum(cell.counts["used"] for cell in found.cells) == count


_RANGES = st.lists(
    st.tuples(st.integers(0, 2**70), st.integers(0, 2**68)).map(lambda it: (it[0], sum(it))),
    max_size=12,
)
_SMALL = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(0, 900)).map(lambda it: (it[0], sum(it))),
    max_size=12,
)


@given(st.lists(_RANGES | _SMALL, min_size=3, max_size=3), st.sampled_from([V6, V4]))
def test_each_number_is_on_the_map_once(ranges: list[list[tuple[int, int]]], family: int) -> None:
    used, free, excluded = map(RangeSet.of, ranges)
    sets = {"used": used, "free": free - used, "excluded": excluded - free - used}

    found = layout.of(maps.Layers(family, 1, sets))

    cells = list(found.cells)
    totals = sum((cell.counts for cell in cells), Counter[str]())
    assert totals == Counter({state: each.size for state, each in sets.items() if each})
    assert all(one.last < other.first for one, other in itertools.pairwise(cells))
    assert len(cells) <= 3 * layout.MOST_CELLS
    for row in found.rows:
        assert sum(cell.columns for cell in row.cells) == found.columns


def test_shared_numbers_are_those_that_another_pool_offers() -> None:
    mine = AddressSet(V6, 1, numbers((10, 20)))
    other = AddressSet(V6, 4, numbers((4, 5)))
    both = ranges.overlap((*mine.ranges, *other.ranges))

    assert layout.shared(mine, both) == numbers((16, 20))
    assert layout.shared(other, both) == numbers((4, 5))
