# SPDX-License-Identifier: Apache-2.0
"""Whether the jobs of the process make progress, for the liveness probe.

A job that waits through an outage of the API server still beats, because each of its attempts ends.
A job that does not beat hangs, and only a new process helps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

Check = Callable[[], str]
"""Returns the problem; empty if all is well."""

BOUND_SECONDS = 600.0
"""After so long without a sign of life a job is lost.

The longest that a healthy job is silent is one watch: 290 s until the API server ends it, and some
two minutes where it does not.
"""


class Liveness:
    """The checks of the jobs that run."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    @contextmanager
    def checking(self, check: Check) -> Generator[None]:
        """Ask a check while the block runs."""
        self._checks.append(check)
        try:
            yield
        finally:
            self._checks.remove(check)

    def problems(self) -> list[str]:
        """Return the present problems."""
        return [problem for check in self._checks if (problem := check())]


LIVENESS = Liveness()
"""The checks of this process."""


class Heartbeat:
    """The signs of life of one job, which is checked while it is `running`."""

    def __init__(self, job: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Show a sign of life."""
        self._last = self._clock()

    @contextmanager
    def running(self) -> Generator[None]:
        """Check the job while the block runs."""
        self.beat()
        with LIVENESS.checking(self.problem):
            yield

    def problem(self) -> str:
        """Return the message that the job hangs; empty if it does not."""
        return silence(self._job, self._clock() - self._last)


def silence(job: str, seconds: float) -> str:
    """Return the message that a job hangs after so many silent seconds; empty if it does not."""
    if seconds <= BOUND_SECONDS:
        return ""
    return f"{job} has shown no sign of life for {seconds:.0f} s (bound: {BOUND_SECONDS:.0f} s)"
