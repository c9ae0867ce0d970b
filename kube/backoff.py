# SPDX-License-Identifier: Apache-2.0
"""How long work that failed waits: twice as long after each further failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

_DOUBLINGS = 32  # more would overflow, after hours

_LAST_SECONDS = 30.0  # an object that is refused for good costs two requests a minute


class Backoff(Generic[K]):
    """The failures of each key in a row, and how long it is held back by `clock`."""

    def __init__(self, first_seconds: float, clock: Callable[[], float]) -> None:
        self._first = first_seconds
        self._clock = clock
        self.failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}

    def failed(self, key: K) -> float:
        """Hold back a key; return for how many seconds."""
        failures = self.failures.get(key, 0)
        self.failures[key] = failures + 1
        seconds = min(self._first * 2.0 ** min(failures, _DOUBLINGS), _LAST_SECONDS)
        self._not_before[key] = self._clock() + seconds
        return seconds

    def forget(self, key: K) -> None:
        """Forget the failures of a key."""
        self.failures.pop(key, None)
        self._not_before.pop(key, None)

    def seconds_left(self, key: K) -> float:
        """Return how long a key is held back; 0 is not at all."""
        now = self._clock()
        return max(self._not_before.get(key, now) - now, 0.0)
