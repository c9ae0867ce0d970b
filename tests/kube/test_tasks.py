# SPDX-License-Identifier: Apache-2.0
"""Jobs side by side: all end with the first that fails, and a stop is never lost."""

import asyncio
from types import SimpleNamespace
from typing import NoReturn

import pytest

from kube import tasks
from kube.tasks import in_pieces, run_until, together


class Job:
    """A job that waits, and fails when it is told so."""

    def __init__(self) -> None:
        self.fails = asyncio.Event()
        self.ended = False

    async def run(self) -> NoReturn:
        try:
            await self.fails.wait()
            raise ValueError("told so")
        finally:
            self.ended = True


async def test_it_ends_when_all_jobs_have_ended() -> None:
    turns: list[int] = []

    async def job(number: int) -> int:
        await asyncio.sleep(0)
        turns.append(number)
        return 10 * number

    assert await together(job(1), job(2)) == [10, 20]
    assert turns == [1, 2]


async def test_where_one_fails_the_others_are_cancelled_and_have_ended() -> None:
    failing, other = Job(), Job()
    failing.fails.set()

    with pytest.raises(BaseExceptionGroup) as raised:
        await together(other.run(), failing.run())

    assert [str(error) for error in raised.value.exceptions] == ["told so"]
    assert other.ended


async def test_all_errors_are_reported() -> None:
    jobs = Job(), Job()
    for job in jobs:
        job.fails.set()

    with pytest.raises(BaseExceptionGroup) as raised:
        await together(*(job.run() for job in jobs))

    assert len(raised.value.exceptions) == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancelled_one_waits_for_its_jobs_to_clean_up(times: int) -> None:
    cleaned = False

    async def slow() -> None:
        nonlocal cleaned
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned = True

    task = asyncio.create_task(together(slow()))
    for _ in range(times):
        await asyncio.sleep(0.001)
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("depth", [1, 3])
async def test_a_cancellation_counts_though_a_job_is_just_failing(turns: int, depth: int) -> None:
    failing, other = Job(), Job()

    async def nested(left: int) -> None:
        await together(other.run() if left == depth else asyncio.sleep(60), inner(left))

    async def inner(left: int) -> None:
        await (nested(left - 1) if left > 1 else failing.run())

    async def leading() -> None:
        try:
            await nested(depth)
        except* ValueError:
            pass

    task = asyncio.create_task(leading())
    await asyncio.sleep(0.01)  # until all wait
    failing.fails.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    in_time = task.cancel()
    await asyncio.wait([task])

    assert task.cancelled() == in_time
    assert other.ended


async def test_work_in_pieces_lets_others_run_after_each_few_milliseconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(tasks, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    turns: list[int] = []

    async def others() -> NoReturn:
        while True:
            turns.append(done)
            await asyncio.sleep(0)

    done = 0
    task = asyncio.create_task(others())
    async for number in in_pieces(range(1, 13)):
        now[0] += 0.002
        done = number
    task.cancel()

    assert turns == [3, 6, 9, 12]


async def test_an_event_ends_a_job() -> None:
    stop, job = asyncio.Event(), Job()

    running = asyncio.create_task(run_until(stop, job.run()))
    await asyncio.sleep(0)
    assert not running.done()
    stop.set()
    await running

    assert job.ended


async def test_an_error_of_the_job_ends_the_wait_for_the_event() -> None:
    job = Job()
    job.fails.set()

    with pytest.raises(ValueError, match="told so"):
        await run_until(asyncio.Event(), job.run())


async def test_a_cancelled_wait_leaves_no_job() -> None:
    job = Job()
    running = asyncio.create_task(run_until(asyncio.Event(), job.run()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert job.ended
