# SPDX-License-Identifier: Apache-2.0
"""The terminal: its alternate screen, its size, and the key that ends the command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from contextlib import contextmanager, suppress
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
) -> Generator[Screen]:
    """Draw on the alternate screen during a block, and restore the terminal afterwards.

    `draw` returns what fits into a number of columns and rows.  It is called by `refresh` of the
    result, and when the size changes.  The key q sets the event.

    Flow:
        Before the program is suspended (Ctrl-Z), the terminal is restored.  In the background,
        nothing is drawn.
    """

    def drawn() -> RenderableType:
        return draw(*terminal.size)

    live = Live(get_renderable=drawn, console=terminal, screen=True, auto_refresh=False)
    screen, loop = Screen(live, stop), asyncio.get_running_loop()
    handlers = {
        signal.SIGWINCH: screen.refresh,
        signal.SIGTSTP: screen.suspend,
        signal.SIGCONT: screen.resume,
    }
    try:
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        screen.enter()
        yield screen
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
        screen.leave()


class Screen:
    """The alternate screen, and keys without the Enter key; Ctrl-C still sends a signal."""

    def __init__(self, live: Live, stop: asyncio.Event) -> None:
        self._live, self._stop = live, stop
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before = termios.tcgetattr(self._keys) if self._keys is not None else []

    def refresh(self) -> None:
        """Draw, unless the program is in the background."""
        try:
            if self._live.is_started:
                self._live.refresh()
        except OSError:  # the terminal is gone
            self._stop.set()

    def enter(self) -> None:
        """Use the terminal, unless the program is in the background, whose keys are the shell's."""
        try:
            if self._keys is not None:
                if os.tcgetpgrp(self._keys) != os.getpgrp():
                    return
                tty.setcbreak(self._keys, termios.TCSADRAIN)  # keeps the keys that are pressed
                asyncio.get_running_loop().add_reader(self._keys, self._read)
            self._live.start()
            self.refresh()
        except (OSError, termios.error):  # the terminal is gone
            self._stop.set()

    def leave(self) -> None:
        """Restore the terminal."""
        if self._live.is_started:
            if self._keys is not None:
                with suppress(termios.error):  # the terminal is gone
                    termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
            self._pause()

    def suspend(self) -> None:
        """Restore the terminal and stop the process, as a program without a handler stops."""
        loop = asyncio.get_running_loop()
        self.leave()
        loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when the process is continued
        loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self.enter()

    def resume(self) -> None:
        """Draw again: during a stop by SIGSTOP, another program has used the terminal."""
        self._pause()
        self.enter()

    def _pause(self) -> None:
        """Neither draw nor read keys."""
        if self._keys is not None:
            asyncio.get_running_loop().remove_reader(self._keys)
        with suppress(OSError):  # the terminal is gone
            self._live.stop()

    def _read(self) -> None:
        assert self._keys is not None
        try:
            keys = os.read(self._keys, _READ_BYTES)
        except OSError:  # the terminal is gone
            keys = b""
        if not keys or _QUIT in keys.lower():
            self._stop.set()
