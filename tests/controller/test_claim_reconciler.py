# SPDX-License-Identifier: Apache-2.0
"""The life of a claim, on a fake API server: what is written, in which order, and what never is."""

import json
from typing import Any

import pytest
from builders import BLUE, CONTRACT, POOLS
from claim_world import WEB, Clock, World

from ipam.notation import Address
from kube.deltas import Added, Deleted
from kube.errors import ConflictError, RevisionError, UnreachableError
from kube.meta import Key
from kube.workers import Done, RequeueAfter
from objects import clusterapi, contracts
from objects.informers import Scope
from objects.metadata import Metadata
from objects.pools import PoolKey


@pytest.fixture
def world() -> World:
    made = World()
    made.pool("10.0.0.5-10.0.0.6", gateway="10.0.0.1")
    return made


async def test_an_allocation_is_three_writes_record_first(world: World) -> None:
    world.claim(labels={"cluster.x-k8s.io/cluster-name": "c1"})
    world.cluster()

    assert await world.reconcile() == Done()

    assert world.api.writes == [
        ("patch", "ipaddressclaims", "web"),
        ("create", "ipaddresses", "web"),
        ("patch status", "ipaddressclaims", "web"),
    ]
    assert world.address()["spec"] == {
        "address": "10.0.0.5",
        "claimRef": {"name": "web"},
        "gateway": "10.0.0.1",
        "poolRef": world.read()["spec"]["poolRef"],
        "prefix": 24,
    }
    meta = world.address()["metadata"]
    assert meta["labels"] == {"cluster.x-k8s.io/cluster-name": "c1"}
    assert meta["finalizers"] == ["ipam.cluster.x-k8s.io/ProtectAddress"]
    assert "annotations" not in meta
    assert [(owner["kind"], owner["controller"]) for owner in meta["ownerReferences"]] == [
        ("IPAddressClaim", True),
        ("InClusterIPPool", False),
    ]


async def test_a_second_run_writes_nothing(world: World) -> None:
    world.claim()
    await world.reconcile()
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == []


@pytest.mark.parametrize("crash_before", [0, 1, 2])
async def test_a_crash_between_any_two_writes_is_repaired_without_another_address(
    world: World, crash_before: int
) -> None:
    world.claim()
    world.claim("other")
    await stop_before_write(world, crash_before)

    await world.reconcile(Key("default", "other"))
    await world.reconcile()

    given = {world.address(name)["spec"]["address"] for name in ("web", "other")}
    assert given == {"10.0.0.5", "10.0.0.6"}
    recorded = crash_before > 0
    assert (world.address()["spec"]["address"] == "10.0.0.5") is recorded
    assert world.ready()["status"] == "True"


async def stop_before_write(world: World, number: int) -> None:
    """Let so many writes through, and end with the next."""
    write = world.api._write

    def counting(verb: str, place: Any) -> None:
        if len(world.api.writes) == number:
            raise UnreachableError(verb, "the process was killed")
        write(verb, place)

    world.api._write = counting  # type: ignore[method-assign] # the process is killed in it
    with pytest.raises(UnreachableError):
        await world.reconcile()
    world.api._write = write  # type: ignore[method-assign] # the fake's own again
    world.api.writes.clear()


async def test_a_create_is_not_tried_again_where_a_restore_has_lost_its_record(
    world: World,
) -> None:
    world.claim()
    backup, clock = world.api.backup(), Clock()
    claims = await world.claims(clock)
    world.api.refusals["ipaddresses"] = UnreachableError("POST", "the API server is gone")
    with pytest.raises(UnreachableError):
        await claims.reconcile(WEB)
    assert "annotations" in world.read()["metadata"]

    world.api.restore(backup)
    world.api.refusals.clear()

    with pytest.raises(RevisionError):
        await claims.reconcile(WEB)
    assert world.address() == {}


