# SPDX-License-Identifier: Apache-2.0
"""The model of a cluster, kept current by watches."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from kube.errors import KubeError
from kube.tasks import together

from ..supervisor import InformerSupervisor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..snapshot import Informers
    from .model import Model, Reader

_RETRY_SECONDS = 2.0
"""The time until owners are read again, if the API server could not be reached."""

_REFRESH_SECONDS = 5.0
"""The time between checks of the served kinds, as in the manager; most answers are empty."""

_LOOK_SECONDS = 1.0
"""The time between checks whether the API server still answers."""


class State(NamedTuple):
    """The generation of the present model; `failure` says why it may be out of date."""

    generation: int
    failure: str = ""


class Live:
    """The present model; callers can wait for the next one."""

    def __init__(self, informers: Informers, reader: Reader) -> None:
        """Prepare it; the informers have listed everything."""
        self._supervisor, self._reader = InformerSupervisor(informers), reader
        self._next = asyncio.Event()
        self._ended = False
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """The newest model; there is one once `load` returned."""
        assert self._model is not None
        return self._model

    async def load(self) -> None:
        """Make the first model.

        Raises:
            KubeError: the API server could not be reached.
        """
        self._model = await self._reader.model(self._supervisor.snapshot())

    async def run(self) -> None:
        """Follow changes until cancelled.

        Raises:
            KubeError: in a group: the user may not watch.
        """
        await together(self._supervisor.run(), self._follow(), self._refresh())

    async def states(self, silence: float) -> AsyncGenerator[State | None]:
        """Yield the present state, and then each new one, until `end` is called.

        Yields None after `silence` seconds without a new state.
        """
        seen, since = State(0), time.monotonic()  # no model has this generation
        while not self._ended:
            waiter, state = self._next, State(self.model.generation, self._supervisor.failure)
            if state != seen:
                seen, since = state, time.monotonic()
                yield state
                continue
            if time.monotonic() - since >= silence:
                since = time.monotonic()
                yield None
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_SECONDS, silence)):
                    await waiter.wait()

    def end(self) -> None:
        """End all `states`."""
        self._ended = True
        self._wake()

    async def _follow(self) -> None:
        async for found in self._supervisor.snapshots():
            try:
                self._model = await self._reader.model(found)
            except KubeError:
                self._supervisor.mark_changed()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._wake()

    async def _refresh(self) -> None:
        """Read owners again when kinds are served that were not when they were read."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            with suppress(KubeError):  # an outage says nothing about kinds
                if await self._reader.refresh():
                    self._supervisor.mark_changed()

    def _wake(self) -> None:
        woken, self._next = self._next, asyncio.Event()
        woken.set()
