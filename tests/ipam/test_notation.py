# SPDX-License-Identifier: Apache-2.0
"""Addresses are read strictly and written canonically."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam import notation
from ipam.errors import NotationError

addresses = st.ip_addresses()


@given(addresses)
def test_what_is_printed_reads_back_as_the_same_address(address: object) -> None:
    parsed = notation.parse_address(str(address))

    assert notation.parse_address(notation.format_address(*parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("::ffff:a00:1", "::ffff:10.0.0.1"),
        ("::10.0.0.1", "::a00:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ],
)
def test_an_address_is_printed_in_its_canonical_form(text: str, printed: str) -> None:
    assert notation.format_address(*notation.parse_address(text)) == printed


def test_a_v4_mapped_address_is_ipv6() -> None:
    assert notation.parse_address("::ffff:10.0.0.1").family == 6


@pytest.mark.parametrize(
    "text",
    ["", " 10.0.0.1", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1\n", "fe80::1%eth0", "::g",
     "10.0.0.1\0", "\ud800", "١٠.0.0.1", "1", "0x0a.0.0.1", "[::1]", ":::", "10.0.0.1/32"],
)  # fmt: skip
def test_what_is_not_an_address_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(NotationError, match="is not an IP address") as caught:
        notation.parse_address(text)

    assert caught.value.value == text


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5-10.0.0.9", "10.0.0.5", "10.0.0.9"),
        ("10.0.0.5/24", "10.0.0.0", "10.0.0.255"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("2001:db8::/126", "2001:db8::", "2001:db8::3"),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
def test_an_entry_is_an_address_a_range_or_a_whole_network(
    text: str, first: str, last: str
) -> None:
    block = notation.parse_entry(text)

    assert notation.format_address(block.family, block.first) == first
    assert notation.format_address(block.family, block.last) == last


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.9-10.0.0.5", "is a range whose first address is above its last"),
        ("10.0.0.9-::1", "is a range from one IP family to the other"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "is not an IP address, a range or a CIDR"),
        ("10.0.0.1 - 10.0.0.2", "is not an IP address, a range or a CIDR"),
        ("nonsense", "is not an IP address, a range or a CIDR"),
        ("10.0.0.0/33", "has a prefix longer than the 32 bits of IPv4"),
        ("::/129", "has a prefix longer than the 128 bits of IPv6"),
        ("10.0.0.0/255.0.0.0", "needs a prefix length such as /24 after the slash"),
        ("10.0.0.0/0.0.0.255", "needs a prefix length such as /24 after the slash"),
        ("10.0.0.0/024", "needs a prefix length such as /24 after the slash"),
        ("10.0.0.0/+8", "needs a prefix length such as /24 after the slash"),
        ("10.0.0.0/²", "needs a prefix length such as /24 after the slash"),
        ("10.0.0.0/", "needs a prefix length such as /24 after the slash"),
        ("10.0.0/24", "is not a CIDR such as 10.0.0.0/24"),
    ],
)
def test_a_bad_entry_is_refused_with_its_text_and_its_problem(text: str, problem: str) -> None:
    with pytest.raises(NotationError) as caught:
        notation.parse_entry(text)

    assert (caught.value.value, caught.value.problem) == (text, problem)


def test_a_subnet_must_have_a_prefix_length() -> None:
    with pytest.raises(NotationError, match="is not a CIDR"):
        notation.parse_network("10.0.0.0")


def test_a_network_remembers_its_host_bits() -> None:
    network = notation.parse_network("10.0.0.7/24")

    assert notation.format_address(4, network.value) == "10.0.0.7"
    assert notation.format_address(4, network.first) == "10.0.0.0"
    assert notation.format_address(4, network.last) == "10.0.0.255"


def test_an_error_does_not_repeat_a_text_without_end() -> None:
    with pytest.raises(NotationError) as caught:
        notation.parse_entry("1" * 5000)

    assert len(str(caught.value)) < 160


@given(st.text())
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        block = notation.parse_entry(text)
    except NotationError:
        return
    assert block.first <= block.last