async def test_a_create_is_not_tried_again_for_a_claim_that_a_restore_has_lost(
    world: World,
) -> None:
    backup = world.api.backup()
    world.claim()
    claims = await world.claims(Clock())
    world.api.refusals["ipaddresses"] = UnreachableError("POST", "the API server is gone")
    with pytest.raises(UnreachableError):
        await claims.reconcile(WEB)

    world.api.restore(backup)
    world.api.refusals.clear()
    await claims.reconcile(WEB)

    assert world.address() == {}


async def test_a_write_by_somebody_else_in_between_fails_the_whole_attempt(world: World) -> None:
    world.claim()
    world.api.fail = ConflictError(409, "Conflict", "web has changed", "PATCH web")

    with pytest.raises(ConflictError):
        await world.reconcile()

    assert world.address() == {}


async def test_a_full_pool_shows_in_the_claims_ready_condition(world: World) -> None:
    for name in ("a", "b", "web"):
        world.claim(name)
        await world.reconcile(Key("default", name))

    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "PoolExhausted")
    assert "InClusterIPPool default/blue" in world.ready()["message"]
    assert "finalizers" not in world.read()["metadata"]


async def test_a_missing_pool_shows_in_the_claims_ready_condition() -> None:
    world = World()
    world.claim()

    await world.reconcile()

    assert world.ready()["reason"] == "PoolNotReady"
    assert world.ready()["message"] == (
        "InClusterIPPool default/blue does not exist; its claims get addresses when it is created"
    )


async def test_a_requested_address_is_given_or_refused_but_never_replaced(world: World) -> None:
    world.claim(annotations={"ipam.cluster.x-k8s.io/address": "10.0.0.6"})
    world.claim("late", annotations={"ipam.cluster.x-k8s.io/address": "10.0.0.6"})

    await world.reconcile()
    await world.reconcile(Key("default", "late"))

    assert world.address()["spec"]["address"] == "10.0.0.6"
    assert world.address("late") == {}
    assert world.ready("late")["reason"] == "AllocationFailed"
    assert "in use by claim default/web" in world.ready("late")["message"]


async def test_a_request_for_what_is_no_address_is_refused_with_its_text(world: World) -> None:
    world.claim(annotations={"ipam.cluster.x-k8s.io/address": "web.local"})

    await world.reconcile()

    assert "'web.local' is not an IP address" in world.ready()["message"]


async def test_an_address_object_of_somebody_else_is_never_touched(world: World) -> None:
    foreign = {"metadata": {"name": "web", "namespace": "default"}}
    world.api.put(CONTRACT.addresses, foreign | {"spec": {"claimRef": {"name": "other"}}})
    world.claim()

    await world.reconcile()

    assert world.api.writes == [("patch status", "ipaddressclaims", "web")]
    assert world.ready()["reason"] == "AllocationFailed"
    assert "belongs to claim other" in world.ready()["message"]


async def test_a_watch_filter_chooses_the_claims_to_act_on() -> None:
    world = World(Scope(watch_filter="mine"))
    world.pool("10.0.0.5-10.0.0.6")
    world.claim()
    world.claim("mine", labels={"cluster.x-k8s.io/watch-filter": "mine"})

    await world.reconcile()
    await world.reconcile(Key("default", "mine"))

    assert world.address() == {}
    assert world.address("mine")["spec"]["address"] == "10.0.0.5"


async def test_a_released_address_is_gone_before_its_claim(world: World) -> None:
    world.claim()
    await world.reconcile()
    world.delete()
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == [
        ("delete", "ipaddresses", "web"),
        ("patch", "ipaddresses", "web"),
        ("patch", "ipaddressclaims", "web"),
    ]
    assert (world.address(), world.read()) == ({}, {})


async def test_missing_parts_of_an_address_are_repaired(world: World) -> None:
    world.claim()
    await world.reconcile()
    broken = json.loads(json.dumps(world.address()))
    del broken["metadata"]["finalizers"], broken["metadata"]["ownerReferences"]
    world.api.put(CONTRACT.addresses, broken)

    await world.reconcile()

    meta = world.address()["metadata"]
    assert meta["finalizers"] == ["ipam.cluster.x-k8s.io/ProtectAddress"]
    assert len(meta["ownerReferences"]) == 2
    assert world.address()["spec"]["address"] == "10.0.0.5"


