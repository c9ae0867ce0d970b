# SPDX-License-Identifier: Apache-2.0
"""The work queue: nothing twice at a time, nothing lost, nobody starved."""

import asyncio
from collections.abc import Callable

from kube.queue import Queue


class Timers:
    """Stands for the event loop's timers; time passes when `fire` is called."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.get_running_loop().call_later(3600, lambda: None)
        self.waiting.append((seconds, lambda: None if handle.cancelled() else call()))
        return handle

    def fire(self) -> None:
        calls, self.waiting = self.waiting, []
        for _, call in calls:
            call()


def queue() -> tuple[Queue[str], Timers]:
    timers = Timers()
    return Queue[str](timers.later), timers


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


async def test_failures_wait_longer_each_time_until_one_succeeds() -> None:
    keys, _ = queue()

    waits = [keys.retry("a") for _ in range(12)]
    keys.succeeded("a")

    assert waits[:4] == [0.05, 0.1, 0.2, 0.4]
    assert waits[-1] == 30.0
    assert keys.retry("a") == 0.05
