# SPDX-License-Identifier: Apache-2.0
"""Large reviews leave the event loop to others, and only so many of them wait."""

import asyncio
import sys
import threading

import pytest

from crdkit.webhook import worker

LARGE = worker.SMALL_BYTES + 1


async def test_a_small_job_is_done_at_once() -> None:
    assert await worker.Worker().call(1, threading.get_ident) == threading.get_ident()


async def test_a_large_job_is_done_in_a_thread() -> None:
    assert await worker.Worker().call(LARGE, threading.get_ident) != threading.get_ident()


async def test_what_a_large_job_raises_is_raised_to_its_caller() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await worker.Worker().call(LARGE, int, "x")


async def test_more_large_jobs_than_can_be_done_in_time_are_refused_at_once() -> None:
    jobs, ends = worker.Worker(threads=1, most=2), threading.Event()
    waiting = [asyncio.create_task(jobs.call(LARGE, ends.wait, 10.0)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(worker.BusyError, match="too many large reviews at once; try again"):
        await jobs.call(LARGE, str, 1)
    assert await jobs.call(1, str, 1) == "1"

    ends.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await jobs.call(LARGE, str, 1) == "1"


async def test_a_caller_that_gives_up_frees_its_place_only_when_the_job_is_done() -> None:
    jobs, ends = worker.Worker(threads=1, most=1), threading.Event()
    given_up = asyncio.create_task(jobs.call(LARGE, ends.wait, 10.0))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    with pytest.raises(worker.BusyError):
        await jobs.call(LARGE, str, 1)

    ends.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await jobs.call(LARGE, str, 1) == "1"
            except worker.BusyError:
                await asyncio.sleep(0.001)
            else:
                break


def test_the_event_loop_soon_has_its_turn_beside_a_thread() -> None:
    before = sys.getswitchinterval()
    try:
        worker.share_interpreter()
        assert sys.getswitchinterval() == pytest.approx(0.001)
    finally:
        sys.setswitchinterval(before)


def test_a_body_with_a_packed_annotation_counts_as_large() -> None:
    assert worker.size_of(b"{}") == 2
    assert worker.size_of(b'{"cluster.x-k8s.io/conversion-data": "{\\"zlib\\": ...}"}') == LARGE