async def test_an_address_without_its_claim_is_kept_for_a_while(world: World) -> None:
    world.claim()
    await world.reconcile()
    world.api._objects.pop(("ipaddressclaims", "default", "web"))
    world.api.writes.clear()

    outcome = await world.reconcile()

    assert isinstance(outcome, RequeueAfter)
    assert 299 < outcome.seconds <= 300
    assert world.api.writes == []


def abandon(world: World) -> None:
    """Take the claim away, as a restore or a broken client does."""
    world.api.remove(CONTRACT.claims, "default", "web")
    world.api.writes.clear()


async def release_orphan(world: World, clock: Clock) -> Done | RequeueAfter:
    """Look at the address at once and after five minutes."""
    claims = await world.claims(clock)
    await claims.reconcile(WEB)
    clock.seconds += 301
    return await claims.reconcile(WEB)


async def test_an_address_without_its_claim_is_released_in_the_end(world: World) -> None:
    world.claim()
    await world.reconcile()
    abandon(world)

    assert await release_orphan(world, Clock()) == Done()

    assert world.address() == {}
    assert world.api.writes == [("delete", "ipaddresses", "web"), ("patch", "ipaddresses", "web")]


async def test_a_release_of_an_orphan_that_fails_halfway_is_finished_later(world: World) -> None:
    world.claim()
    await world.reconcile()
    abandon(world)
    clock = Clock()
    world.api.fail = UnreachableError("DELETE", "cut off")
    with pytest.raises(UnreachableError):
        await release_orphan(world, clock)

    await release_orphan(world, clock)

    assert world.address() == {}


async def test_an_address_whose_claim_was_moved_to_another_cluster_is_released_at_once(
    world: World,
) -> None:
    world.claim()
    claims = await world.claims()
    await claims.reconcile(WEB)
    claim = world.read()
    claim["metadata"]["annotations"] = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}
    world.api.put(CONTRACT.claims, claim)
    await claims._state.claims.sync()
    abandon(world)
    await claims._state.claims.sync()

    assert await claims.reconcile(WEB) == Done()

    assert world.address() == {}
    assert claims._state.forsaken == {}


async def test_a_claim_that_came_back_unseen_keeps_its_address(world: World) -> None:
    world.claim()
    await world.reconcile()
    abandon(world)
    clock = Clock()
    claims = await world.claims(clock)
    await claims.reconcile(WEB)
    world.claim()
    clock.seconds += 301

    assert await claims.reconcile(WEB) == Done()

    assert world.address()["spec"]["address"] == "10.0.0.5"


async def test_an_orphan_in_another_namespace_or_of_a_paused_pool_is_left_alone(
    world: World,
) -> None:
    world.claim()
    await world.reconcile()
    abandon(world)

    world.scope = Scope(namespace="elsewhere")
    assert await release_orphan(world, Clock()) == Done()
    world.scope = Scope()
    pool = world.api.read(POOLS, "default", "blue") or {}
    pool["metadata"]["annotations"] = {"cluster.x-k8s.io/paused": ""}
    world.api.put(POOLS, pool)
    assert isinstance(await release_orphan(world, Clock()), RequeueAfter)

    assert world.api.writes == []


async def test_a_claim_for_another_pool_gets_its_address_after_the_orphan_of_its_name(
    world: World,
) -> None:
    world.claim()
    await world.reconcile()
    abandon(world)
    world.api.pool("10.9.0.5", name="green")
    world.api.claim("web", "green")

    outcome = await world.reconcile()
    assert isinstance(outcome, RequeueAfter)
    assert world.ready()["reason"] == "AllocationFailed"
    await release_orphan(world, Clock())
    await world.reconcile()

    assert world.address()["spec"]["address"] == "10.9.0.5"


async def test_a_create_whose_answer_was_lost_does_not_outlive_its_claim(world: World) -> None:
    world.claim()
    claims = await world.claims()  # sees the claim, and no address ever
    await world.reconcile()
    world.delete()
    await claims._state.claims.get_live(world.api, WEB)

    await claims.reconcile(WEB)

    assert (world.address(), world.read()) == ({}, {})


