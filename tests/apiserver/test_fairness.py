# SPDX-License-Identifier: Apache-2.0
"""Who waits for whom: a storm on one pool is nobody else's business, and age counts."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from envtest import client, manifests, waiting
from envtest.contract import PAUSED
from envtest.controlplane import tenants

STORM = 500
THREADS = 8  # that create or delete claims
END_SECONDS = 120.0  # until some hundred addresses are released: a few hundred a second


@pytest.fixture
def stormy(tenant: tenants.Tenant) -> Generator[tenants.Tenant]:
    """Many claims on the paused pool `stormy`; other tests don't meet what is left of them."""
    add_paused_pool(tenant, "stormy")
    names = [f"storm-{number}" for number in range(STORM)]
    in_parallel(lambda name: tenant.add_claim(name, "stormy"), names)
    yield tenant
    pause(tenant, "stormy", "")
    in_parallel(tenant.claims.delete, names)  # at once, but for those that have an address
    pause(tenant, "stormy", None)
    waiting.until(
        "the storm is over",
        lambda: tenant.addresses.list(limit="2"),
        lambda left: len(left) <= 1,  # the calm one
        END_SECONDS,
    )


def test_a_storm_on_one_pool_does_not_keep_another_pools_claim_waiting(
    stormy: tenants.Tenant,
) -> None:
    stormy.add_pool("calm", "10.1.0.10")

    pause(stormy, "stormy", None)
    waiting.until("the storm has begun", lambda: stormy.addresses.list(limit="1"), bool)
    stormy.add_claim("calm", "calm")

    assert stormy.bound("calm") == ["10.1.0.10"]
    pause(stormy, "stormy", "")
    pending = STORM - served_before("calm", stormy.addresses.list())
    assert pending > 0  # in one line for all, it would have come last


def test_claims_that_waited_for_their_pool_get_addresses_in_the_order_of_their_creation(
    tenant: tenants.Tenant,
) -> None:
    names = [f"claim-{number:03}" for number in range(100)]
    for name in names:
        tenant.add_claim(name, "blue")
    for name in names:  # a claim that is being reconciled does not wait yet
        tenant.not_ready(name, "PoolNotReady")

    tenant.add_pool("blue", "10.0.0.0/24")

    assert tenant.bound(*names) == [f"10.0.0.{number}" for number in range(1, 101)]


def in_parallel(call: Callable[[str], object], names: list[str]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(call, names))


def add_paused_pool(tenant: tenants.Tenant, name: str) -> None:
    spec = {"addresses": ["10.0.0.0/16"], "prefix": 16}
    tenant.pools().create(manifests.pool(name, spec, annotations={PAUSED: ""}))


def pause(tenant: tenants.Tenant, pool: str, value: str | None) -> None:
    tenant.pools().merge(pool, {"metadata": {"annotations": {PAUSED: value}}})


def served_before(claim: str, addresses: list[client.Json]) -> int:
    """Count the addresses that were made before that of a claim."""
    until = revision(named(addresses, claim))
    return sum(revision(address) < until for address in addresses)


def named(addresses: list[client.Json], name: str) -> client.Json:
    return next(address for address in addresses if address["metadata"]["name"] == name)


def revision(item: client.Json) -> int:
    return int(item["metadata"]["resourceVersion"])
