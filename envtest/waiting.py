# SPDX-License-Identifier: Apache-2.0
"""Waiting for a state instead of for a time: a slow machine takes longer and nothing else."""

import time
from collections.abc import Callable
from typing import TypeVar

from .errors import NotReachedError

T = TypeVar("T")

POLL_SECONDS = 0.02  # between the first looks at a state: below what a person notices
POLL_SHARE = 0.05  # of the time so far, between later looks: each costs both sides CPU
PATIENCE_SECONDS = 30.0  # what takes this long on an overloaded machine never comes


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until `condition` holds or `seconds` are over; return whether it holds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + seconds:
            return False
        _pause(began)
    return True


def until(
    what: str, look: Callable[[], T], good: Callable[[T], bool], seconds: float = PATIENCE_SECONDS
) -> T:
    """Look until the result is good, and return it; `what` names the state in errors.

    Raises:
        NotReachedError: `seconds` are over; it holds what was seen last.
    """
    began = time.monotonic()
    while not good(seen := look()):
        if time.monotonic() > began + seconds:
            raise NotReachedError(what, seconds, seen)
        _pause(began)
    return seen


def _pause(began: float) -> None:
    """Sleep before the next look."""
    time.sleep(max(POLL_SECONDS, POLL_SHARE * (time.monotonic() - began)))
