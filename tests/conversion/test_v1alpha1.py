# SPDX-License-Identifier: Apache-2.0
import pytest

import api.v1alpha1
import api.v1alpha2
from conversion import v1alpha1


@pytest.mark.parametrize(
    ("subnet", "offered", "prefix"),
    [
        pytest.param("10.0.0.0/24", "10.0.0.1-10.0.0.254", 24, id="ipv4"),
        pytest.param("10.0.0.7/24", "10.0.0.1-10.0.0.254", 24, id="host-bits-set"),
        pytest.param("10.0.0.4/30", "10.0.0.5-10.0.0.6", 30, id="ipv4-30"),
        pytest.param("10.0.0.4/31", "10.0.0.4-10.0.0.5", 31, id="ipv4-31"),
        pytest.param("10.0.0.4/32", "10.0.0.4-10.0.0.4", 32, id="ipv4-32"),
        pytest.param("0.0.0.0/0", "0.0.0.1-255.255.255.254", 0, id="everything"),
        pytest.param("fd00::/120", "fd00::1-fd00::fe", 120, id="ipv6"),
        pytest.param("fd00::2/127", "fd00::2-fd00::3", 127, id="ipv6-127"),
        pytest.param("fd00::2/128", "fd00::2-fd00::2", 128, id="ipv6-128"),
        pytest.param("::ffff:10.0.0.0/126", "::ffff:10.0.0.1-::ffff:10.0.0.2", 126, id="mapped"),
    ],
)
def test_a_subnet_becomes_a_range_without_its_ends(subnet: str, offered: str, prefix: int) -> None:
    assert v1alpha1.to_hub({"subnet": subnet}) == {"addresses": [offered], "prefix": prefix}


def test_what_is_set_counts_more_than_the_subnet() -> None:
    old: dict[str, object] = {
        "subnet": "10.0.0.0/24",
        "start": "10.0.0.9",
        "end": "10.0.0.12",
        "prefix": 16,
    }

    assert v1alpha1.to_hub(old) == {"addresses": ["10.0.0.9-10.0.0.12"], "prefix": 16}


def test_the_range_comes_after_the_addresses() -> None:
    old: dict[str, object] = {
        "addresses": ["10.0.0.99"],
        "start": "10.0.0.1",
        "end": "10.0.0.2",
        "prefix": 24,
    }

    assert v1alpha1.to_hub(old)["addresses"] == ["10.0.0.99", "10.0.0.1-10.0.0.2"]


def test_a_range_stands_as_it_was_written() -> None:
    old: dict[str, object] = {"start": "FD00:0::1", "end": "fd00::0002", "prefix": 64}

    assert v1alpha1.to_hub(old)["addresses"] == ["FD00:0::1-fd00::0002"]


@pytest.mark.parametrize(
    "old",
    [
        {},
        {"subnet": "", "start": "", "end": "", "prefix": 0},
        {"subnet": "nonsense"},
        {"subnet": "10.0.0.0/255.255.255.0"},
        {"start": "10.0.0.1"},
        {"end": "10.0.0.1"},
        {"start": "10.0.0.9", "end": "10.0.0.1"},
        {"start": "10.0.0.1", "end": "fd00::1"},
        {"start": "10.0.0.01", "end": "10.0.0.9"},
        {"excludedAddresses": ["10.0.0.1"]},
    ],
    ids=str,
)
def test_what_makes_no_sense_gives_nothing(old: dict[str, object]) -> None:
    assert v1alpha1.to_hub(old) == {}


def test_an_empty_gateway_stays_as_it_is() -> None:
    assert v1alpha1.to_hub({"gateway": ""}) == {"gateway": ""}
    assert v1alpha1.from_hub({"gateway": ""}) == {"gateway": ""}


def test_the_tables_know_the_fields_of_both_versions() -> None:
    for table, model in (
        (v1alpha1.SPOKE_FIELDS, api.v1alpha1.InClusterIPPoolSpec),
        (v1alpha1.HUB_FIELDS, api.v1alpha2.InClusterIPPoolSpec),
    ):
        assert table.keys() == model.model_json_schema()["properties"].keys()
