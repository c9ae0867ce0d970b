# SPDX-License-Identifier: Apache-2.0
"""Runs a build once, shows that it lives, and puts its program in place whole."""

import fcntl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import BuildError
from ..processes import Process, tail

PROGRESS_SECONDS = 15.0  # between two lines of progress: often enough to show that it lives


def build(name: str, command: Callable[[Path], Sequence[str]], target: Path) -> Path:
    """Build a program beside its target, and move it there at once.

    `command` returns the command that writes the program to a path.

    Raises:
        BuildError: the command failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as scratch:
        fresh, log = Path(scratch) / name, Path(scratch) / "log"
        environment = {"CGO_ENABLED": "0", "GOMAXPROCS": ""}  # all cores, in parallel tests, too
        with (
            Process(f"go build {name}", command(fresh), log, environment=environment) as process,
            _progress(name, log, began),
        ):
            status = process.wait(threading.TIMEOUT_MAX)
        if status != 0:
            raise BuildError(f"go build {name}", status, tail(log))
        fresh.replace(target)
    say(f"built {name} in {time.monotonic() - began:.0f} s")
    return target


@contextmanager
def locked(folder: Path, name: str) -> Generator[None]:
    """Keep other runs out for the length of a block; wait until they are done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another run gets {name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Print a line for people."""
    sys.stderr.write(f"envtest: {line}\n")
    sys.stderr.flush()


@contextmanager
def _progress(name: str, log: Path, began: float) -> Generator[None]:
    """Print a line now and then from a thread, as long as the block runs."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(PROGRESS_SECONDS):
            lines = log.read_text(errors="replace").splitlines()
            fetched = sum(line.startswith("go: downloading") for line in lines)
            compiled = sum(not line.startswith("go: ") for line in lines)
            seconds = time.monotonic() - began
            say(f"{name}: {seconds:.0f} s, {fetched} modules fetched, {compiled} packages built")

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
