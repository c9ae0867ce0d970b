# SPDX-License-Identifier: Apache-2.0
"""Several jobs in one event loop: side by side, and so that each has its turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterable

T = TypeVar("T")

_PIECE = 500  # items; some 20 µs of work each


async def together(*jobs: Coroutine[object, object, object]) -> None:
    """Run jobs until all have ended; where one fails, or this is cancelled, all are cancelled.

    Guarantees:
        Whoever cancels this sees it cancelled, though a job is just failing.  `asyncio.TaskGroup`
        swallows that before Python 3.13: a process told to stop in such a moment would go on.

    Raises:
        BaseExceptionGroup: what the jobs have raised.
    """
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = asyncio.CancelledError
    errors = [
        end for end in ended if isinstance(end, BaseException) and not isinstance(end, cancelled)
    ]
    if errors:
        raise BaseExceptionGroup("jobs failed", errors)


async def in_pieces(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yield items; after each few hundred of them all other tasks have a turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % _PIECE == 0:
            await asyncio.sleep(0)
