# SPDX-License-Identifier: Apache-2.0
"""The fields of a pool as `show` and the map write them."""

import pytest

from cli.kubectl import specs
from objects import pools


def pool(spec: pools.PoolSpec | None = None) -> pools.Pool:
    return pools.Pool(metadata=pools.PoolMeta(), spec=spec)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, []),
        (pool(), []),
        (pool(pools.PoolSpec()), []),
        (
            pool(
                pools.PoolSpec(
                    addresses=("10.0.0.1", "10.0.0.2", "10.0.0.3"),
                    excluded_addresses=("10.0.0.2",),
                    gateway="10.0.0.9",
                    address_reuse_grace_period_seconds=60,
                )
            ),
            [
                ("Addresses", "10.0.0.1, 10.0.0.2 and 1 more"),
                ("Excluded", "10.0.0.2"),
                ("Gateway", "10.0.0.9"),
                ("Grace", "60 seconds"),
            ],
        ),
        (
            pool(
                pools.PoolSpec(
                    prefixes=("fd00::/56",), excluded_prefixes=("fd00::/64", "fd00:0:0:1::/64")
                )
            ),
            [
                ("Prefixes", "fd00::/56 in parts of /64"),
                ("Excluded", "fd00::/64, fd00:0:0:1::/64"),
            ],
        ),
    ],
)
def test_fields(found: pools.Pool | None, expected: list[tuple[str, str]]) -> None:
    assert list(specs.fields(found, 2)) == expected


def test_the_map_shows_all_entries() -> None:
    entries = tuple(f"10.0.0.{number}" for number in range(30))

    assert list(specs.fields(pool(pools.PoolSpec(addresses=entries)))) == [
        ("Addresses", ", ".join(entries))
    ]
