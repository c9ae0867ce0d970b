# SPDX-License-Identifier: Apache-2.0
"""An address that was released stays out of use for its pool's grace period."""

import time
from datetime import UTC, datetime

from envtest import waiting
from envtest.client import Json
from envtest.contract import SKIP_DELETION_CHECK
from envtest.controlplane import tenants

HOUR = 3600


def add_bound_claim(tenant: tenants.Tenant, grace: int) -> None:
    """Make a claim `web` that has the only address of its pool `blue`."""
    tenant.add_pool("blue", "10.0.0.10", addressReuseGracePeriodSeconds=grace)
    tenant.add_claim("web", "blue")
    tenant.bound("web")


def assert_held(tenant: tenants.Tenant, successor: str) -> None:
    """Check that a claim which comes now doesn't get the address of `web`, nor is that touched."""
    tenant.add_claim(successor, "blue")
    tenant.not_ready(successor, "PoolExhausted")
    assert "deletionTimestamp" not in tenant.addresses.get("web")["metadata"]
    assert tenant.claims.get("web")["metadata"]["finalizers"]


def await_gone(tenant: tenants.Tenant, claim: str) -> None:
    waiting.until(f"{claim} is gone", lambda: tenant.claims.find(claim), lambda seen: not seen)
    assert tenant.addresses.find(claim) is None


def set_grace(tenant: tenants.Tenant, seconds: int) -> None:
    tenant.pools().merge("blue", {"spec": {"addressReuseGracePeriodSeconds": seconds}})


def delete_in_use(tenant: tenants.Tenant, pool: str) -> None:
    tenant.pools().merge(pool, {"metadata": {"annotations": {SKIP_DELETION_CHECK: ""}}})
    tenant.pools().delete(pool)


def test_an_address_is_held_until_the_grace_period_is_shortened(tenant: tenants.Tenant) -> None:
    add_bound_claim(tenant, HOUR)
    tenant.claims.delete("web")
    assert_held(tenant, "next")

    set_grace(tenant, 0)

    assert tenant.bound("next") == ["10.0.0.10"]
    await_gone(tenant, "web")


def test_a_claim_in_its_grace_period_says_until_when_its_address_is_held(
    tenant: tenants.Tenant,
) -> None:
    add_bound_claim(tenant, HOUR)

    deleted = tenant.claims.delete("web")

    end = datetime.fromtimestamp(since(deleted) + HOUR, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert f"address 10.0.0.10 is held until {end}" in tenant.says("web", "Deleting")
    set_grace(tenant, 0)
    await_gone(tenant, "web")


def test_an_address_comes_free_when_the_grace_period_is_over_and_not_before(
    tenant: tenants.Tenant,
) -> None:
    add_bound_claim(tenant, 2)
    tenant.add_claim("next", "blue")

    deleted = tenant.claims.delete("web")

    assert tenant.bound("next") == ["10.0.0.10"]
    assert time.time() >= since(deleted) + 2


def since(claim: Json) -> float:
    return datetime.fromisoformat(claim["metadata"]["deletionTimestamp"]).timestamp()


def test_an_address_is_held_over_a_restart_of_the_manager(tenant: tenants.Tenant) -> None:
    add_bound_claim(tenant, HOUR)
    tenant.claims.delete("web")
    tenant.provider.manager.stop()

    tenant.provider.manager.run()

    assert_held(tenant, "next")
    set_grace(tenant, 0)
    assert tenant.bound("next") == ["10.0.0.10"]


def test_a_grace_period_that_ended_without_a_manager_is_over(tenant: tenants.Tenant) -> None:
    add_bound_claim(tenant, 1)
    tenant.provider.manager.stop()
    tenant.claims.delete("web")

    tenant.provider.manager.run()

    await_gone(tenant, "web")


def test_nothing_is_held_for_a_pool_that_is_being_deleted(tenant: tenants.Tenant) -> None:
    add_bound_claim(tenant, HOUR)
    tenant.claims.delete("web")
    assert_held(tenant, "next")

    delete_in_use(tenant, "blue")

    await_gone(tenant, "web")
    waiting.until("the pool is gone", lambda: tenant.pools().find("blue"), lambda seen: not seen)


def test_nothing_is_held_for_a_pool_that_is_gone(tenant: tenants.Tenant) -> None:
    add_bound_claim(tenant, HOUR)
    delete_in_use(tenant, "blue")
    tenant.pools().merge("blue", {"metadata": {"finalizers": None}})
    assert tenant.pools().find("blue") is None

    tenant.claims.delete("web")

    await_gone(tenant, "web")
