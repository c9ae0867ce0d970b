# SPDX-License-Identifier: Apache-2.0
"""`clusterctl upgrade` from one of our releases to the next, and back."""

import time
from collections.abc import Generator

import pytest

from envtest.controlplane.tenants import PREFIX_POOL, Tenant
from envtest.lab.address_history import follow
from envtest.lab.lab import Lab
from envtest.lab.management import Management

TEAM = "team"
FROM, TO = 0, 1  # of the releases for a contract


@pytest.fixture(scope="module")
def management(lab: Lab, series: str) -> Generator[Management]:
    with Management(lab, 1, series) as management:
        management.init(management.releases[FROM])
        tenant = Tenant(management, management.new_namespace(TEAM))
        tenant.add_pool("blue", "10.0.0.10-10.0.0.40")
        tenant.add_prefix_pool("delegated", "fd00::/56")
        tenant.add_claim("web", "blue")
        tenant.add_claim("prefix", "delegated", PREFIX_POOL)
        tenant.bound("web", "prefix")
        yield management


def test_the_next_release_is_planned(management: Management) -> None:
    done = management.clusterctl("upgrade", "plan")

    lines = [line for line in done.output.splitlines() if line.startswith("ipam-in-cluster")]
    line = lines[0]  # clusterctl 1.10 also plans for the newer contract, which it can't upgrade to
    assert tuple(line.split()[-2:]) == management.releases


@pytest.mark.parametrize("release", [TO, FROM], ids=["upgrade", "rollback"])
def test_nothing_is_lost_and_old_clients_can_read(management: Management, release: int) -> None:
    version = management.releases[release]
    tenant = Tenant(management, TEAM)
    before = management.snapshot(TEAM)
    since = tenant.addresses.listing()["metadata"]["resourceVersion"]
    old = tenant.pools(version="v1alpha1")

    with management.outage(lambda: old.get("blue")):
        management.clusterctl("upgrade", "apply", f"--ipam=in-cluster:{version}")
        began = time.monotonic()
        tenant.add_claim(f"new-{version}", "blue")
        tenant.bound(f"new-{version}")
    management.lab.note("  first new claim after that", time.monotonic() - began)

    assert management.running_version() == version
    after = management.snapshot(TEAM)
    assert {name: after[name] for name in before} == before
    ledger = follow(tenant.addresses, since, until=f"new-{version}")
    assert (ledger.deleted, ledger.duplicates) == ([], [])


def test_an_upgrade_that_was_killed_half_way_is_made_up_for(management: Management) -> None:
    tenant = Tenant(management, TEAM)
    before = management.snapshot(TEAM)
    version = management.releases[TO]
    command = ("upgrade", "apply", f"--ipam=in-cluster:{version}")

    management.interrupted(*command, when=lambda: not management.installed())
    assert not management.installed()
    assert management.snapshot(TEAM) == before
    management.clusterctl(*command)
    tenant.add_claim("after", "blue")
    tenant.bound("after")

    assert management.running_version() == version
    after = management.snapshot(TEAM)
    assert {name: after[name] for name in before} == before
