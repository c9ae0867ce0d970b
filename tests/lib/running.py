# SPDX-License-Identifier: Apache-2.0
"""A controller with caches of its own, as the process has them."""

from typing import NoReturn

from controller.controller import Controller
from controller.state import State
from kube.tasks import together


async def run(controller: Controller) -> NoReturn:
    """Load the caches, follow them, and let the controller work on them."""
    caches = controller.state.caches
    await caches.load()
    await together(caches.follow(), controller.run())
    raise AssertionError("neither ends")


async def fill(state: State) -> None:
    """Load the caches, and make the books from them."""
    await state.caches.load()
    await state.rebuild()
