# SPDX-License-Identifier: Apache-2.0
"""What crashes, people and other programs leave behind is put right; what is right is not written.

States that a crash leaves between two writes are made by hand while no manager runs.
"""

from collections.abc import Callable

import pytest

from envtest import manifests, waiting
from envtest.client import Json, Resource
from envtest.contract import (
    CLUSTER_NAME,
    MOVE,
    PAUSED,
    PROTECT,
    RECORD,
    RECORD_FOR,
    RELEASE,
    SKIP_DELETION_CHECK,
)
from envtest.controlplane import tenants
from envtest.errors import RefusedError

READS = {"get", "list", "watch"}
NO_FINALIZERS: Json = {"metadata": {"finalizers": None}}


def recorded(address: str, uid: str = "of-a-former-life") -> Json:
    """Return the metadata of a claim that was given an address."""
    return {"finalizers": [RELEASE], "annotations": {RECORD: address, RECORD_FOR: uid}}


def restart(tenant: tenants.Tenant, meanwhile: Callable[[], object] = dict) -> None:
    tenant.provider.manager.stop()
    meanwhile()
    tenant.provider.manager.run()


def await_same(objects: Resource, before: Json, part: str) -> Json:
    """Wait until a part of an object is what it was, and return the object."""
    name = before["metadata"]["name"]
    what = f"{part} of {before['kind']} {name} is as before"
    return waiting.until(
        what, lambda: objects.find(name) or {}, lambda seen: seen.get(part) == before[part]
    )


def without(meta: Json, *names: str) -> Json:
    """Return the metadata that somebody can restore by writing."""
    volatile = ("resourceVersion", "managedFields", "creationTimestamp", "uid", "generation")
    return {key: value for key, value in meta.items() if key not in (*volatile, *names)}


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"finalizers": None}, id="finalizer"),
        pytest.param({"ownerReferences": None}, id="owners"),
        pytest.param({"labels": {CLUSTER_NAME: None}}, id="label"),
        pytest.param({"labels": {CLUSTER_NAME: "another"}}, id="other-label"),
    ],
)
def test_what_an_address_lacks_is_put_back(tenant: tenants.Tenant, missing: Json) -> None:
    before = bound_address(tenant)

    broken = tenant.addresses.merge("web", {"metadata": missing})

    def whole(seen: Json) -> bool:
        return without(seen["metadata"]) == without(before["metadata"])

    assert not whole(broken)
    seen = waiting.until("it is whole again", lambda: tenant.addresses.get("web"), whole)
    assert seen["spec"] == before["spec"]


def bound_address(tenant: tenants.Tenant) -> Json:
    """Bind a claim `web` of a Cluster, and return its IPAddress."""
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_cluster("c")
    tenant.add_claim("web", "blue", labels={CLUSTER_NAME: "c"})
    return tenant.address("web")


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param({"finalizers": None}, id="finalizer"),
        pytest.param({"annotations": {RECORD: None}}, id="record"),
        pytest.param({"annotations": {RECORD: "10.0.0.19"}}, id="other-record"),
        pytest.param({"labels": {MOVE: None}}, id="move-label"),
    ],
)
def test_what_a_bound_claim_lacks_is_put_back(tenant: tenants.Tenant, missing: Json) -> None:
    address = bound_address(tenant)
    before = tenant.claims.get("web")

    tenant.claims.merge("web", {"metadata": missing})

    def whole(seen: Json) -> bool:
        return without(seen["metadata"]) == without(before["metadata"])

    waiting.until("it is whole again", lambda: tenant.claims.get("web"), whole)
    assert tenant.addresses.get("web") == address


@pytest.mark.parametrize("missing", ["addressRef", "conditions"])
def test_a_status_that_is_lost_is_written_again(tenant: tenants.Tenant, missing: str) -> None:
    address = bound_address(tenant)
    tenant.claims.merge("web", {"status": {missing: None}}, "status")

    waiting.until("it is back", lambda: tenant.status("web"), lambda status: missing in status)

    assert tenant.ready("web")["status"] == "True"
    assert tenant.addresses.get("web") == address


