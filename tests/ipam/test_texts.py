# SPDX-License-Identifier: Apache-2.0
import pytest

from ipam import texts


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "claim", "0 claims"),
        (1, "address", "1 address"),
        (2, "address", "2 addresses"),
        (1, "IPAddress", "1 IPAddress"),
        (3, "IPAddress", "3 IPAddresses"),
        (1, "entry", "1 entry"),
        (5, "entry", "5 entries"),
        (2, "prefix", "2 prefixes"),
        (2, "gateway", "2 gateways"),
    ],
)
def test_a_count_and_its_noun_agree(count: int, noun: str, text: str) -> None:
    assert texts.counted(count, noun) == text


def test_an_irregular_plural_is_taken_as_it_is_given() -> None:
    assert texts.counted(1, "index", "indices") == "1 index"
    assert texts.counted(2, "index", "indices") == "2 indices"


@pytest.mark.parametrize(
    ("total", "expected"),
    [(0, []), (2, ["a", "b"]), (3, ["a", "b", "... and 1 more"])],
)
def test_lines_are_shortened_only_if_there_are_more(total: int, expected: list[str]) -> None:
    assert texts.shortened(["a", "b", "c"][:total], total, 2) == expected
