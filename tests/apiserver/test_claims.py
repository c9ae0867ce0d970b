# SPDX-License-Identifier: Apache-2.0
"""A claim gets its address, keeps it and gives it back."""

import pytest

from envtest import manifests
from envtest.contract import CLUSTER_NAME, PROTECT, RECORD, RECORD_FOR, RELEASE
from envtest.controlplane import tenants


def test_a_claim_gets_an_address(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20", gateway="10.0.0.1")
    tenant.add_claim("web", "blue")

    address = tenant.address("web")

    assert address["metadata"]["name"] == "web"
    assert address["metadata"]["finalizers"] == [PROTECT]
    assert "annotations" not in address["metadata"]
    assert "labels" not in address["metadata"]
    assert address["spec"] == {
        "address": "10.0.0.10",
        "prefix": 24,
        "gateway": "10.0.0.1",
        "claimRef": {"name": "web"},
        "poolRef": manifests.claim("web", "blue")["spec"]["poolRef"],
    }


def test_a_bound_claim_records_its_address(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")

    tenant.bound("web")

    claim = tenant.claims.get("web")
    assert claim["metadata"]["finalizers"] == [RELEASE]
    assert claim["metadata"]["annotations"] == {
        RECORD: "10.0.0.10",
        RECORD_FOR: claim["metadata"]["uid"],
    }
    assert claim["status"]["addressRef"] == {"name": "web"}
    assert tenant.ready("web")["status"] == "True"


def test_an_address_is_owned_by_its_claim_and_its_pool(tenant: tenants.Tenant) -> None:
    pool = tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    claim = tenant.add_claim("web", "blue")

    owners = tenant.address("web")["metadata"]["ownerReferences"]

    assert owners == [
        {
            "apiVersion": claim["apiVersion"],
            "kind": "IPAddressClaim",
            "name": "web",
            "uid": claim["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        },
        {
            "apiVersion": "ipam.cluster.x-k8s.io/v1alpha2",
            "kind": "InClusterIPPool",
            "name": "blue",
            "uid": pool["metadata"]["uid"],
            "controller": False,
            "blockOwnerDeletion": True,
        },
    ]


def test_an_address_carries_the_cluster_name_of_its_claim(tenant: tenants.Tenant) -> None:
    api_version = tenant.provider.cluster_version
    clusters = tenant.provider.clusters(tenant.namespace)
    body = {"apiVersion": api_version, "kind": "Cluster", "metadata": {"name": "c"}}
    clusters.create(body | {"spec": {"controlPlaneRef": REFERENCE, "infrastructureRef": REFERENCE}})
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")

    tenant.add_claim("web", "blue", labels={CLUSTER_NAME: "c"})

    assert tenant.address("web")["metadata"]["labels"] == {CLUSTER_NAME: "c"}


REFERENCE = {"apiGroup": "example.com", "kind": "Thing", "name": "c"}


def test_the_lowest_free_address_is_first(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.20", "10.0.0.10-10.0.0.12", excludedAddresses=["10.0.0.11"])
    for name in "abc":
        tenant.add_claim(name, "blue")
        tenant.bound(name)

    assert tenant.bound("a", "b", "c") == ["10.0.0.10", "10.0.0.12", "10.0.0.20"]


def test_deleting_a_claim_frees_its_address(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.12")
    for name in "abc":
        tenant.add_claim(name, "blue")
    _, middle, _ = tenant.bound("a", "b", "c")

    tenant.release("b")

    assert tenant.addresses.find("b") is None
    tenant.add_claim("d", "blue")
    assert tenant.bound("d") == [middle]


def test_a_full_pool_serves_those_who_wait_oldest_first(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")
    tenant.add_claim("first", "blue")
    tenant.add_claim("second", "blue")
    tenant.bound("first", "second")
    for name in ("z-third", "a-fourth"):
        tenant.add_claim(name, "blue")
        message = tenant.not_ready(name, "PoolExhausted")
        assert "blue has no free address" in message

    tenant.release("first")

    assert tenant.bound("z-third") == ["10.0.0.10"]
    assert "addressRef" not in tenant.status("a-fourth")
    tenant.release("second")
    assert tenant.bound("a-fourth") == ["10.0.0.11"]


def test_a_full_pool_that_grows_writes_no_claim_that_it_cannot_serve(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("first", "blue")
    tenant.bound("first")
    waiting = [f"waits-{number:02}" for number in range(40)]
    for name in waiting:
        tenant.add_claim(name, "blue")
    for name in waiting:
        tenant.not_ready(name, "PoolExhausted")
    before = revisions(tenant)

    tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.10-10.0.0.11"]}})

    assert tenant.bound(waiting[0]) == ["10.0.0.11"]
    tenant.counts("blue", total=2, used=2)
    tenant.add_pool("later", "10.9.0.10")
    tenant.add_claim("later", "later")
    tenant.bound("later")  # so all claims that the pool's change woke were looked at
    after = revisions(tenant)
    assert {name for name in before if after[name] != before[name]} == {waiting[0]}


def revisions(tenant: tenants.Tenant) -> dict[str, str]:
    metas = [claim["metadata"] for claim in tenant.claims.list()]
    return {meta["name"]: meta["resourceVersion"] for meta in metas}


def test_a_pool_that_offers_nothing_says_so_with_its_claims_and_serves_them_when_mended(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.94.1.7/32", prefix=32)
    tenant.add_claim("web", "blue")

    message = tenant.not_ready("web", "PoolNotReady")

    assert "every address is reserved; add addresses or set allocateReserved" in message
    tenant.pools().merge("blue", {"spec": {"allocateReservedIPAddresses": True}})
    assert tenant.bound("web") == ["10.94.1.7"]


def test_a_pool_counts_what_it_has(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.0/29", prefix=29, gateway="10.0.0.1")
    tenant.add_claim("web", "blue")

    tenant.counts("blue", total=5, used=1, free=4, outOfRange=0)

    tenant.release("web")
    tenant.counts("blue", total=5, used=0, free=5, outOfRange=0)


def test_a_claim_waits_for_a_pool_that_is_not_there_yet(tenant: tenants.Tenant) -> None:
    tenant.add_claim("web", "blue")
    assert "blue" in tenant.not_ready("web", "PoolNotReady")

    tenant.add_pool("blue", "10.0.0.10")

    assert tenant.bound("web") == ["10.0.0.10"]


def test_a_claim_may_ask_for_an_address(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")

    tenant.add_claim("web", "blue", annotations={RECORD: "10.0.0.15"})

    assert tenant.bound("web") == ["10.0.0.15"]


def test_claims_on_other_providers_pools_are_left_alone(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    foreign = manifests.claim("foreign", "blue", version=tenant.provider.ipam_version)
    foreign["spec"]["poolRef"]["apiGroup"] = "example.com"
    created = tenant.claims.create(foreign)

    tenant.add_claim("ours", "blue")
    tenant.bound("ours")

    assert tenant.claims.get("foreign") == created


@pytest.mark.parametrize(
    ("addresses", "prefix", "expected"),
    [
        pytest.param("fd00::/120", 120, "fd00::1", id="ipv6-keeps-the-anycast-address"),
        pytest.param("10.0.0.0/24", 24, "10.0.0.1", id="ipv4-keeps-the-network-address"),
        pytest.param("2001:db8::/32", 32, "2001:db8::1", id="ipv6-huge"),
    ],
)
def test_reserved_addresses_are_kept(
    tenant: tenants.Tenant, addresses: str, prefix: int, expected: str
) -> None:
    tenant.add_pool("blue", addresses, prefix=prefix)
    tenant.add_claim("web", "blue")

    assert tenant.bound("web") == [expected]


def test_a_global_pool_serves_claims_of_every_namespace(
    tenant: tenants.Tenant, namespace: str
) -> None:
    pool, kind = f"global-{namespace}", "GlobalInClusterIPPool"
    other = tenants.Tenant(tenant.provider, tenant.provider.new_namespace(f"{namespace}-other"))
    tenant.add_pool(pool, "10.0.0.10-10.0.0.20", kind=kind)
    tenant.add_claim("web", pool, kind)
    first = tenant.bound("web")

    other.add_claim("web", pool, kind)

    assert (first, other.bound("web")) == (["10.0.0.10"], ["10.0.0.11"])


def test_a_prefix_pool_hands_out_prefixes(tenant: tenants.Tenant) -> None:
    kind = "InClusterPrefixPool"
    spec = {
        "prefixes": ["2001:db8::/48"],
        "allocationPrefixLength": 56,
        "excludedPrefixes": ["2001:db8::/56"],
    }
    tenant.pools(kind).create(manifests.pool("blue", spec, kind))
    tenant.add_claim("web", "blue", kind)

    spec = tenant.address("web")["spec"]

    assert (spec["address"], spec["prefix"]) == ("2001:db8:0:100::", 56)
    tenant.counts("blue", kind, total=255, used=1, free=254)
