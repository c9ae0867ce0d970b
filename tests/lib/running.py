# SPDX-License-Identifier: Apache-2.0
"""A controller with caches of its own, as the process has them."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from controller.controller import Controller
from controller.election import Election
from controller.state import State
from kube.tasks import together


async def run(controller: Controller) -> NoReturn:
    """Load the caches, follow them, and let the controller work on them."""
    caches, election = controller.state.caches, Election()
    election.win()
    await caches.load()
    await together(caches.follow(), controller.run(election))
    raise AssertionError("neither ends")


async def fill(state: State) -> None:
    """Load the caches, and make the books from them."""
    await state.caches.load()
    await build(state)


async def build(state: State) -> None:
    """Make the books from what the caches have, as at the beginning of a leadership."""
    changing = asyncio.create_task(state.changes.run())
    await state.build()
    await state.doubt_records()
    changing.cancel()
    with suppress(asyncio.CancelledError):
        await changing
