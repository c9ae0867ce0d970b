# SPDX-License-Identifier: Apache-2.0
"""A work queue: each key at most once, never by two workers at a time, groups in turn."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from . import metrics, report
from .backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")
Order = tuple[str | int, ...]
"""Sorts keys; lower ones come first."""

_FIRST_RETRY_SECONDS = 0.05  # a conflict is solved as soon as the watch has caught up


class _Waiting(NamedTuple):
    """The group in which a key waits, since when by the clock, and its place in that group."""

    group: Hashable
    since: float
    place: int = -1


class _Timer(NamedTuple):
    """A timer that adds a key, and when it is due by the clock."""

    handle: asyncio.TimerHandle
    due: float


class Queue(Generic[K]):
    """Keys that wait for a worker.

    Flow:
        `add` -> `get` -> work -> `done`.  A key added while a worker has it is handed out again
        after `done`.  Within a group keys come by `order_of`, which is asked when a key lines up,
        and those of one order as they were added; groups take turns, so that a long one delays no
        other.  A key that waits and is added to another group waits there from then on.

    `name` is that of its metrics.  `later(seconds, call)` starts a timer, the event loop's own
    unless a test passes time in; `clock` returns seconds.
    """

    def __init__(
        self,
        name: str,
        later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
        clock: Callable[[], float] = time.monotonic,
        order_of: Callable[[K], Order] = lambda _: (),
    ) -> None:
        self.name = name
        self._order_of = order_of
        self._numbers = itertools.count()
        self._later = later
        self._clock = clock
        self._metrics = metrics.QueueMetrics(name)
        self._groups: OrderedDict[Hashable, list[tuple[Order, int, K]]] = OrderedDict()  # heaps
        self._waiting: dict[K, _Waiting] = {}
        self._working: dict[K, float] = {}  # since when
        self._again: dict[K, _Waiting] = {}  # added while a worker had it
        self._timers: dict[K, _Timer] = {}
        self._backoff: Backoff[K] = Backoff(_FIRST_RETRY_SECONDS, clock)
        self._wakeup = asyncio.Semaphore(0)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def depth(self) -> int:
        """How many keys wait for a worker, including keys added again while a worker has them."""
        return len(self._waiting) + len(self._again)

    def working_seconds(self) -> list[float]:
        """Return for how many seconds each worker has had its key."""
        now = self._clock()
        return [now - since for since in self._working.values()]

    def add(self, key: K, group: Hashable = None) -> None:
        """Hand a key to the next free worker, and stop its timer."""
        self._stop_timer(key)
        if key in self._working:
            since = self._again[key].since if key in self._again else self._entered()
            self._again[key] = _Waiting(group, since)
        elif key not in self._waiting:
            self._line_up(key, _Waiting(group, self._entered()))
            self._wakeup.release()
        elif self._waiting[key].group != group:
            self._line_up(key, _Waiting(group, self._waiting[key].since))

    def add_after(self, seconds: float, key: K, group: Hashable = None) -> None:
        """Add a key after some seconds; a later call for the key replaces an earlier one."""
        self._stop_timer(key)
        if seconds <= 0:
            self.add(key, group)
            return
        handle = self._later(seconds, lambda: self.add(key, group))
        self._timers[key] = _Timer(handle, self._clock() + seconds)
        self._metrics.retries.inc()

    def add_rate_limited(self, key: K, group: Hashable = None) -> float:
        """Add a key whose work failed, later each time; return the seconds until then."""
        seconds = self._backoff.failed(key)
        self.add_after(seconds, key, group)
        return seconds

    def forget(self, key: K) -> None:
        """Forget the failures of a key."""
        self._backoff.forget(key)

    async def get(self) -> K:
        """Wait for a key and return it; the caller must call `done` with it."""
        await self._wakeup.acquire()
        key = self._next()
        now = self._working[key] = self._clock()
        self._metrics.queued.observe(now - self._waiting.pop(key).since)
        return key

    def done(self, key: K) -> float:
        """Report that a worker has finished with a key; return the seconds that it took."""
        seconds = self._clock() - self._working.pop(key)
        self._metrics.worked.observe(seconds)
        if waiting := self._again.pop(key, None):
            self._stop_timer(key)
            self._line_up(key, waiting)
            self._wakeup.release()
        return seconds

    def close(self) -> None:
        """Stop all timers, which would keep the users of the queue in memory until they are due."""
        while self._timers:
            self._timers.popitem()[1].handle.cancel()

    def report(self) -> dict[str, object]:
        """Return the content for people: the first few keys of each sort."""
        now = self._clock()
        waiting = (
            {"key": str(key), "group": str(group), "seconds": report.seconds(now - since)}
            for key, (group, since, _) in self._waiting.items()
        )
        working = (
            {"key": str(key), "seconds": report.seconds(now - since), "again": key in self._again}
            for key, since in self._working.items()
        )
        delayed = (
            {"key": str(key), "inSeconds": report.seconds(timer.due - now)}
            for key, timer in self._timers.items()
        )
        failures = self._backoff.failures
        failing = ({"key": str(key), "failures": n} for key, n in failures.items())
        return {
            "waiting": report.some(waiting, len(self._waiting)),
            "working": report.some(working, len(self._working)),
            "delayed": report.some(delayed, len(self._timers)),
            "failing": report.some(failing, len(failures)),
        }

    def _entered(self) -> float:
        """Count an added key, and return the present time."""
        self._metrics.adds.inc()
        return self._clock()

    def _line_up(self, key: K, waiting: _Waiting) -> None:
        place = next(self._numbers)
        self._waiting[key] = waiting._replace(place=place)
        heappush(self._groups.setdefault(waiting.group, []), (self._order_of(key), place, key))

    def _next(self) -> K:
        """Take the first key of the group whose turn it is; skip places that keys have left."""
        while True:
            group, places = next(iter(self._groups.items()))
            _, place, key = heappop(places)
            if not places:
                del self._groups[group]
            if key in self._waiting and self._waiting[key].place == place:
                if places:
                    self._groups.move_to_end(group)
                return key

    def _stop_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.handle.cancel()
