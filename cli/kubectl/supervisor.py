# SPDX-License-Identifier: Apache-2.0
"""The present objects of a cluster for a command that runs until its user stops it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn

from kube.errors import KubeError
from kube.tasks import first_error, together
from objects import contracts

from .. import connecting
from . import session, snapshot
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kube.deltas import Delta, Handler

    from .snapshot import Informers, Snapshot

_PAUSE_SECONDS = 0.3
"""The time between a change and its snapshot, so that a burst of changes needs one snapshot."""

_RETRY_SECONDS = 2.0
"""The time until the next attempt, if a list failed."""

_LISTING = "the cluster serves other kinds, or was restored from a backup: listing all objects"


class InformerSupervisor:
    """Runs the informers of a command, and replaces them when they end.

    They end when the cluster serves other kinds or versions of Cluster API or the provider, and
    after a restore of etcd.
    """

    def __init__(self, informers: Informers) -> None:
        """Prepare it; the informers have listed everything."""
        self._informers = informers
        self._changed = asyncio.Event()
        self._failure = ""

    @property
    def failure(self) -> str:
        """Why `snapshots` does not show the present state; empty if it does."""
        errors = [each.failure for each in self._informers.all if each.failure]
        return self._failure or (_text(errors[0]) if errors else "")

    async def run(self, *handlers: Handler[Any]) -> NoReturn:
        """Watch until cancelled, and call handlers with each change.

        Handlers get no changes while informers are replaced.

        Raises:
            KubeError: in a group: the user may not watch.
        """
        await together(self._informers.check_watch(), self._run((*handlers, self._note)))
        raise AssertionError("watching never ends")  # pragma: no cover - it ends by an error

    async def snapshots(self) -> AsyncGenerator[Snapshot]:
        """Yield the state at each change, but not more often than a person can read."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._changed.clear()
            yield self._informers.snapshot()

    def snapshot(self) -> Snapshot:
        """Return the present state."""
        return self._informers.snapshot()

    def mark_changed(self) -> None:
        """Let `snapshots` yield the state again."""
        self._changed.set()

    def _note(self, _delta: Delta[Any]) -> None:
        self.mark_changed()

    async def _run(self, handlers: tuple[Handler[Any], ...]) -> None:
        while True:
            try:
                with ExitStack() as stack:
                    for informer in self._informers.all:
                        for handler in handlers:
                            stack.enter_context(informer.event_handler(handler))
                    await together(
                        *(informer.run() for informer in self._informers.all),
                        contracts.until_changed(self._informers.api, self._informers.contract),
                    )
            except* KubeError:
                self._failure = _LISTING
            await self._replace()

    async def _replace(self) -> None:
        """List everything again until it succeeds."""
        while self._failure:
            try:
                self._informers = await snapshot.informers(
                    self._informers.api, self._informers.namespace
                )
                self._failure = ""
            except* (KubeError, CliError) as group:
                self._failure = _text(first_error(group))
                await asyncio.sleep(_RETRY_SECONDS)
        self.mark_changed()


def _text(error: BaseException) -> str:
    """Return the cause and the remedy of a failure."""
    if not isinstance(error, KubeError):
        return str(error)
    return connecting.text_of(error, session.READING)
