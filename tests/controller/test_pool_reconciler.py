# SPDX-License-Identifier: Apache-2.0
"""What a pool says of itself: counts, the Ready condition, and news for people."""

import itertools

import builders
import pytest
import running
from builders import BLUE, CONTRACT, POOLS

from controller import events
from controller.pool_reconciler import PoolReconciler
from controller.state import State
from ipam.notation import Address
from kube.errors import ApiError
from kube.events import EVENTS
from kube.meta import Key
from kube.testing.fake import Json
from kube.workers import Done
from objects.informers import Informers, Scope
from objects.pools import PoolKey

PAUSED = {"cluster.x-k8s.io/paused": ""}
PROTECT = "ipam.cluster.x-k8s.io/ProtectPool"


class World:
    """A pool, blue, and whoever looks after it."""

    def __init__(self) -> None:
        self.api = builders.Api()

    def pool(self, *addresses: str, name: str = "blue", **metadata: object) -> None:
        self.api.pool(*addresses, name=name, metadata={"finalizers": [PROTECT], **metadata})

    async def reconcile(self) -> None:
        """Run once as a process does that has just started, and write the news."""
        state = State(Informers(self.api, CONTRACT, Scope()))
        await running.fill(state)
        recorder = events.recorder(self.api, state.pool)
        assert await PoolReconciler(self.api, state, recorder).reconcile(BLUE) == Done()
        await recorder.flush()

    def read(self) -> Json:
        return self.api.read(POOLS, "default", "blue") or {}

    def ready(self) -> Json:
        (condition,) = self.read()["status"]["conditions"]
        found: Json = condition
        return found

    def events(self) -> list[tuple[str, str]]:
        names = [name for _, plural, name in self.api.writes if plural == EVENTS.plural]
        told = [self.api.read(EVENTS, "default", name) or {} for name in names]
        return [(event["reason"], event["note"]) for event in told]


@pytest.fixture
def world() -> World:
    made = World()
    made.pool("10.0.0.5-10.0.0.6")
    return made


async def test_a_pool_that_can_give_is_ready(world: World) -> None:
    await world.reconcile()

    assert world.ready()["status"] == "True"
    assert world.ready()["reason"] == "Ready"
    assert world.read()["status"]["ipAddresses"] == {
        "total": 2, "free": 2, "used": 0, "outOfRange": 0,
    }  # fmt: skip
    assert world.events() == []


async def test_a_second_run_writes_nothing(world: World) -> None:
    await world.reconcile()
    world.api.writes.clear()

    await world.reconcile()

    assert world.api.writes == []


async def test_a_paused_pool_says_so_and_nothing_else_is_done_to_it(world: World) -> None:
    world.pool("10.0.0.5", annotations=PAUSED, finalizers=[])

    await world.reconcile()

    assert world.api.writes == [("patch status", "inclusterippools", "blue")]
    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "Paused")
    assert "cluster.x-k8s.io/paused" in world.ready()["message"]


async def test_a_paused_pool_is_not_let_go(world: World) -> None:
    world.pool("10.0.0.5", annotations=PAUSED, deletionTimestamp="2026-01-01T00:00:01Z")

    await world.reconcile()

    assert world.read()["metadata"]["finalizers"] == [PROTECT]


async def test_a_pool_that_is_deleted_says_what_it_waits_for(world: World) -> None:
    world.api.address("web", "10.0.0.5")
    world.pool("10.0.0.5", deletionTimestamp="2026-01-01T00:00:01Z")

    await world.reconcile()

    assert world.ready()["reason"] == "Deleting"
    assert world.ready()["message"] == (
        "pool is being deleted; it waits for the release of 1 IPAddress"
    )


async def test_a_full_pool_is_ready_and_reports_once_that_it_is_full(world: World) -> None:
    world.api.address("a", "10.0.0.5")
    world.api.address("b", "10.0.0.6")

    await world.reconcile()
    await world.reconcile()

    assert (world.ready()["status"], world.ready()["reason"]) == ("True", "PoolExhausted")
    assert world.events() == [("PoolExhausted", world.ready()["message"])]


async def test_an_invalid_spec_is_reported_with_its_problem(world: World) -> None:
    world.pool("10.0.0.900")

    await world.reconcile()

    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "InvalidSpec")
    assert "10.0.0.900" in world.ready()["message"]
    assert world.events() == [("InvalidSpec", world.ready()["message"])]


async def test_a_pool_that_offers_nothing_is_not_ready_and_says_what_helps(world: World) -> None:
    world.pool("10.0.0.0")

    await world.reconcile()

    assert (world.ready()["status"], world.ready()["reason"]) == ("False", "NoAddresses")
    assert world.ready()["message"] == (
        "pool offers nothing: every address is reserved; "
        "add addresses or set allocateReservedIPAddresses to true"
    )
    assert world.events() == [("NoAddresses", world.ready()["message"])]


