# SPDX-License-Identifier: Apache-2.0
"""What a claim says of itself while it waits: why, and what helps."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from builders import CONTRACT, POOLS
from claim_world import WEB, Clock, World

from kube.meta import Key
from kube.testing.fake import FakeApi
from kube.workers import Done, RequeueAfter
from objects import contracts
from objects.metadata import CLUSTER_NAME_LABEL, PAUSED_ANNOTATION

if TYPE_CHECKING:
    from kube.testing.fake import Json

STATUS = [("patch status", "ipaddressclaims", "web")]
IN_CLUSTER = {CLUSTER_NAME_LABEL: "c1"}
PAUSED = {PAUSED_ANNOTATION: ""}


@pytest.fixture
def world() -> World:
    made = World()
    made.pool("10.0.0.5-10.0.0.6")
    return made


# ---- a Cluster that does not exist ----


def in_label(world: World) -> None:
    world.claim(labels=IN_CLUSTER)


def in_spec(world: World) -> None:
    world.claim(cluster="c1")


NAMED = pytest.mark.parametrize(
    ("claim", "field"),
    [(in_label, "label cluster.x-k8s.io/cluster-name"), (in_spec, "spec.clusterName")],
)


@NAMED
async def test_a_claim_names_the_cluster_that_does_not_exist_and_where_it_is_named(
    world: World, claim: Callable[[World], None], field: str
) -> None:
    claim(world)

    assert await world.reconcile() == Done()

    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "AllocationFailed")
    assert world.ready()["message"].startswith(
        f"Cluster default/c1 does not exist, and {field} of the claim names it"
    )
    assert world.api.writes == STATUS
    assert "finalizers" not in world.read()["metadata"]


async def test_a_missing_cluster_is_reported_in_one_event(world: World) -> None:
    in_spec(world)

    assert await world.events_of("web") == ["AllocationFailed"]
    assert await world.events_of("web") == []


async def test_a_reason_that_is_written_for_a_new_generation_is_no_new_event(world: World) -> None:
    world.claim(cluster="c1", generation=1)
    await world.events_of("web")
    world.api.change(CONTRACT.claims, "web", generation=2)
    world.api.writes.clear()

    assert await world.events_of("web") == []

    assert world.api.writes == STATUS


async def test_another_reason_of_the_same_name_is_another_event(world: World) -> None:
    world.claim(cluster="c1", annotations={"ipam.cluster.x-k8s.io/address": "10.9.9.9"})
    assert await world.events_of("web") == ["AllocationFailed"]

    world.cluster()

    assert await world.events_of("web") == ["AllocationFailed"]
    assert "address 10.9.9.9 is not one" in world.ready()["message"]


async def test_a_second_look_at_a_missing_cluster_writes_nothing_and_asks_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_spec(world)
    await world.reconcile()
    claims = await world.claims()
    world.api.writes.clear()
    monkeypatch.delattr(FakeApi, "list")

    assert await claims.reconcile(WEB) == Done()

    assert world.api.writes == []


async def test_a_claim_is_served_when_its_cluster_has_come(world: World) -> None:
    in_spec(world)
    await world.reconcile()

    world.cluster()
    await world.reconcile()

    assert world.ready()["status"] == "True"
    assert list(world.conditions()) == ["Ready"]
    assert world.address()["spec"]["address"] == "10.0.0.5"


async def test_a_cluster_that_the_watch_has_not_reported_yet_is_not_called_missing(
    world: World,
) -> None:
    in_spec(world)
    claims = await world.claims()
    world.cluster()

    assert await claims.reconcile(WEB) == Done()

    assert world.api.writes == []


async def test_a_claim_that_has_its_address_does_not_wait_for_a_cluster(world: World) -> None:
    in_spec(world)
    world.cluster()
    await world.reconcile()
    world.api.remove(CONTRACT.clusters, "default", "c1")
    world.api.writes.clear()

    assert await world.reconcile() == Done()

    assert world.api.writes == []
    assert world.ready()["status"] == "True"


# ---- pauses ----


def pause_claim(world: World) -> None:
    world.api.change(CONTRACT.claims, "web", annotations=PAUSED)


def pause_cluster(world: World) -> None:
    world.cluster(paused=True)


def annotate_cluster(world: World) -> None:
    world.cluster(annotations=PAUSED)


def pause_pool(world: World) -> None:
    world.api.change(POOLS, "blue", annotations=PAUSED)


PAUSES = pytest.mark.parametrize(
    ("pause", "cause"),
    [
        (pause_claim, "IPAddressClaim has the cluster.x-k8s.io/paused annotation"),
        (pause_cluster, "Cluster default/c1 has spec.paused set to true"),
        (annotate_cluster, "Cluster default/c1 has the cluster.x-k8s.io/paused annotation"),
        (
            pause_pool,
            "InClusterIPPool default/blue has the cluster.x-k8s.io/paused annotation",
        ),
    ],
)
Pause = Callable[[World], None]


@PAUSES
async def test_a_claim_that_waits_in_a_pause_says_what_is_paused(
    world: World, pause: Pause, cause: str
) -> None:
    world.cluster()
    in_label(world)
    pause(world)

    assert await world.reconcile() == Done()

    paused = world.conditions()["Paused"]
    assert (paused["status"], paused["reason"]) == ("True", "Paused")
    assert paused["message"] == f"{cause}; the claim gets an address when the pause ends"
    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "Paused")
    assert world.ready()["message"] == paused["message"]


@PAUSES
async def test_a_pause_writes_a_waiting_claims_status_once_and_nothing_else(
    world: World, pause: Pause, cause: str
) -> None:
    world.cluster()
    in_label(world)
    pause(world)
    meta, spec = world.read()["metadata"], world.read()["spec"]

    await world.reconcile()
    await world.reconcile()

    assert world.api.writes == STATUS, cause
    now = world.read()
    assert {**now["metadata"], "resourceVersion": meta["resourceVersion"]} == meta
    assert now["spec"] == spec


@PAUSES
async def test_a_pause_changes_nothing_of_a_claim_that_has_its_address(
    world: World, pause: Pause, cause: str
) -> None:
    world.cluster()
    in_label(world)
    await world.reconcile()
    pause(world)
    world.api.writes.clear()

    assert await world.reconcile() == Done()

    assert world.api.writes == [], cause


@PAUSES
async def test_a_claim_that_is_deleted_in_a_pause_says_so_and_keeps_its_address(
    world: World, pause: Pause, cause: str
) -> None:
    world.cluster()
    in_label(world)
    await world.reconcile()
    world.delete()
    pause(world)
    address, before = world.address(), world.ready()
    world.api.writes.clear()

    await world.reconcile()
    await world.reconcile()

    assert world.api.writes == STATUS
    text = world.conditions()["Paused"]["message"]
    assert text == f"{cause}; the address of the claim is released when the pause ends"
    assert (world.address(), world.ready()) == (address, before)


async def test_a_claim_that_others_hold_in_its_deletion_is_left_alone_in_a_pause(
    world: World,
) -> None:
    world.claim(finalizers=["example.com/held"], annotations=PAUSED)
    world.delete()

    assert await world.reconcile() == Done()

    assert world.api.writes == []


async def test_all_pauses_of_a_claim_are_reported(world: World) -> None:
    world.cluster(paused=True, annotations=PAUSED)
    in_label(world)
    pause_claim(world)

    await world.reconcile()

    assert world.conditions()["Paused"]["message"].startswith(
        "IPAddressClaim has the cluster.x-k8s.io/paused annotation and Cluster default/c1 has "
        "spec.paused set to true and Cluster default/c1 has the cluster.x-k8s.io/paused annotation;"
    )


async def test_the_end_of_a_pause_is_reported_in_the_write_that_binds_the_claim(
    world: World,
) -> None:
    world.cluster(paused=True)
    in_label(world)
    await world.reconcile()
    world.api.writes.clear()

    world.cluster()
    await world.reconcile()

    assert [verb for verb, *_ in world.api.writes] == ["patch", "create", "patch status"]
    paused = world.conditions()["Paused"]
    assert (paused["status"], paused["reason"], paused["message"]) == ("False", "NotPaused", "")
    assert world.ready()["status"] == "True"


async def test_a_claim_that_never_was_paused_does_not_say_that_it_is_not(world: World) -> None:
    world.claim()

    await world.reconcile()

    assert list(world.conditions()) == ["Ready"]


async def test_a_cluster_that_was_missing_and_comes_paused_is_not_called_missing(
    world: World,
) -> None:
    in_label(world)
    await world.reconcile()
    assert "does not exist" in world.ready()["message"]

    world.cluster(paused=True)
    await world.reconcile()

    assert "does not exist" not in world.ready()["message"]


async def test_in_v1beta1_paused_is_among_the_conditions_of_the_contract_to_come(
    world: World,
) -> None:
    world.contract = contracts.V1Beta1("v1beta1")
    world.claim(annotations=PAUSED)

    await world.reconcile()
    await world.reconcile()

    status = world.read()["status"]
    assert [each["type"] for each in status["conditions"]] == ["Ready"]
    assert [each["type"] for each in status["v1beta2"]["conditions"]] == ["Ready", "Paused"]
    assert world.api.writes == STATUS


async def test_many_claims_that_are_paused_at_once_are_written_at_a_bounded_pace(
    world: World,
) -> None:
    names = [f"c-{number}" for number in range(500)]
    for name in names:
        world.claim(name, annotations=PAUSED)
    clock = Clock()
    claims = await world.claims(clock)

    outcomes = [await claims.reconcile(Key("default", name)) for name in names]

    assert outcomes[0] == Done()
    waits = [outcome.seconds for outcome in outcomes if isinstance(outcome, RequeueAfter)]
    assert len(waits) == len(names) - 1
    assert max(waits) == pytest.approx((len(names) - 1) / 50)
    assert len(world.api.writes) == 1
    clock.seconds = 1.001
    for name in names:
        await claims.reconcile(Key("default", name))
    assert len(world.api.writes) == 51


async def test_a_claim_of_a_pause_that_ended_does_not_wait_for_its_turn(world: World) -> None:
    world.claim("first", annotations=PAUSED)
    world.claim(annotations=PAUSED)
    claims = await world.claims(Clock())
    await claims.reconcile(Key("default", "first"))
    assert isinstance(await claims.reconcile(WEB), RequeueAfter)

    world.api.change(CONTRACT.claims, "web", annotations={})
    await claims._state.claims.get_live(world.api, WEB)
    await claims.reconcile(WEB)

    assert world.ready()["status"] == "True"
    assert claims._reports._pause_rate._turns == {}


# ---- deletion ----


async def held_by_grace(world: World, at: str = "2999-01-01T00:00:00Z") -> None:
    world.pool("10.0.0.5", addressReuseGracePeriodSeconds=300)
    world.claim()
    await world.reconcile()
    world.delete(at=at)
    world.api.writes.clear()


async def test_a_claim_says_until_when_the_grace_period_holds_its_address(world: World) -> None:
    await held_by_grace(world)

    outcome = await world.reconcile()

    assert isinstance(outcome, RequeueAfter)
    assert outcome.seconds > 300
    deleting = world.conditions()["Deleting"]
    assert (deleting["status"], deleting["reason"]) == ("True", "WaitingForGracePeriod")
    assert deleting["message"] == (
        "address 10.0.0.5 is held until 2999-01-01T00:05:00Z: InClusterIPPool default/blue has "
        "spec.addressReuseGracePeriodSeconds set to 300"
    )
    assert world.ready()["status"] == "True"


async def test_the_end_of_a_grace_period_is_reported_once_however_often_it_is_looked_at(
    world: World,
) -> None:
    await held_by_grace(world)

    for _ in range(3):
        await world.reconcile()

    assert world.api.writes == STATUS


async def test_another_grace_period_is_reported_again(world: World) -> None:
    await held_by_grace(world)
    await world.reconcile()

    world.pool("10.0.0.5", addressReuseGracePeriodSeconds=60)
    await world.reconcile()

    assert "until 2999-01-01T00:01:00Z" in world.conditions()["Deleting"]["message"]


async def test_a_release_without_a_grace_period_writes_no_condition(world: World) -> None:
    world.claim()
    await world.reconcile()
    world.delete()
    world.api.writes.clear()

    await world.reconcile()

    assert ("patch status", "ipaddressclaims", "web") not in world.api.writes


async def test_a_claim_names_the_finalizers_of_others_that_hold_its_address(world: World) -> None:
    world.claim()
    await world.reconcile()
    hold(world)
    world.delete()

    assert await world.reconcile() == Done()

    deleting = world.conditions()["Deleting"]
    assert deleting["reason"] == "WaitingForIPAddress"
    assert deleting["message"] == "IPAddress default/web is held by finalizers example.com/held"


async def test_a_claim_waits_aloud_for_the_address_of_a_former_claim_of_its_name(
    world: World,
) -> None:
    world.claim()
    await world.reconcile()
    hold(world, deletionTimestamp="2026-01-01T00:00:01Z")
    world.api._objects.pop(("ipaddressclaims", "default", "web"))
    world.claim()

    await world.reconcile()

    assert world.ready()["reason"] == "AllocationFailed"
    assert "finalizers example.com/held" in world.ready()["message"]


def hold(world: World, **metadata: str) -> None:
    """Put somebody else's finalizer on the IPAddress."""
    address: Json = json.loads(json.dumps(world.address()))
    address["metadata"]["finalizers"].append("example.com/held")
    address["metadata"] |= metadata
    world.api.put(CONTRACT.addresses, address)


