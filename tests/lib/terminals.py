# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, as a person sees it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from envtest.waiting import until

_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_HOME = "\x1b[H"
ALTERNATE, MAIN = "\x1b[?1049h", "\x1b[?1049l"
"""What switches to the alternate screen, and back."""


class Terminal:
    """What a program draws on a terminal, and the keys for it."""

    def __init__(self, words: Sequence[str | Path], env: Mapping[str, str]) -> None:
        self._file, inside = pty.openpty()
        self.resize(120, 30)
        self.before = termios.tcgetattr(inside)
        self.process = subprocess.Popen(  # setsid: Ctrl-C and the size are signals to the program
            ["setsid", "--ctty", *words],
            env=env,
            stdin=inside,
            stdout=inside,
            stderr=subprocess.PIPE,
        )
        self._inside = inside
        self._read = b""
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()

    @property
    def text(self) -> str:
        """All that it was sent, codes included."""
        return self._read.decode(errors="replace").replace("\r\n", "\n")

    @property
    def screen(self) -> list[str]:
        """The lines of the last drawing, without codes and without spaces at the ends."""
        lines = _CODES.sub("", self.text.rpartition(_HOME)[2]).split("\n")
        return [line.rstrip() for line in lines]

    @property
    def modes(self) -> object:
        """How the terminal treats keys."""
        return termios.tcgetattr(self._inside)

    def shows(self, *texts: str) -> list[str]:
        """Wait until one line has all the texts, and return the screen."""
        return until(
            f"a line has {texts}",
            lambda: self.screen,
            lambda screen: any(all(text in line for text in texts) for line in screen),
        )

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a window does."""
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._file, keys.encode())

    def signal(self, number: int) -> None:
        """Send a signal to the programs in the foreground, as keys do."""
        os.killpg(os.tcgetpgrp(self._file), number)

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and standard error."""
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors.decode()

    def close(self) -> None:
        """End the program, if it still runs, and the terminal."""
        self.process.kill()  # does nothing if it has ended
        self.process.communicate()
        os.close(self._inside)
        self._reader.join()
        os.close(self._file)

    def _follow(self) -> None:
        while True:
            try:
                self._read += os.read(self._file, 65536)
            except OSError:  # nobody has the other end any more
                return


@contextmanager
def terminal(words: Sequence[str | Path], **env: str) -> Generator[Terminal]:
    """Run a program on a terminal for the length of a block."""
    found = Terminal(words, os.environ | {"TERM": "xterm-256color", **env})
    try:
        yield found
    finally:
        found.close()
