# SPDX-License-Identifier: Apache-2.0
"""The controller's state for /debug: names and numbers, limited in size, without secrets."""

from __future__ import annotations

from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Any

from kube.report import LIMIT, some

if TYPE_CHECKING:
    from kube.informer import Informer

    from .allocations import PoolAllocations
    from .state import State

_FEW = 20
"""Claims that are named of one pool: a report has up to 100 pools."""


def informers(state: State) -> list[dict[str, object]]:
    """Return the state of each cache."""
    return [_informer(each) for each in state.informers.all]


def _informer(informer: Informer[Any]) -> dict[str, object]:
    return {
        "resource": informer.resource.plural,
        "version": informer.resource.api_version,
        "objects": len(informer),
        "skipped": informer.skipped,
        "revision": informer.revision,
    }


def pools(state: State) -> dict[str, object]:
    """Return the allocations of the pools, those with the longest queues first."""
    known = nlargest(
        LIMIT, state.allocations.values(), key=lambda allocations: len(allocations.queue)
    )
    return some(map(_pool, known), len(state.allocations))


def _pool(allocations: PoolAllocations) -> dict[str, object]:
    counts, ages = allocations.counts, allocations.queue.ages
    oldest = nsmallest(_FEW, ages, key=ages.__getitem__)
    pending = (
        {"claim": str(key), "address": str(given)} for key, given in allocations.pending.items()
    )
    return {
        "pool": str(allocations.pool),
        "notReady": allocations.not_ready,
        "total": counts.total,
        "free": counts.free,
        "used": counts.used,
        "outOfRange": counts.out_of_range,
        "duplicates": allocations.duplicates,
        "unreadable": allocations.unreadable,
        "reserved": allocations.reserved,
        "pending": some(pending, len(allocations.pending), _FEW),
        "line": some(map(str, oldest), len(ages), _FEW),
    }
