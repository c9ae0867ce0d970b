# SPDX-License-Identifier: Apache-2.0
"""Several jobs in one event loop: side by side, and so that each has its turn."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, TypeVar, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterable

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PIECE_SECONDS = 0.005
"""Time of one piece; a webhook review may have to wait for one piece of each running job."""


async def together(*jobs: Coroutine[object, object, T]) -> list[T]:
    """Run jobs until all have ended; if one fails, or this is cancelled, all are cancelled.

    Guarantees:
        A cancellation always gets through, even while a job is failing.  `asyncio.TaskGroup`
        swallows that before Python 3.13: a process that is stopped in such a moment would go on.
        No job runs any more afterwards, and none is cancelled twice.

    Returns:
        What the jobs returned, in their order.

    Raises:
        BaseExceptionGroup: what the jobs have raised; a cancellation comes first.
    """
    tasks = [asyncio.create_task(job) for job in jobs]
    stop: asyncio.CancelledError | None = None
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    except asyncio.CancelledError as cancelled:
        stop = cancelled
    for task in tasks:
        task.cancel()
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as cancelled:
            stop = cancelled
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if stop:
        for failed in errors:
            log.warning("failed while it was stopped", error=str(failed) or type(failed).__name__)
        raise stop
    if errors:
        raise BaseExceptionGroup("jobs failed", errors)
    return [task.result() for task in tasks]


async def run_until(stop: asyncio.Event, job: Coroutine[object, object, None]) -> None:
    """Run a job until the event, which cancels it.

    Raises:
        Exception: what the job raises before the event.
    """
    running = asyncio.create_task(job)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not running.done():
            running.cancel()
            await asyncio.wait((running,))
    if not running.cancelled():
        await running


def stop_signal(*more: signal.Signals) -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and other signals set from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, *more):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def first_error(error: BaseException) -> BaseException:
    """Return the first error in nested groups: the others follow from it, or say the same."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    return first_error(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])


async def in_pieces(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yield items, and let other tasks run after every few milliseconds of work on them."""
    until = time.perf_counter() + _PIECE_SECONDS
    for item in items:
        yield item
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + _PIECE_SECONDS
