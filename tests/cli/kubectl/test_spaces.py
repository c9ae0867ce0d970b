# SPDX-License-Identifier: Apache-2.0
"""What each address of a pool is, and the map of it."""

import builders
import pytest
from builders import BLUE
from snapshots import Objects

from cli.kubectl import maps, spaces
from cli.kubectl.usage import Usage
from ipam.notation import parse_address
from kube.testing.fake import Json
from objects import pools
from objects.pools import PoolKey


def ip_pool() -> pools.Pool:
    excluded = ["10.0.0.4-10.0.0.6", "10.0.0.15"]
    body = builders.pool("10.0.0.0/28", prefix=28, gateway="10.0.0.1", excludedAddresses=excluded)
    return builders.decoded(body)


@pytest.mark.parametrize(
    ("address", "reasons"),
    [
        ("10.0.0.0", ["reserved"]),
        ("10.0.0.1", ["gateway"]),
        ("10.0.0.2", []),
        ("10.0.0.5", ["excluded"]),
        ("10.0.0.15", ["reserved", "excluded"]),
    ],
)
def test_each_reason_that_withholds_an_address_is_named(address: str, reasons: list[str]) -> None:
    found = spaces.of(ip_pool())
    index = found.index_of(parse_address(address))

    assert index is not None
    assert list(found.reasons(index)) == reasons


@pytest.mark.parametrize("address", ["10.0.0.16", "2001:db8::1"])
def test_an_address_of_no_entry_has_no_number(address: str) -> None:
    assert spaces.of(ip_pool()).index_of(parse_address(address)) is None


def test_the_spaces_of_a_spec_are_computed_once() -> None:
    assert spaces.of(ip_pool()) is spaces.of(ip_pool())


def test_a_pool_without_a_spec_has_nothing() -> None:
    assert not spaces.of(pools.Pool(kind="InClusterIPPool", metadata=pools.PoolMeta())).listed


def drawn(usage: Usage) -> list[str]:
    assert usage.pool is not None
    layers = maps.layers(usage, spaces.of(usage.pool))
    return [line.plain.rstrip() for line in maps.lines(layers)]


async def test_a_map_has_a_cell_for_each_address() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28", "10.0.0.70", prefix=24, gateway="10.0.0.1")
    objects.pool("10.0.1.0/24", name="other")
    objects.bound("a", "10.0.0.2")
    objects.address("left", "10.0.0.3")
    objects.bound("out", "10.0.0.71")

    assert drawn((await objects.usages())[BLUE]) == [
        "10.0.0.0   rG█▒············",
        "10.0.0.64        ·!",
        "",
        "· free   █ used   ▒ held   ! outside   G gateway   r reserved",
    ]


async def test_a_large_pool_has_blocks_for_cells_and_their_height_is_the_share_in_use() -> None:
    objects = Objects()
    key = objects.pool("10.0.0.0/16", prefix=16)
    for number in range(32):
        objects.bound(f"a-{number}", f"10.0.{number // 16}.{number % 16 + 1}")

    lines = drawn((await objects.usages())[key])

    assert lines[0] == f"10.0.0.0    ▃···▂{'·' * 59}"
    assert len(lines) == 18
    assert lines[-1].endswith("each cell: 64 addresses")


async def test_a_prefix_pool_counts_in_prefixes() -> None:
    objects = Objects()
    key = objects.pool("2001:db8::/56", kind="InClusterPrefixPool")
    objects.bound("a", "2001:db8:0:3::", PoolKey(*key), 64)

    lines = drawn((await objects.usages())[key])

    assert lines[0] == f"2001:db8::       ···█{'·' * 60}"
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("kind", "entry", "address", "excluded"),
    [
        ("InClusterIPPool", "ten", "10.0.0.2", {}),
        ("InClusterIPPool", "10.0.0.0/28", "10.0.0.2", {"excludedAddresses": ["ten"]}),
        ("InClusterPrefixPool", "2001:db8::/56", "2001:db8:0:3::", {"excludedPrefixes": ["ten"]}),
    ],
)
async def test_a_pool_whose_spec_has_errors_has_no_map(
    kind: str, entry: str, address: str, excluded: Json
) -> None:
    objects = Objects()
    key = objects.pool(entry, kind=kind, **excluded)
    objects.bound("a", address, key, 64)
    usage = (await objects.usages())[key]

    assert drawn(usage) == []
    assert usage.pool is not None
    assert not spaces.of(usage.pool).listed
