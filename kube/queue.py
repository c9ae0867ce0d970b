# SPDX-License-Identifier: Apache-2.0
"""A work queue: each key at most once, never by two workers at a time, groups in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

_FIRST_RETRY_SECONDS = 0.05  # a conflict is solved as soon as the watch has caught up
_LAST_RETRY_SECONDS = 30.0  # a broken object costs two requests a minute


class Queue(Generic[K]):
    """Keys that wait for a worker.

    Flow:
        `add` -> `get` -> work -> `done`.  A key added while a worker has it is handed out again
        after `done`.  Within a group keys come in the order of their adding; groups take turns, so
        that a long one delays no other.

    `later(seconds, call)` starts a timer; the event loop's own unless a test passes time in.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        self._later = later
        self._groups: OrderedDict[Hashable, deque[K]] = OrderedDict()
        self._group_of: dict[K, Hashable] = {}  # of all that are waiting in a group
        self._working: set[K] = set()
        self._again: dict[K, Hashable] = {}  # added while a worker had it
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wakeup = asyncio.Semaphore(0)

    def __len__(self) -> int:
        return len(self._group_of)

    def add(self, key: K, group: Hashable = None) -> None:
        """Hand a key to the next free worker; a timer for it is no longer needed."""
        self._stop_timer(key)
        if key in self._working:
            self._again[key] = group
        elif key not in self._group_of:
            self._group_of[key] = group
            self._groups.setdefault(group, deque()).append(key)
            self._wakeup.release()

    def add_after(self, seconds: float, key: K, group: Hashable = None) -> None:
        """Add a key in a while; of several such wishes the last one counts."""
        self._stop_timer(key)
        if seconds <= 0:
            self.add(key, group)
            return
        self._timers[key] = self._later(seconds, lambda: self.add(key, group))

    def retry(self, key: K, group: Hashable = None) -> float:
        """Add a key whose work failed; returns after how many seconds, more each time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(_FIRST_RETRY_SECONDS * 2.0**failures, _LAST_RETRY_SECONDS)
        self.add_after(seconds, key, group)
        return seconds

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key and return it; the caller must call `done` with it."""
        await self._wakeup.acquire()
        group, keys = next(iter(self._groups.items()))
        key = keys.popleft()
        if keys:
            self._groups.move_to_end(group)
        else:
            del self._groups[group]
        del self._group_of[key]
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Say that a worker has finished with a key."""
        self._working.discard(key)
        if key in self._again:
            self.add(key, self._again.pop(key))

    def _stop_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
