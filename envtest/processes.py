# SPDX-License-Identifier: Apache-2.0
"""Child processes that always end.

A `Process` ends with its `with` block or `stop`, with this interpreter (atexit), and with a SIGKILL
of this interpreter (`launcher`).  Each leads a process group, so that Ctrl-C in a terminal reaches
only the starter, which then stops its children in order.  Detached ones (`make dev`) outlive the
starter on purpose; `Identity` finds them again without ever mistaking a reused process id.
"""

import atexit
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .errors import StartError
from .waiting import wait_until

_CRASHES = frozenset((-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL))

STOP_SECONDS = 15.0  # SIGTERM to SIGKILL: a graceful stop takes under 2 s, a loaded machine longer
TAIL_LINES = 25  # lines of a log that an error quotes: a Go panic's head or a Python traceback
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """One run of a program: a process id alone may be reused, with its start time it is unique."""

    pid: int
    started: str
    """Field 22 of /proc/PID/stat: clock ticks after boot."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the identity of a live process; a zombie is not one."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()  # the name before may hold blanks and brackets
        return None if fields[0] == "Z" else cls(pid, fields[19])

    def alive(self) -> bool:
        """Return whether this run still goes on."""
        return Identity.of(self.pid) == self

    def end(self, seconds: float = STOP_SECONDS) -> None:
        """Send SIGTERM, after `seconds` SIGKILL, and return when the process is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.alive():
                return
            os.kill(self.pid, number)
            wait_until(lambda: not self.alive(), seconds)


class Startable(ABC):
    """Starts and ends with its `with` block; ends what has started if the rest does not start."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start everything."""

    @abstractmethod
    def stop(self) -> None:
        """End everything that runs."""


class Process:
    """A program that can be started again and again with the same command.

    Output of all runs is appended to `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        detached: bool = False,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.environment = dict(environment or {})
        self.detached = detached
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self._child is None:
            raise StartError(self.name, "was never started", tail(self.log))
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the last run still goes on."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the program; does nothing while it runs."""
        if self.running:
            return
        command = self.command
        if not self.detached:
            launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())]
            command = [*launcher, *command]
            atexit.register(self.kill)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                process_group=None if self.detached else 0,
                start_new_session=self.detached,
            )

    def await_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready` says so.

        Raises:
            StartError: the process ended, or `seconds` went by.
        """
        reached = wait_until(lambda: not self.running or ready(), seconds)
        if not self.running:
            status = self._child.returncode if self._child else None
            raise StartError(self.name, f"ended with status {status}", tail(self.log))
        if not reached:
            raise StartError(self.name, f"was not ready within {seconds:g} s", tail(self.log))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process; it must be running."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until the process ended and return its status (negative: by that signal)."""
        if self._child is None:
            raise StartError(self.name, "was never started", tail(self.log))
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            problem = f"still runs after {seconds:g} s"
            raise StartError(self.name, problem, tail(self.log)) from error

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to stop (SIGTERM), insist after `seconds` (SIGKILL), and reap it.

        Raises:
            StartError: it had crashed before.
        """
        self._check_crash()
        if self._child is not None and self.running:
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        atexit.unregister(self.kill)

    def _check_crash(self) -> None:
        status = self._child.poll() if self._child else None
        if status in _CRASHES:
            problem = f"crashed ({signal.Signals(-status).name})"
            raise StartError(self.name, problem, tail(self.log))

    def kill(self) -> None:
        """End the process group at once, as a power cut would (SIGKILL), and reap the process."""
        if self._child is not None and self.running:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        atexit.unregister(self.kill)


def tail(log: Path, lines: int = TAIL_LINES, offset: int = 0) -> str:
    """Return the last lines that were written to `log` after byte `offset`."""
    if not log.exists():
        return "(no log was written)"
    with log.open(errors="replace") as file:
        file.seek(offset)
        return "".join(deque(file, lines)).rstrip() or "(the log is empty)"
