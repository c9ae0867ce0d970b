# SPDX-License-Identifier: Apache-2.0
"""The model of a cluster, kept current by watches."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kube.errors import KubeError
from kube.tasks import together

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..snapshot import Informers
    from .model import Model, Reader

_PAUSE_SECONDS = 0.3
"""Between a change and the model that has it, so that a burst of changes costs one model."""

_RETRY_SECONDS = 2.0
"""Until owners are read again, if the API server could not be reached."""


class Live:
    """The present model, which callers can wait on for the next one."""

    def __init__(self, informers: Informers, reader: Reader) -> None:
        """Prepare it; the informers have listed everything."""
        self._informers, self._reader = informers, reader
        self._changed = asyncio.Event()
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
        self._model = await self._reader.model(self._informers.snapshot())

    async def run(self) -> None:
        """Follow changes until cancelled.

        Raises:
            KubeError: a resource is not served any more, or the API server was restored.
        """
        with ExitStack() as handlers:
            for informer in self._informers.all:
                handlers.enter_context(informer.event_handler(lambda _delta: self._changed.set()))
            await together(*(informer.run() for informer in self._informers.all), self._follow())

    async def generations(self, silence: float) -> AsyncGenerator[int | None]:
        """Yield the generation of each new model, first that of the present one.

        Yields None after so many seconds without one, and ends with `end`.
        """
        seen = 0  # no model has this generation
        while not self._ended:
            waiter = self._next
            if self.model.generation != seen:
                seen = self.model.generation
                yield seen
                continue
            try:
                async with asyncio.timeout(silence):
                    await waiter.wait()
            except TimeoutError:
                yield None

    def end(self) -> None:
        """End all `generations`."""
        self._ended = True
        self._wake()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._changed.clear()
            try:
                await self.load()
            except KubeError:
                self._changed.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._wake()

    def _wake(self) -> None:
        woken, self._next = self._next, asyncio.Event()
        woken.set()
