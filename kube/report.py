# SPDX-License-Identifier: Apache-2.0
"""Reports for people: the first few of many, and how many are left out."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 100
"""Of each sort of thing: what a person reads, and what a busy process can spare."""


def some(items: Iterable[object], count: int, limit: int = LIMIT) -> dict[str, object]:
    """Return the first of `count` items; no more of them are made."""
    return {
        "count": count,
        "first": list(islice(items, limit)),
        "leftOut": max(count - limit, 0),
    }


def seconds(value: float) -> float:
    """Round to milliseconds."""
    return round(value, 3)
