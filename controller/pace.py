# SPDX-License-Identifier: Apache-2.0
"""Turns for work that can wait, so that it never becomes a storm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

K = TypeVar("K", bound="Hashable")


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
