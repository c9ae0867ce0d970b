# SPDX-License-Identifier: Apache-2.0
"""Limit the rate of work that can wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")


class RateLimiter(Generic[K]):
    """Gives each key a turn of its own, at a rate of `per_second` by `clock`.

    A turn that has come stays until `forget`.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._turns: dict[K, float] = {}
        self._next = 0.0

    def forget(self, key: K) -> None:
        """Drop the turn of a key: its work is done, or no longer needed."""
        if self._turns.pop(key, None) is not None and not self._turns:
            self._next = min(self._next, self._clock() + self._interval)  # no key waits

    def seconds_left(self, key: K) -> float:
        """Return the seconds until the turn of a key; 0 if it has come."""
        now = self._clock()
        if key not in self._turns:
            self._turns[key] = max(self._next, now)
            self._next = self._turns[key] + self._interval
        return max(self._turns[key] - now, 0.0)
