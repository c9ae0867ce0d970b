# SPDX-License-Identifier: Apache-2.0
"""When a claim is served and when it is left alone: pauses, Clusters, filters, kinds of pools.

That nothing happened is seen by what happened after it: events of one kind come in their order, so
who has served a later claim has seen the former one.
"""

import itertools
from collections.abc import Callable, Generator

import pytest

from envtest import manifests, plugin, waiting
from envtest.client import Json, Resource
from envtest.contract import CLUSTER_NAME, MOVE, PAUSED, RECORD, SKIP_DELETION_CHECK, WATCH_FILTER
from envtest.controlplane import manager, provider, tenants

NUMBERS = itertools.count(1)


def annotation(name: str, value: str | None) -> Json:
    return {"metadata": {"annotations": {name: value}}}


def see_claims(tenant: tenants.Tenant) -> None:
    """Return when the manager has seen whatever happened to claims and their pools before."""
    name = f"later-{next(NUMBERS)}"
    tenant.add_pool(name, "10.9.0.10")
    tenant.add_claim(name, name)
    tenant.bound(name)


def see_clusters(tenant: tenants.Tenant) -> None:
    """Return when the manager has seen whatever happened to Clusters before."""
    name = f"later-{next(NUMBERS)}"
    tenant.add_pool(name, "10.9.0.10")
    tenant.add_claim(name, name, labels={CLUSTER_NAME: name})
    tenant.add_cluster(name)
    tenant.bound(name)


def see_paused_pool(tenant: tenants.Tenant) -> None:
    def reason() -> str:
        conditions = tenant.pools().get("blue").get("status", {}).get("conditions")
        return conditions[0]["reason"] if conditions else ""

    waiting.until("the pool says that it is paused", reason, lambda seen: seen == "Paused")


def await_gone(objects: Resource, name: str) -> None:
    waiting.until(f"{name} is gone", lambda: objects.find(name), lambda seen: seen is None)


def pause_claim(tenant: tenants.Tenant, *, on: bool) -> None:
    tenant.claims.merge("web", annotation(PAUSED, "" if on else None))


def pause_cluster(tenant: tenants.Tenant, *, on: bool) -> None:
    tenant.clusters.merge("c", {"spec": {"paused": on}})
    see_clusters(tenant)


def annotate_cluster(tenant: tenants.Tenant, *, on: bool) -> None:
    tenant.clusters.merge("c", annotation(PAUSED, "" if on else None))
    see_clusters(tenant)


def pause_pool(tenant: tenants.Tenant, *, on: bool) -> None:
    tenant.pools().merge("blue", annotation(PAUSED, "" if on else None))
    if on:
        see_paused_pool(tenant)


def apart_from_status(claim: Json) -> Json:
    """Return what nobody may change of a claim that is left alone."""
    changing = ("resourceVersion", "managedFields")
    meta = {name: value for name, value in claim["metadata"].items() if name not in changing}
    return {"metadata": meta, "spec": claim["spec"]}


def left_alone(tenant: tenants.Tenant, claim: Json) -> bool:
    return apart_from_status(tenant.claims.get("web")) == apart_from_status(claim)


Pause = Callable[..., None]
IN_ALL_FORMS = pytest.mark.parametrize(
    "pause", [pause_claim, pause_cluster, annotate_cluster, pause_pool]
)


