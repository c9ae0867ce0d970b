# SPDX-License-Identifier: Apache-2.0
"""IPAddresses of a prefix pool that are larger or smaller than what it hands out."""

import pytest

from envtest.controlplane import tenants
from envtest.controlplane.tenants import PREFIX_POOL


@pytest.mark.parametrize(
    ("address", "prefix", "lowest", "taken"),
    [
        ("fd00::", 62, "fd00:0:0:4::", 4),
        ("fd00::1", 128, "fd00:0:0:1::", 1),
        ("fd00::", 63, "fd00:0:0:2::", 2),
        ("fd00::", 65, "fd00:0:0:1::", 1),
    ],
)
def test_a_claim_gets_no_prefix_that_an_ipaddress_overlaps(
    tenant: tenants.Tenant, address: str, prefix: int, lowest: str, taken: int
) -> None:
    tenant.add_prefix_pool("green", "fd00::/60")
    tenant.add_address("by-hand", address, "green", kind=PREFIX_POOL, prefix=prefix)
    tenant.counts("green", PREFIX_POOL, used=1, free=16 - taken, outOfRange=1, total=16)

    tenant.add_claim("web", "green", PREFIX_POOL)

    assert tenant.bound("web") == [lowest]
    tenant.counts("green", PREFIX_POOL, used=2, free=15 - taken, outOfRange=1)
