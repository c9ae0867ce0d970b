# SPDX-License-Identifier: Apache-2.0
"""What a pool offers, and every reason to refuse or to question its spec."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam import pool_specs
from ipam.address_sets import AddressSet
from ipam.notation import Address


def pool(
    addresses: Sequence[str],
    prefix: int | None = 24,
    gateway: str = "",
    excluded: Sequence[str] = (),
    *,
    reserved: bool = False,
) -> AddressSet:
    return pool_specs.ip_pool(addresses, prefix, gateway, excluded, allocate_reserved=reserved)


def texts(offered: AddressSet) -> list[str]:
    return [
        str(offered.address_at(slot))
        for first, last in offered.indexes.ranges
        for slot in range(first, last + 1)
    ]


def problems(offered: AddressSet) -> list[tuple[str, object, str]]:
    return [(found.path, found.value, found.text) for found in offered.errors]


def notes(offered: AddressSet) -> list[str]:
    return [f"{note.path}: {note.text}" for note in offered.warnings]


def test_a_pool_offers_its_addresses_without_network_broadcast_and_gateway() -> None:
    assert texts(pool(["10.0.0.0/29"], 29, gateway="10.0.0.1")) == [
        "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6",
    ]  # fmt: skip


def test_an_ipv6_pool_has_no_broadcast_address() -> None:
    assert texts(pool(["2001:db8::/126"], 126)) == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]


def test_reserved_addresses_are_offered_where_the_user_says_so_but_never_the_gateway() -> None:
    assert texts(pool(["10.0.0.0/30"], 30, gateway="10.0.0.3", reserved=True)) == [
        "10.0.0.0", "10.0.0.1", "10.0.0.2",
    ]  # fmt: skip


def test_the_ends_of_the_subnet_are_reserved_not_those_of_the_range() -> None:
    assert texts(pool(["10.0.0.4-10.0.0.6"], 24)) == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]


def test_excluded_entries_are_not_offered() -> None:
    excluded = ["10.0.0.11-10.0.0.12", "10.0.0.14/31"]

    assert texts(pool(["10.0.0.10-10.0.0.16"], excluded=excluded)) == [
        "10.0.0.10", "10.0.0.13", "10.0.0.16",
    ]  # fmt: skip


def test_a_large_pool_is_counted_exactly() -> None:
    assert pool(["2001:db8::/48"], 48).total == 2**80 - 1


def test_prefix_zero_is_a_prefix() -> None:
    assert texts(pool(["10.0.0.1"], 0)) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (pool([]), [("addresses", list[str](), "at least one address is required")]),
        (
            pool(["10.0.0.1", "oops"]),
            [("addresses[1]", "oops", "is not an IP address, a range or a CIDR")],
        ),
        (
            pool(["10.0.0.9-10.0.0.1"]),
            [
                (
                    "addresses[0]",
                    "10.0.0.9-10.0.0.1",
                    "is a range whose first address is above its last",
                )
            ],
        ),
        (
            pool(["10.0.0.1"], excluded=["::1"]),
            [
                (
                    "excludedAddresses[0]",
                    "::1",
                    "is IPv6, but this pool is IPv4: one pool has one IP family",
                )
            ],
        ),
        (
            pool(["10.0.0.1"], gateway="10.0.0.0/24"),
            [("gateway", "10.0.0.0/24", "is not an IP address")],
        ),
        (
            pool(["::1"], 64, gateway="10.0.0.1"),
            [
                (
                    "gateway",
                    "10.0.0.1",
                    "is IPv4, but this pool is IPv6: one pool has one IP family",
                )
            ],
        ),
        (pool(["10.0.0.1"], 33), [("prefix", 33, "must be between 0 and 32 for IPv4")]),
        (pool(["10.0.0.1"], None), [("prefix", None, "is required")]),
        (
            pool(["10.0.0.1", "10.0.1.1"]),
            [
                (
                    "addresses[1]",
                    "10.0.1.1",
                    "is not inside the pool's subnet 10.0.0.0/24 (its lowest address / prefix)",
                )
            ],
        ),
    ],
)
def test_a_bad_spec_offers_nothing_and_says_why(
    offered: AddressSet, expected: list[tuple[str, object, str]]
) -> None:
    assert problems(offered) == expected
    assert not offered.indexes


def test_a_problem_reads_as_one_line() -> None:
    (problem,) = pool(["10.0.0.1"], 33).errors

    assert str(problem) == "spec.prefix: 33: must be between 0 and 32 for IPv4"


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (
            pool(["10.0.0.1-10.0.0.5", "10.0.0.5"]),
            ["addresses[1]: overlaps another entry of addresses: 10.0.0.1-10.0.0.5"],
        ),
        (
            pool(["10.0.0.1-10.0.0.5"], excluded=["10.0.0.9"]),
            ["excludedAddresses[0]: excludes nothing: the pool has no such address"],
        ),
        (
            pool(["10.0.0.1"], gateway="10.0.1.1"),
            ["gateway: is outside the pool's subnet"],
        ),
        (
            pool(["10.0.0.0/31"], 31),
            [f"addresses: nothing can be allocated: {pool(['10.0.0.0/31'], 31).why_empty}"],
        ),
    ],
)
def test_a_strange_spec_is_noted_but_taken(offered: AddressSet, expected: list[str]) -> None:
    assert notes(offered) == expected
    assert not offered.errors


RESERVED = "set allocateReservedIPAddresses to true"


@pytest.mark.parametrize(
    ("offered", "cause", "remedy"),
    [
        (pool(["10.94.1.7/32"], 32), "reserved", f"add addresses or {RESERVED}"),
        (pool(["10.0.0.5"], excluded=["10.0.0.0/28"]), "excluded", "shorten excludedAddresses"),
        (pool(["10.0.0.5"], gateway="10.0.0.5"), "the gateway", "add addresses"),
        (
            pool(["10.0.0.0-10.0.0.2"], gateway="10.0.0.1", excluded=["10.0.0.2"]),
            "reserved or excluded or the gateway",
            f"{RESERVED} or shorten excludedAddresses",
        ),
    ],
)
def test_a_pool_that_offers_nothing_says_what_took_its_addresses_and_what_helps(
    offered: AddressSet, cause: str, remedy: str
) -> None:
    assert offered.total == 0
    assert offered.why_empty.startswith(f"every address is {cause}; add addresses")
    assert offered.why_empty.endswith(remedy)


def test_a_pool_that_may_allocate_reserved_addresses_gets_no_such_hint() -> None:
    offered = pool_specs.ip_pool(["10.0.0.5"], 24, "10.0.0.5", [], allocate_reserved=True)

    assert offered.why_empty == "every address is the gateway; add addresses"


def test_a_pool_that_offers_something_does_not_say_that_it_offers_nothing() -> None:
    assert pool(["10.0.0.5"]).why_empty == ""
    assert prefixes(["2001:db8::/48"]).why_empty == ""
    assert "excludedPrefixes" in prefixes(["2001:db8::/64"], excluded=["2001:db8::1"]).why_empty


def prefixes(
    entries: Sequence[str], length: int = 64, gateway: str = "", excluded: Sequence[str] = ()
) -> AddressSet:
    return pool_specs.prefix_pool(entries, length, gateway, excluded)


def test_a_prefix_pool_offers_sub_prefixes_by_their_first_address() -> None:
    assert texts(prefixes(["2001:db8::/62"])) == [
        "2001:db8::", "2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:0:3::",
    ]  # fmt: skip


def test_a_sub_prefix_that_overlaps_an_excluded_entry_is_skipped() -> None:
    offered = prefixes(["2001:db8::/62"], excluded=["2001:db8:0:1::5", "2001:db8:0:2:f::/80"])

    assert texts(offered) == ["2001:db8::", "2001:db8:0:3::"]


def test_the_gateway_of_a_prefix_pool_blocks_nothing() -> None:
    assert prefixes(["2001:db8::/63"], gateway="2001:db8::1").total == 2


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (prefixes([]), [("prefixes", list[str](), "at least one prefix is required")]),
        (
            prefixes(["2001:db8::1/48"]),
            [("prefixes[0]", "2001:db8::1/48", "has host bits set: write 2001:db8::/48")],
        ),
        (
            prefixes(["2001:db8::/80"]),
            [
                (
                    "prefixes[0]",
                    "2001:db8::/80",
                    "is longer than allocationPrefixLength, which is 64",
                )
            ],
        ),
        (
            prefixes(["2001:db8::"]),
            [("prefixes[0]", "2001:db8::", "is not a CIDR such as 2001:db8::/48")],
        ),
        (
            prefixes(["10.0.0.0/8"]),
            [
                (
                    "prefixes[0]",
                    "10.0.0.0/8",
                    "is IPv4, but this pool is IPv6: one pool has one IP family",
                )
            ],
        ),
        (
            prefixes(["2001:db8::/48"], 129),
            [("allocationPrefixLength", 129, "must be between 1 and 128")],
        ),
    ],
)
def test_a_bad_prefix_pool_offers_nothing_and_says_why(
    offered: AddressSet, expected: list[tuple[str, object, str]]
) -> None:
    assert problems(offered) == expected
    assert not offered.indexes


def test_single_addresses_from_a_prefix_pool_are_noted() -> None:
    assert notes(prefixes(["2001:db8::/120"], 128)) == [
        (
            "allocationPrefixLength: allocates single addresses; "
            "a gateway inside the prefixes may be allocated too"
        )
    ]


def test_an_address_maps_to_its_slot_only_where_an_allocation_starts() -> None:
    offered = prefixes(["2001:db8::/62"])
    start = offered.indexes.lowest * offered.block_size

    assert offered.index_of(Address(6, start)) == offered.indexes.lowest
    assert offered.index_of(Address(6, start + 1)) is None
    assert offered.index_of(Address(4, start)) is None
    assert offered.index_of(Address(6, start - offered.block_size)) is None


entries = st.lists(st.text("0123456789abcdef:./-", max_size=24), max_size=5)


@given(entries, st.none() | st.integers(-1, 130), st.text(":.0123", max_size=8), entries)
def test_any_spec_has_an_address_set(
    addresses: list[str], prefix: int | None, gateway: str, excluded: list[str]
) -> None:
    offered = pool(addresses, prefix, gateway, excluded)

    assert not (offered.errors and offered.indexes)
    assert offered.total >= 0
