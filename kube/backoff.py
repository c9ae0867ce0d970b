# SPDX-License-Identifier: Apache-2.0
"""Exponential back-off: how long a key waits after failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")

_DOUBLINGS = 32  # more would overflow, after hours

_LAST_SECONDS = 30.0  # an object that is refused for good costs two requests a minute


class Backoff(Generic[K]):
    """Counts the failures of each key in a row, and holds it back for a time by `clock`."""

    def __init__(self, first_seconds: float, clock: Callable[[], float]) -> None:
        self._first = first_seconds
        self._clock = clock
        self.failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}

    def failed(self, key: K) -> float:
        """Count a failure of a key, and return for how many seconds it is held back."""
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
        """Return for how many seconds a key is still held back; 0 if it is not."""
        now = self._clock()
        return max(self._not_before.get(key, now) - now, 0.0)