async def test_a_restored_record_that_somebody_else_holds_is_never_replaced(world: World) -> None:
    world.claim("holder")
    await world.reconcile(Key("default", "holder"))
    lost = world.read("holder")["metadata"]

    restored = ("annotations", "finalizers")
    world.claim("web", **{name: json.loads(json.dumps(lost[name])) for name in restored})
    await world.reconcile()

    assert world.address() == {}
    assert world.ready()["reason"] == "AllocationFailed"
    assert "in use by claim default/holder" in world.ready()["message"]


async def test_a_record_of_ours_that_lost_a_race_is_settled_by_another_address(
    world: World,
) -> None:
    world.claim("holder")
    await world.reconcile(Key("default", "holder"))
    world.claim("web", uid="web-1", finalizers=["ipam.cluster.x-k8s.io/ReleaseAddress"])
    claim = world.read()
    claim["metadata"]["annotations"] = {
        "ipam.cluster.x-k8s.io/address": "10.0.0.5",
        "ipam.cluster.x-k8s.io/address-for": "web-1",
    }
    world.api.put(CONTRACT.claims, claim)

    await world.reconcile()

    assert world.address()["spec"]["address"] == "10.0.0.6"


async def test_a_claim_that_left_the_scope_does_not_hold_up_the_line() -> None:
    world = World(Scope(watch_filter="mine"))
    mine = {"cluster.x-k8s.io/watch-filter": "mine"}
    world.pool("10.0.0.5")
    for name in ("holder", "old", "young"):
        world.claim(name, labels=dict(mine))
    claims = await world.claims()
    for name in ("holder", "old", "young"):
        await claims.reconcile(Key("default", name))
    old = world.read("old")
    old["metadata"]["labels"] = {}
    world.api.put(CONTRACT.claims, old)
    await claims._state.claims.get_live(world.api, Key("default", "old"))

    await claims.reconcile(Key("default", "old"))
    address = claims._state.addresses.get(Key("default", "holder"))
    claim = claims._state.claims.get(Key("default", "holder"))
    assert address
    assert claim
    claims._state.set_address(Deleted(address))
    claims._state.set_claim(Deleted(claim))

    assert claims._state.allocations_of(BLUE).notify(10) == [Key("default", "young")]


