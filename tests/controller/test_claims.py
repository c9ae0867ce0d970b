# SPDX-License-Identifier: Apache-2.0
"""The life of a claim, on a fake API server: what is written, in which order, and what never is."""

import json
from typing import Any

import pytest

from controller.claims import Claims
from controller.state import Scope, State
from kube import capi, pools
from kube.errors import ConflictError, UnreachableError
from kube.fake import FakeApi, Json
from kube.objects import Key
from kube.workers import Again, Done

CONTRACT = capi.V1Beta2("v1beta2")
POOLS = pools.KINDS["InClusterIPPool"]
WEB = Key("default", "web")


class World:
    """One namespace of a fake API server, and the reconciler that looks after it."""

    def __init__(self, scope: Scope | None = None) -> None:
        self.api = FakeApi()
        self.scope = scope or Scope()

    def pool(self, *addresses: str, **spec: object) -> None:
        body = {"addresses": list(addresses), "prefix": 24, **spec}
        self.api.put(POOLS, {"metadata": {"name": "blue", "namespace": "default"}, "spec": body})

    def claim(self, name: str = "web", **metadata: Json) -> None:
        reference = {"apiGroup": POOLS.group, "kind": POOLS.kind, "name": "blue"}
        meta = {"name": name, "namespace": "default", **metadata}
        self.api.put(CONTRACT.claims, {"metadata": meta, "spec": {"poolRef": reference}})

    async def reconcile(self, key: Key = WEB) -> Done | Again:
        """Run once as a process does that has just started."""
        state = State(self.api, CONTRACT, self.scope)
        for cache in state.caches:
            await cache.load()
        state.rebuild()
        return await Claims(self.api, state).reconcile(key)

    def read(self, name: str = "web") -> Json:
        return self.api.read(CONTRACT.claims, "default", name) or {}

    def address(self, name: str = "web") -> Json:
        return self.api.read(CONTRACT.addresses, "default", name) or {}

    def ready(self, name: str = "web") -> Json:
        conditions: list[Json] = self.read(name)["status"]["conditions"]
        (condition,) = conditions
        return condition


@pytest.fixture
def world() -> World:
    made = World()
    made.pool("10.0.0.5-10.0.0.6", gateway="10.0.0.1")
    return made


async def test_an_allocation_is_three_writes_record_first(world: World) -> None:
    world.claim(labels={"cluster.x-k8s.io/cluster-name": "c1"})
    world.api.put(CONTRACT.clusters, {"metadata": {"name": "c1", "namespace": "default"}})

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

    world.api._write = counting  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        await world.reconcile()
    world.api._write = write  # type: ignore[method-assign]
    world.api.writes.clear()


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
    assert world.ready()["message"] == "InClusterIPPool default/blue does not exist"


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


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"cluster.x-k8s.io/paused": ""}},
        {"labels": {"cluster.x-k8s.io/cluster-name": "missing"}},
        {"labels": {"cluster.x-k8s.io/cluster-name": "paused"}},
    ],
)
async def test_claims_of_a_paused_or_missing_cluster_are_left_alone(
    world: World, metadata: dict[str, Json]
) -> None:
    cluster = {"metadata": {"name": "paused", "namespace": "default"}, "spec": {"paused": True}}
    world.api.put(CONTRACT.clusters, cluster)
    world.claim("web", **metadata)

    assert await world.reconcile() == Done()

    assert world.api.writes == []


async def test_a_watch_filter_chooses_the_claims_to_act_on() -> None:
    world = World(Scope(watch_filter="mine"))
    world.pool("10.0.0.5-10.0.0.6")
    world.claim()
    world.claim("mine", labels={"cluster.x-k8s.io/watch-filter": "mine"})

    await world.reconcile()
    await world.reconcile(Key("default", "mine"))

    assert world.address() == {}
    assert world.address("mine")["spec"]["address"] == "10.0.0.5"


async def delete(world: World, name: str = "web", at: str = "2026-01-01T00:00:01Z") -> None:
    claim = world.read(name)
    world.api.put(
        CONTRACT.claims, {**claim, "metadata": {**claim["metadata"], "deletionTimestamp": at}}
    )


async def test_a_released_address_is_gone_before_its_claim(world: World) -> None:
    world.claim()
    await world.reconcile()
    await delete(world)
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == [
        ("patch", "ipaddresses", "web"),
        ("delete", "ipaddresses", "web"),
        ("patch", "ipaddressclaims", "web"),
    ]
    assert (world.address(), world.read()) == ({}, {})


async def test_an_address_is_held_for_the_pools_grace_period() -> None:
    world = World()
    world.pool("10.0.0.5", addressReuseGracePeriodSeconds=60)
    world.claim()
    await world.reconcile()
    await delete(world, at="2999-01-01T00:00:00Z")
    world.api.writes.clear()

    outcome = await world.reconcile()

    assert isinstance(outcome, Again)
    assert outcome.seconds > 60
    assert world.api.writes == []


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

    assert isinstance(outcome, Again)
    assert 299 < outcome.seconds <= 300
    assert world.api.writes == []
