# SPDX-License-Identifier: Apache-2.0
"""The last change of each pool: an address that was allocated or released."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from kube.deltas import Added, Deleted
from objects import clusterapi
from objects.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.deltas import Delta
    from objects.pools import PoolKey

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400  # seconds


class Change(NamedTuple):
    """An address with `+` if it was allocated or `-` if it was released, and when."""

    sign: str
    address: str
    at: float


class Changes:
    """Remembers the last change of each pool since the command began."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[PoolKey, Change] = {}

    def record(self, delta: Delta[Any]) -> None:
        """Take note of a new or deleted IPAddress; handles the events of all informers."""
        address = delta.object
        if isinstance(address, Pool) and isinstance(delta, Deleted):
            self._last.pop(address.key, None)
        if isinstance(address, clusterapi.IPAddress) and address.pool:
            if isinstance(delta, Added):
                self._last[address.pool] = Change("+", address.spec.address, self._clock())
            elif isinstance(delta, Deleted):
                self._last[address.pool] = Change("-", address.spec.address, self._clock())

    def text(self, pool: PoolKey) -> str:
        """Return the last change of a pool, such as `+10.0.0.7 5s ago`; empty if it has none."""
        if (last := self._last.get(pool)) is None:
            return ""
        return f"{last.sign}{last.address} {_duration(self._clock() - last.at)} ago"


def _duration(seconds: float) -> str:
    """Return a duration as kubectl shortens it.

    Source: k8s.io/apimachinery/pkg/util/duration, ShortHumanDuration
    """
    whole = int(seconds)
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
