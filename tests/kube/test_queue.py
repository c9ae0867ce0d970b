# SPDX-License-Identifier: Apache-2.0
"""The work queue: nothing twice at a time, nothing lost, nobody starved."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from prometheus_client import REGISTRY

from kube.queue import Queue
from kube.report import LIMIT

NUMBERS = itertools.count()


class Timers:
    """Stands for the event loop's timers; time passes when `fire` is called."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self.now = 1000.0

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.get_running_loop().call_later(3600, lambda: None)
        self.waiting.append((seconds, lambda: None if handle.cancelled() else call()))
        return handle

    def clock(self) -> float:
        return self.now

    def fire(self) -> None:
        calls, self.waiting = self.waiting, []
        for _, call in calls:
            call()


def queue() -> tuple[Queue[str], Timers]:
    timers = Timers()
    name = f"test-{next(NUMBERS)}"  # so that its metrics begin at 0
    return Queue[str](name, timers.later, timers.clock), timers


async def taken(keys: Queue[str]) -> list[str]:
    found: list[str] = []
    while len(keys):
        found.append(await keys.get())
        keys.done(found[-1])
    return found


async def test_keys_come_once_and_in_the_order_of_their_adding() -> None:
    keys, _ = queue()

    for key in ("a", "b", "a", "c"):
        keys.add(key)

    assert await taken(keys) == ["a", "b", "c"]


async def test_who_asks_an_empty_queue_waits_for_a_key() -> None:
    keys, _ = queue()
    waiting = asyncio.create_task(keys.get())
    await asyncio.sleep(0)

    keys.add("a")

    assert await waiting == "a"


async def test_groups_take_turns() -> None:
    keys, _ = queue()
    for key in ("a1", "a2", "a3"):
        keys.add(key, "a")
    keys.add("b1", "b")

    assert await taken(keys) == ["a1", "b1", "a2", "a3"]


async def test_a_key_added_during_its_work_is_handed_out_again_only_afterwards() -> None:
    keys, _ = queue()
    keys.add("a")
    await keys.get()

    keys.add("a")

    assert len(keys) == 0
    keys.done("a")
    assert await taken(keys) == ["a"]


async def test_a_delayed_key_comes_when_its_time_has_come() -> None:
    keys, timers = queue()

    keys.add_after(5, "a")

    assert len(keys) == 0
    assert [seconds for seconds, _ in timers.waiting] == [5]
    timers.fire()
    assert await taken(keys) == ["a"]


async def test_a_key_that_is_added_needs_no_timer_any_more() -> None:
    keys, timers = queue()
    keys.add_after(5, "a")
    keys.add("a")
    assert await taken(keys) == ["a"]

    timers.fire()

    assert len(keys) == 0


async def test_of_several_delays_the_last_one_counts() -> None:
    keys, timers = queue()
    keys.add_after(5, "a")
    keys.add_after(7, "a")
    (_, sooner), (_, later) = timers.waiting

    sooner()
    assert len(keys) == 0

    later()
    assert len(keys) == 1


async def test_failures_wait_longer_each_time_until_one_succeeds() -> None:
    keys, _ = queue()

    waits = [keys.add_rate_limited("a") for _ in range(12)]
    keys.forget("a")

    assert waits[:4] == [0.05, 0.1, 0.2, 0.4]
    assert waits[-1] == 30.0
    assert keys.add_rate_limited("a") == 0.05


def figure(keys: Queue[str], name: str) -> float | None:
    return REGISTRY.get_sample_value(
        f"workqueue_{name}", {"name": keys.name, "controller": keys.name}
    )


async def test_an_add_counts_where_it_makes_work_that_was_not_to_be_done_yet() -> None:
    keys, _ = queue()
    for _ in range(2):
        keys.add("a")
    assert figure(keys, "adds_total") == 1
    await keys.get()

    for _ in range(2):
        keys.add("a")
    keys.done("a")

    assert figure(keys, "adds_total") == 2