async def test_conditions_of_others_are_written_back_whole(world: World) -> None:
    world.claim()
    claim = world.read()
    theirs = {
        "type": "Seen", "status": "Unknown", "reason": "Because", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    world.api.put(CONTRACT.claims, claim | {"status": {"conditions": [theirs]}})

    await world.reconcile()

    assert world.read()["status"]["conditions"][0] == theirs


def owners_of(world: World) -> list[tuple[str, str, str]]:
    owners = world.address()["metadata"]["ownerReferences"]
    return [(owner["kind"], owner["apiVersion"], owner["uid"]) for owner in owners]


async def with_owner_version(world: World, version: str) -> list[tuple[str, str, str]]:
    """Bind a claim, let its address name its owner in a version, reconcile; return the owners."""
    world.claim()
    await world.reconcile()
    address = world.address()
    address["metadata"]["ownerReferences"][0]["apiVersion"] = version
    world.api.put(CONTRACT.addresses, address)
    world.api.writes.clear()

    await world.reconcile()
    return owners_of(world)


GROUP = "ipam.cluster.x-k8s.io"


async def test_an_owner_in_a_version_that_is_gone_is_renewed_in_its_place(world: World) -> None:
    world.contract = contracts.V1Beta2(
        "v1beta2", frozenset({(f"{GROUP}/v1beta2", "IPAddressClaim")})
    )

    owners = await with_owner_version(world, f"{GROUP}/v1alpha1")

    assert world.api.writes == [("patch", "ipaddresses", "web")]
    assert [(kind, version) for kind, version, _ in owners] == [
        ("IPAddressClaim", f"{GROUP}/v1beta2"),
        ("InClusterIPPool", f"{GROUP}/v1alpha2"),
    ]


async def test_an_owner_in_a_version_that_is_served_is_left(world: World) -> None:
    versions = ("v1alpha1", "v1beta2")
    kinds = frozenset((f"{GROUP}/{version}", "IPAddressClaim") for version in versions)
    world.contract = contracts.V1Beta2("v1beta2", kinds)

    owners = await with_owner_version(world, f"{GROUP}/v1alpha1")

    assert world.api.writes == []
    assert owners[0][:2] == ("IPAddressClaim", f"{GROUP}/v1alpha1")


async def test_owners_of_others_stay_where_they_are(world: World) -> None:
    world.claim()
    await world.reconcile()
    address = world.address()
    other = {"apiVersion": "example.com/v1", "kind": "Rack", "name": "r1", "uid": "rack-1"}
    address["metadata"]["ownerReferences"] = [other]
    world.api.put(CONTRACT.addresses, address)

    await world.reconcile()

    assert [kind for kind, *_ in owners_of(world)] == ["Rack", "IPAddressClaim", "InClusterIPPool"]


async def bound_by_another_provider(world: World, *names: str) -> None:
    """Make bound claims as a provider leaves them that records nothing."""
    for name in names:
        world.claim(name)
        await world.reconcile(Key("default", name))
        claim = world.read(name)
        del claim["metadata"]["annotations"], claim["metadata"]["labels"]
        world.api.put(CONTRACT.claims, claim)
    world.api.writes.clear()


async def test_claims_that_were_bound_by_another_get_their_record_in_turn(world: World) -> None:
    await bound_by_another_provider(world, "a", "b")
    clock = Clock()
    claims = await world.claims(clock)

    assert await claims.reconcile(Key("default", "a")) == Done()
    assert await claims.reconcile(Key("default", "b")) == RequeueAfter(0.05)
    clock.seconds = 0.06
    assert await claims.reconcile(Key("default", "b")) == Done()

    assert world.api.writes == [
        ("patch", "ipaddressclaims", "a"),
        ("patch", "ipaddressclaims", "b"),
    ]
    assert world.read("b")["metadata"]["annotations"]["ipam.cluster.x-k8s.io/address"] == "10.0.0.6"


async def test_new_claims_do_not_wait_for_those_that_are_taken_over(world: World) -> None:
    await bound_by_another_provider(world, "a")
    world.claim("b")
    claims = await world.claims(Clock())

    await claims.reconcile(Key("default", "a"))

    assert await claims.reconcile(Key("default", "b")) == Done()
    assert world.address("b")["spec"]["address"] == "10.0.0.6"


async def test_events_of_a_claim_are_recorded_only_when_something_changes(world: World) -> None:
    for name in ("a", "b", "web"):
        world.claim(name)
    assert await world.events_of("a") == ["AddressAllocated"]
    assert await world.events_of("b") == ["AddressAllocated"]
    assert await world.events_of("web") == ["PoolExhausted"]
    assert await world.events_of("web") == []

    world.delete("b")

    assert await world.events_of("b") == ["AddressReleased"]
    assert await world.events_of("web") == ["AddressAllocated"]


async def test_a_grace_period_counts_from_the_deletion_and_not_from_when_it_was_seen() -> None:
    world = World()
    world.pool("10.0.0.5", addressReuseGracePeriodSeconds=60)
    world.claim()
    await world.reconcile()
    world.delete(at="2026-01-01T00:00:00Z")

    assert await world.reconcile() == Done()

    assert (world.address(), world.read()) == ({}, {})


async def test_an_orphan_of_a_paused_cluster_is_left_alone_until_that_runs_again(
    world: World,
) -> None:
    cluster = {"metadata": {"name": "c", "namespace": "default"}, "spec": {}}
    world.api.put(CONTRACT.clusters, cluster)
    world.claim(labels={"cluster.x-k8s.io/cluster-name": "c"})
    await world.reconcile()
    abandon(world)
    world.api.put(CONTRACT.clusters, cluster | {"spec": {"paused": True}})

    assert isinstance(await release_orphan(world, Clock()), RequeueAfter)
    assert world.api.writes == []
    world.api.put(CONTRACT.clusters, cluster)
    await release_orphan(world, Clock())

    assert world.address() == {}


async def test_the_time_of_an_orphan_starts_anew_when_its_claim_was_back(world: World) -> None:
    world.claim()
    await world.reconcile()
    claim = world.read()
    abandon(world)
    clock = Clock()
    claims = await world.claims(clock)
    await claims.reconcile(WEB)
    clock.seconds = 200
    world.api.put(CONTRACT.claims, claim)
    await claims._state.claims.get_live(world.api, WEB)
    await claims.reconcile(WEB)
    abandon(world)
    await claims._state.claims.sync()

    outcome = await claims.reconcile(WEB)

    assert isinstance(outcome, RequeueAfter)
    assert outcome.seconds == 300


async def test_an_address_without_our_finalizer_is_no_orphan_of_ours(world: World) -> None:
    world.api.address("web", "10.0.0.5")

    assert await release_orphan(world, Clock()) == Done()

    assert world.api.writes == []


async def test_a_waiting_claim_names_the_same_holder_after_a_restart(world: World) -> None:
    world.claim("holder")
    claims = await world.claims()
    await claims.reconcile(Key("default", "holder"))
    other = json.loads(json.dumps(world.address("holder")))
    other["metadata"] = {"name": "duplicate", "namespace": "default"}
    world.api.put(CONTRACT.addresses, other)
    duplicate = await claims._state.addresses.get_live(world.api, Key("default", "duplicate"))
    assert duplicate
    claims._state.set_address(Added(duplicate))
    world.claim(annotations={"ipam.cluster.x-k8s.io/address": "10.0.0.5"})
    claim = await claims._state.claims.get_live(world.api, WEB)
    assert claim
    claims._state.set_claim(Added(claim))
    await claims.reconcile(WEB)
    assert "default/duplicate" in world.ready()["message"]
    listed, first = world.api._objects, ("ipaddresses", "default", "holder")
    listed[first] = listed.pop(first)  # in a list they come by name
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == []


@pytest.mark.parametrize("lost", ["conditions", "v1beta2"])
async def test_either_form_of_conditions_is_written_again_where_it_is_lost(
    world: World, lost: str
) -> None:
    world.contract = contracts.V1Beta1("v1beta1")
    world.claim()
    await world.reconcile()
    claim = world.read()
    before = set(claim["status"])
    del claim["status"][lost]
    world.api.put(CONTRACT.claims, claim)
    world.api.writes.clear()

    await world.reconcile()
    await world.reconcile()

    assert set(world.read()["status"]) == before
    assert world.api.writes == [("patch status", "ipaddressclaims", "web")]


async def test_a_claim_keeps_its_place_in_line_when_its_cluster_is_named_later(
    world: World,
) -> None:
    world.claim()
    claims = await world.claims()
    state = claims._state
    before = state.age(state.claims.get(WEB) or clusterapi.IPAddressClaim(metadata=Metadata()))

    claim = world.read()
    claim["metadata"]["labels"] = {"cluster.x-k8s.io/cluster-name": "c1"}
    world.api.put(CONTRACT.claims, claim)
    await state.claims.get_live(world.api, WEB)

    assert (
        state.age(state.claims.get(WEB) or clusterapi.IPAddressClaim(metadata=Metadata())) == before
    )
    assert state.claims_of_cluster[Key("default", "c1")] == {WEB}


async def test_a_create_in_flight_in_another_pool_ends_when_the_claim_of_that_name_is_served() -> (
    None
):
    """A claim is replaced by one of its name on another pool while its create is in flight."""
    world, red = World(), PoolKey(POOLS.kind, "default", "red")
    world.pool("10.0.0.10")
    world.claim()
    claims = await world.claims()
    claims._state.mark_in_flight(WEB, red, Address(4, 167772165))

    assert await claims.reconcile(WEB) == Done()

    assert claims._state.in_flight == {}
    assert red not in claims._state.allocations  # it has no create in flight any more
