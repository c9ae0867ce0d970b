# SPDX-License-Identifier: Apache-2.0
"""Waiting for a state instead of for a time: a slow machine takes longer and nothing else."""

import time
from collections.abc import Callable
from typing import TypeVar

from .errors import NotReachedError

T = TypeVar("T")

POLL_SECONDS = 0.02  # how often a state is looked at: below what a person notices
PATIENCE_SECONDS = 30.0  # what takes this long on an overloaded machine never comes


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until `condition` holds or `seconds` are over; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def until(
    what: str, look: Callable[[], T], good: Callable[[T], bool], seconds: float = PATIENCE_SECONDS
) -> T:
    """Look until the result is good, and return it; `what` names the state in errors.

    Raises:
        NotReachedError: `seconds` are over; it holds what was seen last.
    """
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise NotReachedError(what, seconds, seen)
        time.sleep(POLL_SECONDS)
    return seen