@IN_ALL_FORMS
def test_a_claim_that_is_made_in_a_pause_is_served_after_it(
    tenant: tenants.Tenant, pause: Pause
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_cluster("c")
    annotations = {PAUSED: "true"} if pause is pause_claim else {}
    if pause is not pause_claim:
        pause(tenant, on=True)

    claim = tenant.add_claim("web", "blue", labels={CLUSTER_NAME: "c"}, annotations=annotations)

    see_claims(tenant)
    assert "paused" in tenant.says("web", "Paused")
    assert tenant.not_ready("web", "Paused") == tenant.says("web", "Paused")
    assert left_alone(tenant, claim)
    pause(tenant, on=False)
    assert tenant.bound("web") == ["10.0.0.10"]
    assert tenant.says("web", "Paused", "False") == ""


@IN_ALL_FORMS
def test_a_claim_that_is_deleted_in_a_pause_keeps_its_address_until_its_end(
    tenant: tenants.Tenant, pause: Pause
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_cluster("c")
    tenant.add_claim("web", "blue", labels={CLUSTER_NAME: "c"})
    address = tenant.address("web")
    pause(tenant, on=True)

    claim = tenant.claims.delete("web")

    see_claims(tenant)
    assert "the address of the claim is released" in tenant.says("web", "Paused")
    assert left_alone(tenant, claim)
    assert tenant.addresses.get("web") == address
    pause(tenant, on=False)
    await_gone(tenant.claims, "web")
    assert tenant.addresses.find("web") is None


def test_a_claim_paused_by_annotation_is_left_alone_whatever_happens_to_its_address_and_pool(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    pause_claim(tenant, on=True)
    claim = tenant.claims.get("web")

    address = tenant.addresses.merge("web", {"metadata": {"ownerReferences": None}})
    tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.10-10.0.0.11"]}})
    tenant.counts("blue", total=2)
    see_claims(tenant)

    assert tenant.claims.get("web") == claim
    assert tenant.addresses.get("web") == address
    pause_claim(tenant, on=False)
    await_owners(tenant, 2)


def await_owners(tenant: tenants.Tenant, number: int) -> None:
    def owners() -> list[Json]:
        found: list[Json] = tenant.addresses.get("web")["metadata"].get("ownerReferences", [])
        return found

    waiting.until("the address has its owners", owners, lambda seen: len(seen) == number)


def belong(tenant: tenants.Tenant, *, to: str, by: str) -> Json:
    """Make a claim `web` of a Cluster, by its label or by its spec."""
    body = manifests.claim("web", "blue", version=tenant.provider.ipam_version)
    if by == "label":
        body["metadata"]["labels"] = {CLUSTER_NAME: to}
    else:
        body["spec"]["clusterName"] = to
    return tenant.claims.create(body)


@pytest.mark.parametrize("by", ["label", "spec"])
def test_a_claim_waits_for_its_cluster_to_appear(tenant: tenants.Tenant, by: str) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    claim = belong(tenant, to="c", by=by)
    see_claims(tenant)
    message = tenant.not_ready("web", "AllocationFailed")
    assert message.startswith(f"Cluster {tenant.namespace}/c does not exist, and ")
    assert left_alone(tenant, claim)

    tenant.add_cluster("c")

    assert tenant.bound("web") == ["10.0.0.10"]


@pytest.mark.parametrize("by", ["label", "spec"])
def test_a_claim_whose_cluster_is_gone_is_released(tenant: tenants.Tenant, by: str) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_cluster("c")
    belong(tenant, to="c", by=by)
    tenant.bound("web")
    tenant.clusters.delete("c")
    see_clusters(tenant)

    tenant.release("web")

    assert tenant.addresses.find("web") is None


def test_a_claim_that_waits_for_a_cluster_goes_when_it_is_deleted(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    belong(tenant, to="missing", by="label")
    see_claims(tenant)

    tenant.release("web")


def test_the_cluster_in_the_spec_counts_and_not_the_one_in_the_label(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_cluster("runs")
    tenant.add_cluster("rests", paused=True)
    see_clusters(tenant)
    body = manifests.claim("web", "blue", version=tenant.provider.ipam_version)
    body["metadata"]["labels"] = {CLUSTER_NAME: "runs"}
    body["spec"]["clusterName"] = "rests"
    claim = tenant.claims.create(body)
    see_claims(tenant)
    assert "Cluster" in tenant.says("web", "Paused")
    assert left_alone(tenant, claim)

    body["metadata"] = {"name": "other", "labels": {CLUSTER_NAME: "rests"}}
    body["spec"]["clusterName"] = "runs"
    tenant.claims.create(body)

    assert tenant.bound("other") == ["10.0.0.10"]


ORDERS = list(itertools.permutations(("pool", "Cluster", "claim")))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_pool_cluster_and_claim_go_in_any_order(
    tenant: tenants.Tenant, order: tuple[str, ...]
) -> None:
    doors = {"pool": tenant.pools(), "Cluster": tenant.clusters, "claim": tenant.claims}
    names = {"pool": "blue", "Cluster": "c", "claim": "web"}
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_cluster("c")
    belong(tenant, to="c", by="spec")
    tenant.bound("web")
    tenant.pools().merge("blue", annotation(SKIP_DELETION_CHECK, ""))

    for kind in order:
        doors[kind].delete(names[kind])

    for kind, door in doors.items():
        await_gone(door, names[kind])
    assert tenant.addresses.find("web") is None


def test_a_pool_stays_until_its_last_address_is_released(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")
    tenant.add_claim("a", "blue")
    tenant.add_claim("b", "blue")
    tenant.bound("a", "b")
    tenant.pools().merge("blue", annotation(SKIP_DELETION_CHECK, ""))
    tenant.pools().delete("blue")
    tenant.add_claim("late", "blue")
    assert "is being deleted" in tenant.not_ready("late", "PoolNotReady")

    tenant.release("a")
    tenant.counts("blue", used=1)
    tenant.release("b")

    await_gone(tenant.pools(), "blue")


PREFIX_KINDS = pytest.mark.parametrize(
    "kind", ["InClusterPrefixPool", "GlobalInClusterPrefixPool"], ids=["namespaced", "global"]
)


@PREFIX_KINDS
def test_a_released_prefix_is_given_again(tenant: tenants.Tenant, kind: str) -> None:
    pool = add_prefix_pool(tenant, kind)
    tenant.add_claim("a", pool, kind)
    tenant.add_claim("b", pool, kind)
    assert tenant.bound("a", "b") == ["2001:db8::", "2001:db8:0:1::"]
    tenant.add_claim("c", pool, kind)
    tenant.not_ready("c", "PoolExhausted")

    tenant.release("a")

    assert tenant.bound("c") == ["2001:db8::"]
    tenant.counts(pool, kind, total=2, used=2, free=0)


@PREFIX_KINDS
def test_a_claim_may_ask_for_a_prefix_by_its_first_address(
    tenant: tenants.Tenant, kind: str
) -> None:
    pool = add_prefix_pool(tenant, kind)

    tenant.add_claim("web", pool, kind, annotations={RECORD: "2001:DB8:0:1:0::"})

    assert tenant.bound("web") == ["2001:db8:0:1::"]
    asked = tenant.claims.get("web")["metadata"]["annotations"]
    assert asked == {RECORD: "2001:DB8:0:1:0::"}  # as its user wrote it


def add_prefix_pool(tenant: tenants.Tenant, kind: str) -> str:
    name = f"prefixes-{tenant.namespace}"
    tenant.pools(kind).create(manifests.pool(name, {"prefixes": ["2001:db8::/63"]}, kind))
    return name


def test_a_gateway_that_is_too_long_for_an_address_is_said_in_short(
    tenant: tenants.Tenant,
) -> None:
    gateway = "2001:0db8:0000:0000:0000:0000:192.168.100.100"
    tenant.add_pool("blue", "2001:db8::10", prefix=64, gateway=gateway)

    tenant.add_claim("web", "blue")

    assert tenant.address("web")["spec"]["gateway"] == "2001:db8::c0a8:6464"


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        pytest.param("InClusterIPPool", {MOVE: ""}, id="namespaced"),
        pytest.param("GlobalInClusterIPPool", {}, id="global"),
    ],
)
def test_claims_of_namespaced_pools_alone_are_marked_to_move_with_them(
    tenant: tenants.Tenant, kind: str, labels: dict[str, str]
) -> None:
    tenant.add_pool(pool := f"pool-{tenant.namespace}", "10.0.0.10", kind=kind)
    tenant.add_claim("web", pool, kind)

    tenant.bound("web")

    assert tenant.claims.get("web")["metadata"].get("labels", {}) == labels


@pytest.fixture(scope="module")
def filtered(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    flags = (*manager.LEASE_FLAGS, "--watch-filter=mine")
    with provider.Provider(make_log_folder(), flags=flags) as started:
        yield started


def test_a_watch_filter_chooses_claims_and_pools_but_every_address_is_in_use(
    filtered: provider.Provider,
) -> None:
    tenant = tenants.Tenant(filtered, filtered.new_namespace("filtered"))
    unlabelled = tenant.add_pool("unlabelled", "10.1.0.10-10.1.0.20")
    body = manifests.pool("mine", {"addresses": ["10.0.0.10-10.0.0.20"], "prefix": 24})
    body["metadata"]["labels"] = {WATCH_FILTER: "mine"}
    tenant.pools().create(body)
    tenant.addresses.create(address_by_hand(tenant, "by-hand", "mine", "10.0.0.10"))
    other = tenant.add_claim("other", "mine", labels={WATCH_FILTER: "theirs"})

    tenant.add_claim("web", "mine", labels={WATCH_FILTER: "mine"})

    assert tenant.bound("web") == ["10.0.0.11"]
    tenant.counts("mine", used=2)
    assert tenant.claims.get("other") == other
    assert tenant.pools().get("unlabelled") == unlabelled


def address_by_hand(tenant: tenants.Tenant, name: str, pool: str, address: str) -> Json:
    return manifests.address(name, address, pool, version=tenant.provider.ipam_version)
