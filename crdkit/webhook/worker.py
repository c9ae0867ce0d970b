# SPDX-License-Identifier: Apache-2.0
"""Threads for what would hold the event loop, where every other review waits meanwhile."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar, TypeVarTuple

from .errors import RequestError

SMALL_BYTES = 12 * 1024
"""Of a review that is answered at once: in less than 5 ms (measured, for each kind)."""

_PACKED = b"zlib"  # the key of a compressed annotation, see `crdkit.conversion.annotation`

_THREADS = 1  # with two, which share one interpreter, small reviews wait six times as long

_MOST = 32
"""Jobs at work or waiting.  One takes 0.2 s at most, so that the last is done within the 9 s that a
review has.
"""

_SWITCH_SECONDS = 0.001
"""After which a thread gives the interpreter to another that waits for it.  A review waits for it
about six times, TLS included: by Python's own 5 ms, that would be 30 ms beside one large review.
"""

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


class BusyError(RequestError):
    """Too many large reviews wait already."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, "too many large reviews at once; try again")


class Worker:
    """Does small jobs at once, and large ones in a thread."""

    def __init__(self, threads: int = _THREADS, most: int = _MOST) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="large-review")
        self._places = threading.Semaphore(most)

    async def call(self, size: int, function: Callable[[*Ts], R], *args: *Ts) -> R:
        """Call a function whose work grows with `size`, the bytes that it goes through.

        Caveats:
            A thread goes on with its job where its caller waits for it no more.

        Raises:
            BusyError: there is no place for another large job.
        """
        if size <= SMALL_BYTES:
            return function(*args)
        if not self._places.acquire(blocking=False):
            raise BusyError
        job = self._executor.submit(function, *args)
        job.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(job)


def share_interpreter() -> None:
    """Let the event loop have its turn soon while threads are at work; for the whole process.

    A full collection of garbage holds the interpreter for 50 ms, and a large review causes several:
    what is loaded by now is left out, and the rest is gone through more rarely.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def size_of(body: bytes) -> int:
    """Return how large a review is: a packed annotation may unpack to 1.5 MB."""
    return max(len(body), SMALL_BYTES + 1) if _PACKED in body else len(body)
