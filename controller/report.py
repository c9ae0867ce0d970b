# SPDX-License-Identifier: Apache-2.0
"""What the controller knows, for people: names and numbers, bounded in size, and no secrets."""

from __future__ import annotations

from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Any

from kube.report import LIMIT, some

if TYPE_CHECKING:
    from kube.informer import Informer

    from .ledger import Book
    from .state import State

_FEW = 20
"""Claims that are named of one pool: a report has up to 100 pools."""


def informers(state: State) -> list[dict[str, object]]:
    """Return how each copy of a collection stands."""
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
    """Return the books of the pools, those with the longest lines first."""
    books = nlargest(LIMIT, state.books.values(), key=lambda book: len(book.line))
    return some(map(_book, books), len(state.books))


def _book(book: Book) -> dict[str, object]:
    counts, line = book.counts, book.line.ages
    oldest = nsmallest(_FEW, line, key=line.__getitem__)
    pending = ({"claim": str(key), "address": str(given)} for key, given in book.pending.items())
    return {
        "pool": str(book.pool),
        "notReady": book.not_ready,
        "total": counts.total,
        "free": counts.free,
        "used": counts.used,
        "outOfRange": counts.out_of_range,
        "duplicates": book.duplicates,
        "unreadable": book.unreadable,
        "reserved": book.reserved,
        "pending": some(pending, len(book.pending), _FEW),
        "line": some(map(str, oldest), len(line), _FEW),
    }
