# SPDX-License-Identifier: Apache-2.0
import pytest

from ipam import pool_specs
from ipam.address_sets import AddressSet
from objects.pools import PoolKey
from webhook import overlaps

MINE = PoolKey("InClusterIPPool", "default", "blue")
RED = PoolKey("InClusterIPPool", "default", "red")
WIDE = PoolKey("GlobalInClusterIPPool", "", "wide")
HIDDEN = PoolKey("InClusterIPPool", "secret", "payroll")
RACKS = PoolKey("InClusterPrefixPool", "default", "racks")


def offered(*addresses: str, prefix: int = 8) -> AddressSet:
    found = pool_specs.ip_pool(addresses, prefix, "", (), allocate_reserved=False)
    assert not found.errors
    return found


def warnings(key: PoolKey, mine: AddressSet, **others: tuple[PoolKey, AddressSet]) -> list[str]:
    """Return the warnings, which are the same from the index of all pools."""
    told = [text for text in overlaps.compare(key, mine, dict(others.values())) if text]
    found = overlaps.Index({**dict(others.values()), key: mine}).overlaps(key)
    assert list(found.warnings) == told
    assert found.total == len(told)
    return told


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (["10.0.0.5"], "10.0.0.5 is also"),
        (["10.0.0.5-10.0.0.20"], "10.0.0.5-10.0.0.9 are also"),
        (["10.0.0.2", "10.0.0.4"], "10.0.0.2 (and more) are also"),
    ],
)
def test_what_both_have_is_reported(other: list[str], said: str) -> None:
    mine = offered("10.0.0.1-10.0.0.9")

    assert warnings(MINE, mine, red=(RED, offered(*other))) == [
        f"spec.addresses: {said} in InClusterIPPool default/red: both pools may give them out"
    ]


def test_apart_is_apart() -> None:
    mine = offered("10.0.0.1-10.0.0.9")

    same_numbers = offered("::a00:1-::a00:9", prefix=96)  # in the other family
    assert warnings(MINE, mine, red=(RED, offered("10.0.0.10")), six=(WIDE, same_numbers)) == []
    assert warnings(MINE, mine, itself=(MINE, mine)) == []


def test_pools_of_other_namespaces_have_no_names() -> None:
    mine = offered("10.0.0.1-10.0.0.9")

    told = warnings(MINE, mine, hidden=(HIDDEN, mine), wide=(WIDE, mine))

    assert [text.partition(": both")[0].partition(" are ")[2] for text in told] == [
        "also in GlobalInClusterIPPool wide",
        "also in a pool of another namespace",
    ]
    assert warnings(WIDE, mine, hidden=(HIDDEN, mine))[0].count("another namespace") == 1


def test_a_write_is_compared_with_what_the_others_have_at_that_time() -> None:
    low, high = offered("10.0.0.1-10.0.0.9"), offered("10.0.1.1-10.0.1.9")
    now = {MINE: low, RED: high, HIDDEN: high}
    writes = [(MINE, high), (RED, low), (WIDE, high), (MINE, low), (RED, low)]

    totals = list[int]()
    for (key, after), found in zip(writes, overlaps.Index(now, writes).of_writes(), strict=True):
        texts = [text for text in overlaps.compare(key, after, now) if text]
        assert (list(found.warnings), found.total) == (texts, len(texts))
        totals.append(found.total)
        now[key] = after
    assert totals == [2, 0, 1, 1, 1]


def test_after_each_pool_there_is_a_pause() -> None:
    mine = offered("10.0.0.1-10.0.0.9")
    others = {MINE: mine, RED: offered("10.0.0.10"), WIDE: mine, HIDDEN: mine}

    steps = list(overlaps.compare(MINE, mine, others))

    assert len(steps) == len(others) + 1
    assert [bool(step) for step in steps] == [True, False, False, False, True]


def test_a_prefix_overlaps_the_addresses_inside_it() -> None:
    racks = pool_specs.prefix_pool(["2001:db8::/48"], 64, "", ())
    mine = offered("2001:db8:0:7::1-2001:db8:0:7::9", prefix=64)

    (told,) = warnings(MINE, mine, racks=(RACKS, racks))
    assert told.startswith("spec.addresses: 2001:db8:0:7::1-2001:db8:0:7::9 are also in ")
    (told,) = warnings(RACKS, racks, blue=(MINE, mine))
    assert told.startswith("spec.prefixes: ")
