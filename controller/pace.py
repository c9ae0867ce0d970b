# SPDX-License-Identifier: Apache-2.0
"""Turns for work that can wait, so that it never becomes a storm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

_FIRST_SECONDS = 0.1  # a conflict is solved as soon as the watch has caught up
_LAST_SECONDS = 30.0  # an object that is refused for good costs two requests a minute


class Pace(Generic[K]):
    """Gives each key a turn of its own, so many a second by `clock`.

    A turn that has come stays until it is given up.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._turns: dict[K, float] = {}
        self._next = 0.0

    def forget(self, key: K) -> None:
        """Give up the turn of a key: its work is done, or not needed any more."""
        if self._turns.pop(key, None) is not None and not self._turns:
            self._next = min(self._next, self._clock() + self._interval)  # nobody waits any more

    def seconds_left(self, key: K) -> float:
        """Return how long until a key's turn; 0 is now."""
        now = self._clock()
        if key not in self._turns:
            self._turns[key] = max(self._next, now)
            self._next = self._turns[key] + self._interval
        return max(self._turns[key] - now, 0.0)


class Backoff(Generic[K]):
    """Holds back a key whose work failed, longer after each further failure.

    A queue holds back a failed key only until something adds it again, as each event about a claim
    does for the claim's pool.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}

    def failed(self, key: K) -> None:
        """Begin to hold back a key."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(_FIRST_SECONDS * 2.0**failures, _LAST_SECONDS)
        self._not_before[key] = self._clock() + seconds

    def forget(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    def seconds_left(self, key: K) -> float:
        """Return how long a key is held back; 0 is not at all."""
        now = self._clock()
        return max(self._not_before.get(key, now) - now, 0.0)
