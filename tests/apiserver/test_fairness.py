# SPDX-License-Identifier: Apache-2.0
"""Who waits for whom: a storm on one pool is nobody else's business, and age counts."""

from concurrent.futures import ThreadPoolExecutor

from envtest import client, manifests, tenants, waiting

STORM = 5_000
CREATORS = 8  # threads that create claims
PAUSED = "cluster.x-k8s.io/paused"


def test_a_storm_on_one_pool_does_not_keep_another_pools_claim_waiting(
    tenant: tenants.Tenant,
) -> None:
    add_paused_pool(tenant, "stormy")
    tenant.add_pool("calm", "10.1.0.10")
    names = [f"storm-{number}" for number in range(STORM)]
    with ThreadPoolExecutor(CREATORS) as threads:
        created = [threads.submit(tenant.add_claim, name, "stormy") for name in names]
    assert all(claim.result() for claim in created)

    pause(tenant, "stormy", None)
    waiting.until("the storm has begun", tenant.addresses.list, bool)
    claim = tenant.add_claim("calm", "calm")

    assert tenant.bound("calm") == ["10.1.0.10"]
    addresses = tenant.addresses.list()
    pause(tenant, "stormy", "")
    assert len(addresses) < STORM // 2  # in one line for all, it would have come last
    assert served_between(claim, addresses) < STORM // 10  # about what is served in a second


def test_claims_that_waited_for_their_pool_get_addresses_in_the_order_of_their_creation(
    tenant: tenants.Tenant,
) -> None:
    names = [f"claim-{number:03}" for number in range(300)]
    for name in names:
        tenant.add_claim(name, "blue")
    tenant.not_ready(names[-1], "PoolNotReady")

    tenant.add_pool("blue", "10.0.0.0/16", prefix=16)

    expected = [f"10.0.{number >> 8}.{number & 255}" for number in range(1, 301)]
    assert tenant.bound(*names) == expected


def add_paused_pool(tenant: tenants.Tenant, name: str) -> None:
    pool = manifests.pool(name, {"addresses": ["10.0.0.0/16"], "prefix": 16})
    pool["metadata"]["annotations"] = {PAUSED: ""}
    tenant.pools().create(pool)


def pause(tenant: tenants.Tenant, pool: str, value: str | None) -> None:
    tenant.pools().merge(pool, {"metadata": {"annotations": {PAUSED: value}}})


def served_between(claim: client.Json, addresses: list[client.Json]) -> int:
    """Count the addresses that were made after a claim and before its own."""
    until = revision(named(addresses, claim["metadata"]["name"]))
    return sum(revision(claim) < revision(address) < until for address in addresses)


def named(addresses: list[client.Json], name: str) -> client.Json:
    return next(address for address in addresses if address["metadata"]["name"] == name)


def revision(item: client.Json) -> int:
    return int(item["metadata"]["resourceVersion"])
