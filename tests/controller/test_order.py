# SPDX-License-Identifier: Apache-2.0
"""Who comes first: the oldest claim of a pool, and no pool because another has many claims.

Counted in writes and turns, never in time; writes overlap and end in another order than they began.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import random
from collections.abc import Callable

import builders
import pytest
import running
from builders import CONTRACT
from typing_extensions import override

from controller.controller import CLAIM_WORKERS, Controller
from kube import tasks
from kube.meta import Key
from kube.resources import ApiResource
from objects.informers import Informers, Scope
from objects.metadata import PAUSED_ANNOTATION

GLOBE = "GlobalInClusterIPPool"

STORM = 1_000
FIRST = ipaddress.ip_address("10.0.0.1")


class Busy(builders.Api):
    """An API server whose answers to patches of claims overtake one another."""

    def __init__(self) -> None:
        super().__init__()
        self._luck = random.Random(1)  # noqa: S311 - the same order in each run

    @override
    async def before_patch(self, resource: ApiResource, name: str) -> None:
        for _ in range(self._luck.randrange(20) if resource == CONTRACT.claims else 0):
            await asyncio.sleep(0)

    def by_address(self) -> list[str]:
        """Return the claims that have an address, the lowest first."""
        found = [item for place, item in self._objects.items() if place[0] == "ipaddresses"]
        found.sort(key=lambda item: tuple(map(int, item["spec"]["address"].split("."))))
        return [item["metadata"]["name"] for item in found]

    def release(self, name: str) -> None:
        """Delete a claim, as its user does."""
        self.change(CONTRACT.claims, name, deletionTimestamp="2026-01-01T01:00:00Z")


async def until(what: Callable[[], object]) -> None:
    """Let the loop turn until something is so; the limit is only for what never will be."""
    for _ in range(200_000):
        if what():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happens")


async def at_rest(api: Busy, controller: Controller) -> None:
    """Wait until nothing has been written or is waiting for a worker for a while."""
    for _ in range(200):
        before = len(api.writes)
        for _ in range(100):
            await asyncio.sleep(0)
        if len(api.writes) == before and not controller._claim_queue.depth:
            return
    raise AssertionError("it never rests")


NAMES = [f"c-{number:03}" for number in range(100)]


def storm(api: Busy, *, per_second: int) -> None:
    for number, name in enumerate(NAMES):
        api.claim(name, second=number // per_second)


@pytest.mark.parametrize("per_second", [1, 100])
async def test_claims_are_served_in_the_order_of_their_creation(per_second: int) -> None:
    api = Busy()
    api.pool("10.0.0.0/16", prefix=16)
    async with running.at_work(api):
        storm(api, per_second=per_second)
        await until(lambda: len(api.by_address()) == len(NAMES))

    assert api.by_address() == NAMES


@pytest.mark.parametrize("per_second", [1, 100])
async def test_claims_that_came_before_the_controller_are_served_in_order(per_second: int) -> None:
    api = Busy()
    api.pool("10.0.0.0/16", prefix=16)
    storm(api, per_second=per_second)
    async with running.at_work(api):
        await until(lambda: len(api.by_address()) == len(NAMES))

    assert api.by_address() == NAMES


@pytest.mark.parametrize("per_second", [1, 100])
async def test_claims_that_waited_for_their_pool_are_served_in_order(per_second: int) -> None:
    api = Busy()
    async with running.at_work(api) as controller:
        storm(api, per_second=per_second)
        await until(lambda: all(api.reason(name) == "PoolNotReady" for name in NAMES))
        await at_rest(api, controller)
        api.pool("10.0.0.0/16", prefix=16)
        await until(lambda: len(api.by_address()) == len(NAMES))

    assert api.by_address() == NAMES


async def test_more_claims_than_are_queued_at_once_are_served_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_PIECE_SECONDS", 0.0)  # a busy machine gets no further
    names = [f"c-{number:03}" for number in range(450)]
    api = Busy()
    async with running.at_work(api) as controller:
        for name in names:
            api.claim(name)
        await until(lambda: all(api.reason(name) == "PoolNotReady" for name in names))
        await at_rest(api, controller)
        api.pool("10.0.0.0/16", prefix=16)
        await until(lambda: len(api.by_address()) == len(names))

    assert api.by_address() == names


@pytest.mark.parametrize("told", [70, 100])  # the others are with a worker just then
async def test_the_oldest_get_the_addresses_of_a_small_pool_that_comes_in_the_middle(
    told: int,
) -> None:
    api = Busy()
    async with running.at_work(api) as controller:
        storm(api, per_second=100)
        await until(lambda: sum(bool(api.reason(name)) for name in NAMES) >= told)
        api.pool("10.0.0.1-10.0.0.50")
        await until(lambda: len(api.by_address()) == 50)
        await at_rest(api, controller)

    assert sorted(api.by_address()) == NAMES[:50]
    assert {api.reason(name) for name in NAMES[50:]} == {"PoolExhausted"}


def status_writes(api: Busy) -> int:
    """Return how many statuses of claims were written since the writes were forgotten."""
    return sum(write[:2] == ("patch status", CONTRACT.claims.plural) for write in api.writes)


@pytest.mark.parametrize("more", [1, 7])
async def test_a_full_pool_that_grows_writes_only_the_claims_that_it_can_serve(more: int) -> None:
    api = Busy()
    api.pool("10.0.0.1-10.0.0.10")
    async with running.at_work(api) as controller:
        storm(api, per_second=100)
        await until(lambda: all(api.reason(name) for name in NAMES))
        await at_rest(api, controller)
        api.writes.clear()

        api.pool(f"10.0.0.1-10.0.0.{10 + more}")
        await until(lambda: len(api.by_address()) == 10 + more)
        await at_rest(api, controller)

    assert status_writes(api) == more


async def test_a_release_writes_no_claim_but_the_one_that_gets_the_address() -> None:
    api = Busy()
    api.pool("10.0.0.1-10.0.0.10")
    async with running.at_work(api) as controller:
        storm(api, per_second=100)
        await until(lambda: all(api.reason(name) for name in NAMES))
        await at_rest(api, controller)
        api.writes.clear()

        api.release(api.by_address()[3])
        await until(lambda: len(api.by_address()) == 10 and NAMES[10] in api.by_address())
        await at_rest(api, controller)

    assert status_writes(api) == 1


async def test_a_restart_keeps_the_order_of_seconds() -> None:
    api = Busy()
    async with running.at_work(api) as controller:
        storm(api, per_second=1)
        await until(lambda: all(api.reason(name) == "PoolNotReady" for name in NAMES))
        await at_rest(api, controller)
    async with running.at_work(api) as controller:
        await at_rest(api, controller)
        api.pool("10.0.0.0/16", prefix=16)
        await until(lambda: len(api.by_address()) == len(NAMES))

    assert api.by_address() == NAMES


async def test_claims_of_all_namespaces_stand_in_one_line_for_a_global_pool() -> None:
    api = Busy()
    api.pool("10.0.0.0/16", prefix=16, name="globe", kind=GLOBE)
    for number, name in reversed(tuple(enumerate(NAMES))):  # so arrival says the contrary
        api.claim(name, "globe", kind=GLOBE, namespace=f"tenant-{number % 3}", second=number)
    async with running.at_work(api):
        await until(lambda: len(api.by_address()) == len(NAMES))

    assert api.by_address() == NAMES


async def test_a_released_address_goes_to_who_has_waited_longest() -> None:
    api = Busy()
    api.pool("10.0.0.1")
    async with running.at_work(api):
        storm(api, per_second=10)
        await until(lambda: all(api.reason(name) for name in NAMES))
        for holder, heir in itertools.pairwise(NAMES[:6]):
            api.release(holder)
            await until(api.by_address)
            await until(lambda heir=heir: api.by_address() == [heir])


async def test_addresses_that_are_added_go_to_who_has_waited_longest() -> None:
    api = Busy()
    api.pool("10.0.0.1-10.0.0.10")
    async with running.at_work(api) as controller:
        storm(api, per_second=10)
        await until(lambda: all(api.reason(name) for name in NAMES))
        api.pool("10.0.0.1-10.0.0.40")
        await until(lambda: len(api.by_address()) == 40)
        await at_rest(api, controller)

    assert api.by_address() == NAMES[:40]


async def test_claims_that_came_while_their_pool_was_paused_are_served_oldest_first() -> None:
    api = Busy()
    api.pool("10.0.0.1-10.0.0.40", metadata={"annotations": {PAUSED_ANNOTATION: ""}})
    async with running.at_work(api) as controller:
        for number, name in reversed(tuple(enumerate(NAMES))):
            api.claim(name, second=number)
        await at_rest(api, controller)
        assert {api.reason(name) for name in NAMES} <= {"", "Paused"}
        api.pool("10.0.0.1-10.0.0.40", metadata={"annotations": {}})
        await until(
            lambda: {api.reason(name) for name in NAMES} == {"AddressAllocated", "PoolExhausted"}
        )

    assert api.by_address() == NAMES[:40]


async def test_who_comes_last_does_not_overtake_whom_an_address_was_just_promised() -> None:
    api = Busy()
    api.pool("10.0.0.1")
    async with running.at_work(api) as controller:
        for number, name in enumerate(NAMES[:3]):
            api.claim(name, second=number)
        await until(lambda: all(api.reason(name) for name in NAMES[:3]))
        api.release(NAMES[0])
        api.claim("late", second=10)
        await until(lambda: api.by_address() == [NAMES[1]])
        await at_rest(api, controller)

    assert api.reason("late") == "PoolExhausted"


@pytest.mark.parametrize("first", [True, False])
async def test_one_claim_beside_5000_of_another_pool_is_handed_out_in_its_first_turns(
    first: bool,  # noqa: FBT001 - whether the claims were there before the controller
) -> None:
    api = Busy()
    controller = Controller(api, Informers(api, CONTRACT, Scope()))
    if first:
        storm_and_one(api)
    await running.fill(controller.state)
    heard = contextlib.ExitStack()
    heard.enter_context(controller.state.following())
    controller._watch(heard)
    await controller._queue_waiting()
    await controller._queue_rest()
    if not first:
        storm_and_one(api)
        for event in api.changes(CONTRACT.claims, "", controller.state.claims._revision):
            controller.state.claims._apply_event(event)

    turns = [(await controller._claim_queue.get()).name for _ in range(4)]

    assert "calm" in turns


def storm_and_one(api: Busy) -> None:
    for number in range(STORM):
        api.claim(f"storm-{number}", "stormy", second=number // 100)
    api.claim("calm", "calm", second=59)


async def test_a_new_leader_serves_what_waits_before_it_looks_at_all_that_is_served() -> None:
    api = Busy()
    for number in range(STORM):
        name = f"served-{number}"
        api.claim(name, status={"addressRef": {"name": name}})
        api.address(name, str(FIRST + number))
    controller = Controller(api, Informers(api, CONTRACT, Scope()))
    api.claim("waits", second=59)
    await running.fill(controller.state)
    await controller._queue_waiting()
    assert [(await controller._claim_queue.get()).name] == ["waits"]
    assert len(controller._claim_queue) == 0
    controller._enqueue([Key("default", "waits")])
    controller._claim_queue.done(Key("default", "waits"))
    await controller._queue_rest()
    api.claim("comes", second=59)
    await controller.state.claims.sync()
    controller._enqueue([Key("default", "comes")])

    turns = [(await controller._claim_queue.get()).name for _ in range(4)]

    assert {"waits", "comes"} <= set(turns)
    assert len(controller._claim_queue) == STORM - 2


async def test_a_claim_that_comes_in_the_middle_of_a_storm_is_written_almost_at_once() -> None:
    api = Busy()
    api.pool("10.0.0.0/16", prefix=16)
    api.pool("10.0.0.0/16", prefix=16, name="globe", kind=GLOBE)
    async with running.at_work(api):
        for number in range(500):
            api.claim(f"storm-{number}", second=number // 100)
        await until(lambda: len(api.by_address()) > 50)
        api.claim("calm", "globe", kind=GLOBE, second=59)
        before = len(api.by_address())
        await until(lambda: api.reason("calm") == "AddressAllocated")
        served_in_between = len(api.by_address()) - before

    assert served_in_between < 4 * CLAIM_WORKERS  # each of which may be at any of three writes


@pytest.mark.parametrize("told", [70, 100])  # the others are with a worker just then
async def test_a_pool_that_comes_while_claims_report_that_it_is_missing(told: int) -> None:
    api = Busy()
    async with running.at_work(api):
        storm(api, per_second=1)
        await until(lambda: sum(bool(api.reason(name)) for name in NAMES) >= told)
        api.pool("10.0.0.0/16", prefix=16)
        await until(lambda: len(api.by_address()) == len(NAMES))
    assert api.by_address() == NAMES
