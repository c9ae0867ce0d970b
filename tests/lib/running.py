# SPDX-License-Identifier: Apache-2.0
"""A controller with caches of its own, as the process has them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

import pytest
from builders import CONTRACT

from controller.controller import Controller
from controller.election import Election
from controller.state import State
from kube.client import Api
from kube.tasks import together
from objects import contracts
from objects.informers import Informers, Scope


@asynccontextmanager
async def at_work(api: Api, scope: Scope | None = None) -> AsyncGenerator[Controller]:
    """Let a controller with new caches work while the block runs."""
    controller = Controller(api, Informers(api, CONTRACT, scope or Scope()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contracts, "_CHECK_SECONDS", 3600.0)  # the fake has no CRDs to find
        task = asyncio.create_task(run(controller))
        try:
            yield controller
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def run(controller: Controller) -> NoReturn:
    """Load the caches, follow them, and let the controller work on them."""
    informers, election = controller.state.informers, Election()
    election.win()
    await informers.sync()
    await together(informers.run(), controller.run(election))
    raise AssertionError("neither ends")


async def fill(state: State) -> None:
    """Load the caches, and build the allocations from them."""
    await state.informers.sync()
    await build(state)


async def build(state: State) -> None:
    """Build the allocations from the caches, as at the beginning of a leadership."""
    changing = asyncio.create_task(state.changes.run())
    await state.build()
    await state.mark_records_in_flight()
    changing.cancel()
    with suppress(asyncio.CancelledError):
        await changing