def test_an_address_that_vanished_is_made_again(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue", annotations={RECORD: "10.0.0.15"})
    before = tenant.address("web")

    tenant.addresses.delete("web")
    tenant.addresses.merge("web", NO_FINALIZERS)

    assert await_same(tenant.addresses, before, "spec")["metadata"]["finalizers"] == [PROTECT]


def test_an_address_deleted_by_hand_stays_until_its_claim_goes(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    deleted = tenant.addresses.delete("web")
    tenant.add_claim("other", "blue")
    assert tenant.bound("other") == ["10.0.0.11"]
    assert tenant.addresses.get("web") == deleted

    tenant.release("web")

    assert tenant.addresses.find("web") is None
    tenant.add_claim("next", "blue")
    assert tenant.bound("next") == ["10.0.0.10"]


def test_a_claim_stays_for_as_long_as_somebody_else_holds_its_address(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    theirs = "example.com/dns"
    tenant.addresses.merge("web", {"metadata": {"finalizers": [PROTECT, theirs]}})
    tenant.claims.delete("web")
    waiting.until(
        "its own finalizer is off",
        lambda: tenant.addresses.get("web")["metadata"]["finalizers"],
        lambda seen: seen == [theirs],
    )
    tenant.add_claim("later", "blue")
    tenant.bound("later")
    assert tenant.claims.get("web")["metadata"]["finalizers"] == [RELEASE]

    tenant.addresses.merge("web", NO_FINALIZERS)

    waiting.until("it is gone", lambda: tenant.claims.find("web"), lambda seen: seen is None)


def test_claims_are_served_to_the_end_by_the_manager_after_a_crash(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")

    def crash() -> None:
        tenant.add_claim("older", "blue")
        tenant.add_claim("finalizer", "blue", finalizers=[RELEASE])
        tenant.add_claim("record", "blue", **recorded("10.0.0.10"))
        tenant.add_claim("address", "blue", **recorded("10.0.0.11"))
        tenant.add_address("address", "10.0.0.11")

    restart(tenant, crash)

    assert tenant.bound("record", "address") == ["10.0.0.10", "10.0.0.11"]
    assert tenant.bound("older", "finalizer") == ["10.0.0.12", "10.0.0.13"]
    metadata = tenant.addresses.get("address")["metadata"]
    assert metadata["finalizers"] == [PROTECT]
    assert len(metadata["ownerReferences"]) == 2


def test_an_address_that_was_restored_before_its_claim_is_adopted(tenant: tenants.Tenant) -> None:
    former = tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    lost = manifests.claim("web", "blue", version=tenant.provider.ipam_version)
    lost["metadata"]["uid"] = "of-a-former-life"
    owners = owners_by_hand(lost, former, tenant.provider.ipam_version)
    tenant.add_address("web", "10.0.0.15", finalizers=[PROTECT], ownerReferences=owners)
    tenant.counts("blue", used=1)

    claim = tenant.add_claim("web", "blue")

    assert tenant.bound("web") == ["10.0.0.15"]
    renewed = tenant.addresses.get("web")["metadata"]["ownerReferences"]
    assert {owner["uid"] for owner in renewed} == {uid(claim), uid(former)}


def uid(item: Json) -> str:
    return str(item["metadata"]["uid"])


def test_claims_are_released_to_the_end_by_the_manager_after_a_crash(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.12")
    names = ("nothing", "deletion", "address")
    for name in names:
        tenant.add_claim(name, "blue")
        tenant.bound(name)

    def crash() -> None:
        for name in names:
            tenant.claims.delete(name)
        for name in ("deletion", "address"):
            tenant.addresses.delete(name)
        tenant.addresses.merge("address", NO_FINALIZERS)

    restart(tenant, crash)

    waiting.until("no claim is left", tenant.claims.list, lambda seen: not seen)
    assert tenant.addresses.list() == []
    tenant.counts("blue", used=0, free=3)


def test_what_another_provider_has_bound_is_taken_over_without_a_write_to_its_address(
    tenant: tenants.Tenant,
) -> None:
    pool = tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.counts("blue", used=0)
    before: list[Json] = []

    def bind(name: str, address: str, version: str) -> None:
        claim = tenant.add_claim(name, "blue", finalizers=[RELEASE])
        owners = owners_by_hand(claim, pool, version)
        before.append(
            tenant.add_address(name, address, finalizers=[PROTECT], ownerReferences=owners)
        )
        tenant.claims.merge(name, {"status": {"addressRef": {"name": name}}}, "status")

    def others_turn() -> None:
        tenant.add_claim("new", "blue")
        bind("a", "10.0.0.10", "v1beta1")
        bind("b", "10.0.0.15", tenant.provider.ipam_version)

    restart(tenant, others_turn)

    assert tenant.bound("new") == ["10.0.0.11"]
    assert (await_record(tenant, "a"), await_record(tenant, "b")) == ("10.0.0.10", "10.0.0.15")
    assert tenant.claims.get("a")["metadata"]["labels"] == {MOVE: ""}
    tenant.counts("blue", used=3)
    assert [tenant.addresses.get("a"), tenant.addresses.get("b")] == before


def await_record(tenant: tenants.Tenant, claim: str) -> str:
    def annotations() -> dict[str, str]:
        found: dict[str, str] = tenant.claims.get(claim)["metadata"].get("annotations", {})
        return found

    what = f"{claim} has its record"
    return waiting.until(what, annotations, lambda seen: RECORD in seen)[RECORD]


def owners_by_hand(claim: Json, pool: Json, version: str) -> list[Json]:
    """Return the owners of an IPAddress in the form that the Go provider writes."""
    return [
        {
            "apiVersion": f"ipam.cluster.x-k8s.io/{version}" if owner is claim else pool_version,
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": owner is claim,
            "blockOwnerDeletion": True,
        }
        for owner in (claim, pool)
        if (pool_version := pool["apiVersion"])
    ]


def test_a_restart_writes_nothing_that_is_as_it_should_be(tenant: tenants.Tenant) -> None:
    global_pool = f"global-{tenant.namespace}"
    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")
    tenant.add_pool(global_pool, "10.1.0.10", kind="GlobalInClusterIPPool")
    tenant.add_prefix_pool("prefixes", "2001:db8::/48")
    tenant.add_pool("resting", "10.3.0.10")
    tenant.add_claim("rests", "resting")
    tenant.add_cluster("c")
    tenant.add_claim("web", "blue", labels={CLUSTER_NAME: "c"})
    tenant.add_claim("global", global_pool, "GlobalInClusterIPPool")
    tenant.add_claim("prefix", "prefixes", tenants.PREFIX_POOL)
    tenant.bound("web", "global", "prefix", "rests")
    tenant.pools().merge("resting", {"metadata": {"annotations": {PAUSED: ""}}})
    tenant.add_address("a-duplicate", "10.0.0.10")
    tenant.add_address("foreign", "10.0.0.11", claim="another")
    tenant.add_claim("foreign", "blue")
    tenant.not_ready("foreign", "AllocationFailed")
    tenant.add_claim("requesting", "blue", annotations={RECORD: "10.0.0.10"})
    tenant.not_ready("requesting", "AllocationFailed")
    tenant.add_claim("waits", "blue")
    tenant.not_ready("waits", "PoolExhausted")
    tenant.add_claim("poolless", "missing")
    tenant.not_ready("poolless", "PoolNotReady")
    tenant.add_claim("clusterless", "blue", labels={CLUSTER_NAME: "missing"})
    tenant.counts("blue", used=3)
    await_reason(tenant, "blue", "DuplicateAddress")
    await_reason(tenant, "resting", "Paused")
    tenant.counts(global_pool, "GlobalInClusterIPPool", used=1)
    tenant.counts("prefixes", tenants.PREFIX_POOL, used=1)
    before = len(tenant.provider.requests())

    restart(tenant)

    tenant.add_pool("later", "10.9.0.10")
    tenant.add_claim("later", "later")
    tenant.bound("later")
    tenant.counts("later", used=1)
    asked = tenant.provider.requests()[before:]
    written = [each["objectRef"] for each in asked if each["verb"] not in READS]
    assert {
        (place["resource"], place["name"])
        for place in written
        if tenant.namespace in (place.get("namespace"), place["name"].removeprefix("global-"))
        and not place["name"].startswith("later")
    } == set()


def await_reason(tenant: tenants.Tenant, pool: str, reason: str) -> Json:
    def ready() -> Json:
        conditions: list[Json] = tenant.pools().get(pool).get("status", {}).get("conditions", [])
        return conditions[0] if conditions else {}

    what = f"pool {pool} is {reason}"
    return waiting.until(what, ready, lambda seen: seen.get("reason") == reason)


def test_somebody_elses_address_of_the_claims_name_is_never_touched(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    foreign = tenant.add_address("web", "10.0.0.10", claim="another")
    tenant.add_claim("web", "blue")
    assert "belongs to claim another" in tenant.not_ready("web", "AllocationFailed")
    events = tenant.provider.admin.resource("events.k8s.io/v1", "events", tenant.namespace)
    waiting.until(
        "an Event says so", lambda: reasons(events), lambda seen: "AllocationFailed" in seen
    )
    assert tenant.addresses.get("web") == foreign

    tenant.addresses.delete("web")

    assert tenant.bound("web") == ["10.0.0.10"]


def reasons(events: Resource) -> list[str]:
    return [event["reason"] for event in events.list() if event["regarding"]["name"] == "web"]


def test_an_address_that_somebody_else_controls_is_never_touched(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    rack = {"apiVersion": "example.com/v1", "kind": "Rack", "name": "r1", "uid": "rack-1"}
    owners = [rack | {"controller": True}]
    foreign = tenant.add_address("web", "10.0.0.10", ownerReferences=owners)

    tenant.add_claim("web", "blue")

    assert "is controlled by Rack r1" in tenant.not_ready("web", "AllocationFailed")
    assert tenant.addresses.get("web") == foreign


def test_a_deleted_claim_leaves_somebody_elses_address_of_its_name(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    foreign = tenant.add_address("web", "10.0.0.10", claim="another")
    tenant.add_claim("web", "blue", finalizers=[RELEASE])
    tenant.not_ready("web", "AllocationFailed")

    tenant.release("web")

    assert tenant.addresses.get("web") == foreign


def test_addresses_that_make_no_sense_stop_nothing_else(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.12")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    tenant.add_address("duplicate", "10.0.0.10")
    tenant.add_address("words", "not-an-address")
    tenant.add_address("other-family", "fd00::1")
    tenant.counts("blue", total=3, free=2, used=4, outOfRange=2)

    tenant.add_claim("next", "blue")

    assert tenant.bound("next") == ["10.0.0.11"]
    assert "10.0.0.10" in await_reason(tenant, "blue", "DuplicateAddress")["message"]
    tenant.release("web")
    tenant.add_claim("last", "blue")
    assert tenant.bound("last") == ["10.0.0.12"]


def test_a_claim_may_be_deleted_and_made_again_at_once(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    for _ in range(10):
        tenant.bound("web")
        tenant.claims.delete("web")
        waiting.until("its name is free", lambda: made_again(tenant), bool)

    assert tenant.bound("web") == ["10.0.0.10"]
    tenant.counts("blue", used=1)


def made_again(tenant: tenants.Tenant) -> bool:
    try:
        tenant.add_claim("web", "blue")
    except RefusedError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


def test_addresses_keep_what_a_pool_made_anew_does_not_offer(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    before = tenant.address("web")
    tenant.pools().merge("blue", {"metadata": {"annotations": {SKIP_DELETION_CHECK: ""}}})
    tenant.pools().delete("blue")
    tenant.pools().merge("blue", NO_FINALIZERS)

    pool = tenant.add_pool("blue", "10.1.0.10-10.1.0.11")

    tenant.counts("blue", total=2, free=2, used=1, outOfRange=1)
    tenant.add_claim("next", "blue")
    assert tenant.bound("next") == ["10.1.0.10"]

    def owners(address: Json) -> list[str]:
        return [owner["uid"] for owner in address["metadata"]["ownerReferences"]]

    after = waiting.until(
        "the new pool owns the address",
        lambda: tenant.addresses.get("web"),
        lambda seen: pool["metadata"]["uid"] in owners(seen),
    )
    assert after["spec"] == before["spec"]
    assert len(owners(after)) == 2
    assert tenant.ready("web")["status"] == "True"


def test_an_address_outside_of_the_pool_stays_its_claims(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_address("web", "10.0.0.99")

    tenant.add_claim("web", "blue")

    assert tenant.bound("web") == ["10.0.0.99"]
    assert tenant.claims.get("web")["metadata"]["annotations"][RECORD] == "10.0.0.99"
    tenant.counts("blue", used=1, outOfRange=1, free=11)


def test_a_restored_record_is_honoured_or_refused_and_goes_with_its_annotation(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("restored", "blue", **recorded("10.0.0.15"))
    assert tenant.bound("restored") == ["10.0.0.15"]
    tenant.add_claim("late", "blue", **recorded("10.0.0.15"))
    message = tenant.not_ready("late", "AllocationFailed")
    assert f"claim {tenant.namespace}/restored" in message
    assert tenant.addresses.find("late") is None

    tenant.claims.merge("late", {"metadata": {"annotations": {RECORD: None}}})

    assert tenant.bound("late") == ["10.0.0.10"]


def test_an_address_asked_for_in_vain_is_given_up_with_its_annotation(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue", annotations={RECORD: "10.0.0.99"})
    assert "may hand out" in tenant.not_ready("web", "AllocationFailed")

    tenant.claims.merge("web", {"metadata": {"annotations": {RECORD: None}}})

    assert tenant.bound("web") == ["10.0.0.10"]


def test_a_conflict_that_a_late_write_left_is_settled_by_another_address(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("holder", "blue")
    assert tenant.bound("holder") == ["10.0.0.10"]
    claim = tenant.add_claim("web", "blue", annotations={PAUSED: ""})
    written = recorded("10.0.0.10", claim["metadata"]["uid"])
    tenant.claims.merge("web", {"metadata": written})

    tenant.claims.merge("web", {"metadata": {"annotations": {PAUSED: None}}})

    assert tenant.bound("web") == ["10.0.0.11"]
    assert tenant.claims.get("web")["metadata"]["annotations"][RECORD] == "10.0.0.11"