async def test_work_that_cannot_begin_yet_counts_as_depth() -> None:
    keys, _ = queue()
    keys.add("a")
    keys.add("b")
    await keys.get()

    keys.add("a")

    assert keys.depth == 2
    keys.done("a")
    assert keys.depth == 2


async def test_only_delays_are_counted_as_retries() -> None:
    keys, _ = queue()

    keys.add_after(0, "a")
    keys.add_after(5, "b")
    keys.add_rate_limited("c")

    assert len(keys) == 1
    assert figure(keys, "retries_total") == 2


async def test_waiting_and_work_are_timed() -> None:
    keys, timers = queue()
    keys.add("a")
    timers.now += 2
    await keys.get()
    keys.add("a")
    timers.now += 30
    assert keys.working_seconds() == [30]

    assert keys.done("a") == 30

    assert figure(keys, "queue_duration_seconds_sum") == 2
    assert figure(keys, "work_duration_seconds_sum") == 30
    await keys.get()
    assert figure(keys, "queue_duration_seconds_sum") == 2 + 30  # since it was added, not lined up


async def test_a_key_that_comes_again_needs_no_timer() -> None:
    keys, timers = queue()
    keys.add("a")
    await keys.get()
    keys.add("a")
    keys.add_after(5, "a")

    keys.done("a")

    assert await taken(keys) == ["a"]
    timers.fire()
    assert len(keys) == 0


async def test_a_report_shows_where_each_key_is() -> None:
    keys, timers = queue()
    keys.add("worked", "blue")
    keys.add("waits", "blue")
    await keys.get()
    keys.add("worked")
    keys.add_rate_limited("failed")
    timers.now += 0.04

    assert keys.report() == {
        "waiting": some({"key": "waits", "group": "blue", "seconds": 0.04}),
        "working": some({"key": "worked", "seconds": 0.04, "again": True}),
        "delayed": some({"key": "failed", "inSeconds": 0.01}),
        "failing": some({"key": "failed", "failures": 1}),
    }


def some(item: object) -> object:
    return {"count": 1, "first": [item], "leftOut": 0}


async def test_a_report_is_bounded_and_says_what_it_leaves_out() -> None:
    keys, _ = queue()
    for number in range(LIMIT + 7):
        keys.add(str(number))

    waiting: Any = keys.report()["waiting"]

    assert (waiting["count"], len(waiting["first"]), waiting["leftOut"]) == (LIMIT + 7, LIMIT, 7)


async def test_within_a_group_keys_come_by_their_order_and_then_as_they_were_added() -> None:
    timers = Timers()
    ages = {"old": 1, "young": 3, "twin": 3, "middle": 2}
    keys = Queue[str]("ordered", timers.later, timers.clock, lambda key: (ages[key],))

    for key in ("young", "middle", "twin", "old"):
        keys.add(key)

    assert await taken(keys) == ["old", "middle", "young", "twin"]


async def test_a_key_added_while_it_is_worked_on_comes_back_in_its_place() -> None:
    timers = Timers()
    keys = Queue[str]("again", timers.later, timers.clock, lambda key: (key,))
    keys.add("a")
    assert await keys.get() == "a"
    keys.add("b")
    keys.add("a")

    keys.done("a")

    assert await taken(keys) == ["a", "b"]


async def test_a_key_that_is_added_to_another_group_waits_there() -> None:
    queue: Queue[str] = Queue("test", asyncio.get_running_loop().call_later)
    for name in "abc":
        queue.add(name, "crowd")
    queue.add("c", "few")

    assert [await queue.get(), await queue.get(), await queue.get()] == ["a", "c", "b"]
    assert len(queue) == 0


async def test_a_queue_that_is_closed_has_no_timers() -> None:
    timers = list[asyncio.TimerHandle]()

    def later(seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        timers.append(asyncio.get_running_loop().call_later(seconds, call))
        return timers[-1]

    queue: Queue[str] = Queue("test", later)
    queue.add_after(1000.0, "a")
    queue.add_after(2000.0, "b")

    queue.close()

    assert [timer.cancelled() for timer in timers] == [True, True]
    assert queue._timers == {}
