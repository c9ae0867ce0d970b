# SPDX-License-Identifier: Apache-2.0
"""Time and workers that move only when they are told to."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar, cast

from typing_extensions import override

from kube.errors import KubeError, NotLeaderError
from kube.queue import Queue

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

T = TypeVar("T")
K = TypeVar("K")


class Clock:
    """Time that passes when told so, and the timers that wait for it."""

    def __init__(self) -> None:
        self.seconds = START
        self._timers: list[Timer] = []

    def __call__(self) -> float:
        return self.seconds

    @property
    def stamp(self) -> str:
        return datetime.fromtimestamp(self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def next(self) -> float | None:
        """When the next timer is due."""
        self._timers = [timer for timer in self._timers if timer.call]
        return min((timer.due for timer in self._timers), default=None)

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        timer = Timer(self.seconds + seconds, call)
        self._timers.append(timer)
        return cast("asyncio.TimerHandle", timer)

    def pass_(self, seconds: float) -> None:
        until = self.seconds + seconds
        while (due := self.next) is not None and due <= until:
            self.seconds = due
            for timer in [timer for timer in self._timers if timer.due <= due]:
                timer.fire()
        self.seconds = until

    def forget(self) -> None:
        """Drop the timers of a process that has died."""
        self._timers = []


class Timer:
    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def fire(self) -> None:
        if self.call:
            self.call()
        self.call = None


class Stop:
    """Where a worker waits for the machine, which may answer with an error."""

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind = kind  # idle, request (not sent yet), answer (on its way back), ended
        self.text = text

    def __await__(self) -> Generator["Stop", KubeError | None, KubeError | None]:
        return (yield self)


class Worker:
    """A worker of `kube.workers`, from one stop to the next."""

    def __init__(self, work: Coroutine[Stop | None, KubeError | None, NoReturn]) -> None:
        self._work = work
        self.at = self._next(None)

    def go(self, error: KubeError | None = None) -> None:
        if self.at.kind == "ended":
            return
        try:
            self.at = self._next(error)
        except NotLeaderError:
            self.at = Stop("ended")

    def _next(self, error: KubeError | None) -> Stop:
        while (stop := self._work.send(error)) is None:  # others have a turn: nobody is there
            error = None
        return stop

    def end(self) -> None:
        self._work.close()
        self.at = Stop("ended")


class HandQueue(Queue[K]):
    """A queue whose workers wait for the machine before each key."""

    @override
    async def get(self) -> K:
        await Stop("idle")
        while not len(self):
            await Stop("idle")
        return await super().get()


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what work gives that waits for nothing, but for letting others have their turn."""
    try:
        while work.send(None) is None:
            pass
    except StopIteration as done:
        return cast("T", done.value)
    raise AssertionError("it waits")
