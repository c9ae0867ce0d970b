# SPDX-License-Identifier: Apache-2.0
"""`clusterctl upgrade` from one of our releases to the next, and back."""

import time
from collections.abc import Generator

import pytest

from envtest.lab.lab import Lab
from envtest.lab.management import Management
from envtest.lab.watching import follow
from envtest.tenants import PREFIX_POOL, Tenant

TEAM = "team"
FROM, TO = "v2.1.0", "v2.1.1"


@pytest.fixture(scope="module")
def management(lab: Lab) -> Generator[Management]:
    with Management(lab, 1) as management:
        management.init(FROM)
        tenant = Tenant(management, management.new_namespace(TEAM))
        tenant.add_pool("blue", "10.0.0.10-10.0.0.40")
        tenant.add_prefix_pool("delegated", "fd00::/56")
        tenant.add_claim("web", "blue")
        tenant.add_claim("prefix", "delegated", PREFIX_POOL)
        tenant.bound("web", "prefix")
        yield management


def test_the_next_release_is_planned(management: Management) -> None:
    done = management.clusterctl("upgrade", "plan")

    (line,) = [line for line in done.output.splitlines() if line.startswith("ipam-in-cluster")]
    assert line.split()[-2:] == [FROM, TO]


@pytest.mark.parametrize("version", [TO, FROM], ids=["upgrade", "rollback"])
def test_nothing_is_lost_and_old_clients_can_read(management: Management, version: str) -> None:
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
    command = ("upgrade", "apply", f"--ipam=in-cluster:{TO}")

    management.interrupted(*command, when=lambda: not management.installed())
    assert not management.installed()
    assert management.snapshot(TEAM) == before
    management.clusterctl(*command)
    tenant.add_claim("after", "blue")
    tenant.bound("after")

    assert management.running_version() == TO
    after = management.snapshot(TEAM)
    assert {name: after[name] for name in before} == before
