# SPDX-License-Identifier: Apache-2.0
"""What an IPAddress has, by the kind of its pool."""

import pytest

from api.resources import GROUP
from controller import state
from kube import capi
from kube.objects import Meta, TypedReference


def held(kind: str, address: str, prefix: int | None) -> str:
    reference = TypedReference(api_group=GROUP, kind=kind, name="blue")
    spec = capi.AddressSpec(pool_ref=reference, address=address, prefix=prefix)
    found = state.held(capi.Address(metadata=Meta(name="web", namespace="default"), spec=spec))
    return f"{state.Address(found.family, found.value)}/{found.length}" if found else "nothing"


@pytest.mark.parametrize(
    ("address", "prefix", "has"),
    [
        ("fd00::", 62, "fd00::/62"),
        ("fd00::1", 128, "fd00::1/128"),
        ("fd00::1", 64, "fd00::1/64"),
        ("fd00::", 0, "fd00::/0"),
        ("fd00::", None, "fd00::/128"),
        ("fd00::", 129, "fd00::/128"),
        ("fd00::", -1, "fd00::/128"),
        ("10.0.0.1", 24, "10.0.0.1/24"),
        ("10.0.0.1", 64, "10.0.0.1/32"),
        ("web.local", 64, "nothing"),
    ],
)
def test_an_ipaddress_of_a_prefix_pool_has_its_network(
    address: str, prefix: int | None, has: str
) -> None:
    assert held("InClusterPrefixPool", address, prefix) == has
    assert held("GlobalInClusterPrefixPool", address, prefix) == has


@pytest.mark.parametrize(
    ("address", "has"), [("10.0.0.1", "10.0.0.1/32"), ("fd00::1", "fd00::1/128")]
)
def test_an_ipaddress_of_an_ip_pool_has_its_address_in_whatever_subnet(
    address: str, has: str
) -> None:
    assert held("InClusterIPPool", address, 24) == has
    assert held("GlobalInClusterIPPool", address, 0) == has
