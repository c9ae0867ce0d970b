# SPDX-License-Identifier: Apache-2.0
"""Long work in short pieces: between them the lease is renewed and webhooks answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

T = TypeVar("T")

_PIECE = 500  # items; some 20 µs of work each


async def in_pieces(items: Iterable[T]) -> AsyncGenerator[T]:
    """Yield items; after each few hundred of them all other tasks have a turn."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % _PIECE == 0:
            await asyncio.sleep(0)
