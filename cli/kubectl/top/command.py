# SPDX-License-Identifier: Apache-2.0
"""`top`: all pools with their usage, as they are now, until the user quits."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, NoReturn

import click

from kube.tasks import run_until, stop_signal, together

from .. import options, pools, session, snapshot, usage
from ..supervisor import InformerSupervisor
from . import page, screen
from .changes import Changes

if TYPE_CHECKING:
    from rich.console import Group

    from ..snapshot import Snapshot
    from .screen import Screen

_TICK_SECONDS = 1.0
"""The time between two drawings, so that ages and failures are up to date."""


@options.command(
    "top",
    example="kubectl ipam top --all-namespaces",
    text="""Show the pools that serve a namespace until you press q or Ctrl-C.  The pools that need
    attention come first: those with waiting claims, then those that cannot allocate, then the
    fullest.

    LAST CHANGE shows the address that was last allocated (+) or released (-) since the command
    started.

    The command needs a terminal.  It watches the cluster, so every change shows at once.
    """,
)
@click.option(
    "--sort-by",
    type=click.Choice(tuple(page.ORDERS)),
    default="attention",
    show_default=True,
    help="Order of the pools.",
)
def command(target: options.Target, sort_by: str) -> None:
    """Show pools."""
    terminal = screen.console()

    async def work(opened: session.Session) -> None:
        view, stop = await _view(opened, sort_by), stop_signal(signal.SIGHUP, signal.SIGQUIT)
        with screen.opened(terminal, view.lines, stop) as drawn:
            await run_until(stop, view.run(drawn))

    session.run(target, work)


async def _view(opened: session.Session, sort_by: str) -> View:
    informers = await snapshot.informers(opened.api, opened.namespace)
    supervisor = InformerSupervisor(informers)
    view = View(opened, supervisor, sort_by)
    await view.update(supervisor.snapshot())
    return view


class View:
    """The present pools, sorted."""

    def __init__(
        self, opened: session.Session, supervisor: InformerSupervisor, sort_by: str
    ) -> None:
        self._session, self._supervisor = opened, supervisor
        self._order = page.ORDERS[sort_by]
        self._changes = Changes()
        self._pools: list[pools.PoolReport] = []

    def lines(self, width: int, height: int) -> Group:
        """Return the lines of a screen of this size."""
        shown = page.Page(
            self._session.cluster, self._pools, self._changes, self._supervisor.failure
        )
        return shown.lines(width, height)

    async def update(self, found: Snapshot) -> None:
        """Show another state; the work is done in a thread, so that keys are answered meanwhile."""
        reports = await asyncio.to_thread(_reports, found, self._session.namespace)
        self._pools = sorted(reports, key=self._order)

    async def run(self, drawn: Screen) -> None:
        """Follow changes until cancelled.

        Raises:
            KubeError: in a group: the user may not watch.
        """
        await together(
            self._supervisor.run(self._changes.record), self._follow(drawn), _tick(drawn)
        )

    async def _follow(self, drawn: Screen) -> None:
        async for found in self._supervisor.snapshots():
            await self.update(found)
            drawn.refresh()


async def _tick(drawn: Screen) -> NoReturn:
    while True:
        drawn.refresh()
        await asyncio.sleep(_TICK_SECONDS)


def _reports(found: Snapshot, namespace: str) -> list[pools.PoolReport]:
    return pools.reports(usage.of(found), namespace)