# ---- a pool that offers nothing ----


async def test_a_claim_says_that_every_address_of_its_pool_is_reserved_and_what_helps(
    world: World,
) -> None:
    world.pool("10.94.1.7/32", prefix=32)
    world.claim()

    await world.reconcile()

    assert world.ready()["reason"] == "PoolNotReady"
    assert world.ready()["message"] == (
        "InClusterIPPool default/blue offers nothing: every address is reserved; "
        "add addresses or set allocateReservedIPAddresses to true"
    )


# ---- why a claim is ready ----


def with_former_reason(world: World, **condition: object) -> None:
    """Change the condition of a bound claim to what earlier releases wrote."""
    claim = world.read()
    status = claim["status"]
    ready = {**status["conditions"][0], "reason": "Ready", **condition}
    world.api.put(CONTRACT.claims, {**claim, "status": {**status, "conditions": [ready]}})
    world.api.writes.clear()


async def test_a_bound_claim_is_ready_because_its_address_is_allocated(world: World) -> None:
    world.claim()

    await world.reconcile()

    ready = world.ready()
    assert (ready["status"], ready["reason"]) == ("True", "AddressAllocated")
    assert ready["message"] == "address 10.0.0.5 is allocated"


async def test_the_reason_of_earlier_releases_alone_causes_no_write(world: World) -> None:
    world.claim()
    await world.reconcile()
    with_former_reason(world)

    await world.reconcile()

    assert world.api.writes == []
    assert world.ready()["reason"] == "Ready"


@pytest.mark.parametrize(
    "change",
    [{"status": "False"}, {"message": "address 10.0.0.9 is allocated"}, {"observedGeneration": 7}],
    ids=lambda change: next(iter(change)),
)
async def test_the_reason_of_earlier_releases_goes_with_the_next_change(
    world: World, change: dict[str, object]
) -> None:
    world.claim()
    await world.reconcile()
    with_former_reason(world, **change)

    await world.reconcile()

    assert world.api.writes == STATUS
    assert world.ready()["reason"] == "AddressAllocated"


async def test_the_reason_of_earlier_releases_stays_in_the_older_contract_too(
    world: World,
) -> None:
    world.contract = contracts.V1Beta1("v1beta1")
    world.claim()
    await world.reconcile()
    claim = world.read()
    new = claim["status"]["v1beta2"]["conditions"][0]
    assert new["reason"] == "AddressAllocated"
    former = {"v1beta2": {"conditions": [{**new, "reason": "Ready"}]}}
    world.api.put(CONTRACT.claims, {**claim, "status": {**claim["status"], **former}})
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == []
