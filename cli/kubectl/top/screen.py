# SPDX-License-Identifier: Apache-2.0
"""The terminal: its alternate screen, its size, and the key that ends the command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import RenderableType

_QUIT = b"q"
_READ_BYTES = 64  # more keys than a person presses at a time


def console() -> Console:
    """Return the terminal.

    Raises:
        click.UsageError: standard output is not a terminal, or cannot move its cursor.
    """
    found = Console(highlight=False)
    if not found.is_terminal or found.is_dumb_terminal:
        raise click.UsageError(
            "standard output is not a terminal that top can draw on: use kubectl ipam pools, which "
            "prints the pools once"
        )
    return found


@contextmanager
def opened(
    terminal: Console, draw: Callable[[int, int], RenderableType], stop: asyncio.Event
) -> Generator[Live]:
    """Draw on the alternate screen during a block, and restore the screen afterwards.

    `draw` returns what fits into a number of columns and rows.  It is called by `refresh` of the
    result, and when the size changes.  The key q sets the event.
    """

    def drawn() -> RenderableType:
        return draw(*terminal.size)

    live = Live(get_renderable=drawn, console=terminal, screen=True, auto_refresh=False)
    loop = asyncio.get_running_loop()
    with live, _keys(stop):
        loop.add_signal_handler(signal.SIGWINCH, live.refresh)
        try:
            yield live
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)


@contextmanager
def _keys(stop: asyncio.Event) -> Generator[None]:
    """Set an event at the key q, without the Enter key; Ctrl-C still sends a signal."""
    if not sys.stdin.isatty():
        yield
        return
    terminal, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(terminal)

    def read() -> None:
        keys = os.read(terminal, _READ_BYTES)
        if not keys or _QUIT in keys.lower():  # no keys: the terminal is closed
            stop.set()

    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