async def test_equal_addresses_are_reported_with_their_names(world: World) -> None:
    world.api.address("a", "10.0.0.5")
    world.api.address("b", "10.0.0.5")

    await world.reconcile()

    assert (world.ready()["status"], world.ready()["reason"]) == ("True", "DuplicateAddress")
    assert world.ready()["message"].startswith(
        "1 address in use by more than one IPAddress, such as 10.0.0.5 by default/a, default/b:"
    )
    assert [reason for reason, _ in world.events()] == ["DuplicateAddress"]


async def test_an_address_that_lands_outside_is_reported(world: World) -> None:
    await world.reconcile()
    world.api.address("a", "10.0.0.9")

    await world.reconcile()

    assert world.read()["status"]["ipAddresses"]["outOfRange"] == 1
    [(reason, note)] = world.events()
    assert reason == "AddressOutOfRange"
    assert note.startswith("1 IPAddress in use")


async def test_a_broken_address_counts_as_in_use_and_out_of_range(world: World) -> None:
    world.api.address("a", "ten")

    await world.reconcile()

    counts = world.read()["status"]["ipAddresses"]
    assert (counts["used"], counts["outOfRange"], counts["free"]) == (1, 1, 2)


async def attempts(world: World, now: list[float], seconds: float) -> list[float]:
    """Return when writes that are refused are tried, in a storm that never leaves off asking."""
    state = State(Informers(world.api, CONTRACT, Scope()))
    await running.fill(state)
    pools = PoolReconciler(world.api, state, clock=lambda: now[0])
    tried: list[float] = []
    began = now[0]
    while now[0] < began + seconds:
        try:
            await pools.reconcile(BLUE)
        except ApiError:
            tried.append(round(now[0] - began, 1))
        now[0] += 0.05
    return tried


async def test_a_status_that_is_refused_is_tried_less_and_less_often(world: World) -> None:
    world.api.refusals["blue"] = ApiError(422, "Invalid", "no", "PATCH")

    tried = await attempts(world, [100.0], 120)

    assert len([each for each in tried if each < 4.6]) <= 6
    assert tried[1] >= 1  # an attempt that fails counts like a write that works
    gaps = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert 25 < max(gaps) < 31


async def test_a_finalizer_that_is_refused_is_tried_less_and_less_often(world: World) -> None:
    world.pool("10.0.0.5", finalizers=[])
    world.api.refusals["blue"] = ApiError(422, "Invalid", "no", "PATCH")

    tried = await attempts(world, [100.0], 4.6)

    assert 4 <= len(tried) <= 6


async def test_after_a_write_that_works_the_next_failure_is_the_first_one(world: World) -> None:
    now = [100.0]
    state = State(Informers(world.api, CONTRACT, Scope()))
    await running.fill(state)
    pools = PoolReconciler(world.api, state, clock=lambda: now[0])
    for _ in range(5):
        world.api.fail = ApiError(422, "Invalid", "no", "PATCH")
        with pytest.raises(ApiError):
            await pools.reconcile(BLUE)
        now[0] += 60

    assert await pools.reconcile(BLUE) == Done()
    world.pool("10.0.0.5-10.0.0.6", generation=7)
    await state.informers.pools[POOLS.kind].sync()
    now[0] += 60
    world.api.fail = ApiError(422, "Invalid", "no", "PATCH")
    with pytest.raises(ApiError):
        await pools.reconcile(BLUE)
    now[0] += 1

    assert await pools.reconcile(BLUE) == Done()


async def test_of_many_pools_so_many_statuses_a_second_are_written(world: World) -> None:
    now = [100.0]
    names = [f"pool-{number}" for number in range(30)]
    for name in names:
        world.pool("10.0.0.5", name=name)
    state = State(Informers(world.api, CONTRACT, Scope()))
    await running.fill(state)
    pools = PoolReconciler(world.api, state, clock=lambda: now[0])

    waiting = {PoolKey(POOLS.kind, "default", name) for name in names}
    for _ in range(10):
        outcomes = {key: await pools.reconcile(key) for key in waiting}
        waiting = {key for key, outcome in outcomes.items() if outcome != Done()}
        now[0] += 0.2

    assert len(names) - len(waiting) == 1 + 9 * 2


async def test_a_pool_is_not_let_go_while_an_address_of_it_may_be_on_its_way(world: World) -> None:
    world.pool("10.0.0.5", deletionTimestamp="2026-01-01T00:00:01Z")
    state = State(Informers(world.api, CONTRACT, Scope()))
    await running.fill(state)
    told: list[PoolKey] = []
    state.on_resolved = told.append
    claim = Key("default", "web")
    state.mark_in_flight(claim, BLUE, Address(4, 167772165))
    await PoolReconciler(world.api, state).reconcile(BLUE)
    assert world.read()["metadata"]["finalizers"] == [PROTECT]

    state.resolve(claim)

    assert told == [BLUE]
    await PoolReconciler(world.api, state).reconcile(BLUE)
    assert world.read() == {}
