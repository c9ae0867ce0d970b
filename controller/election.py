# SPDX-License-Identifier: Apache-2.0
"""Whether this process leads, and how far the caches of the former leader were."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from kube.caches import Newest

_DECODER = msgspec.json.Decoder(dict[str, int])


class Election:
    """Lets the controllers of one leadership, one after the other, wait for its begin."""

    def __init__(self) -> None:
        self._won = asyncio.Event()
        self._newest: Newest | None = None

    @property
    def is_won(self) -> bool:
        """Whether this process leads."""
        return self._won.is_set()

    def win(self, left: str = "") -> None:
        """Lead from now on; `left` is the note of the former leader, from `text`."""
        try:
            self._newest = _DECODER.decode(left) if left else None
        except msgspec.MsgspecError:
            self._newest = None
        self._won.set()

    async def won(self) -> Newest | None:
        """Wait until this process leads.

        Returns:
            How far the caches of the former leader were.  None if that is not known, or if an
            earlier controller of this leadership has used it.
        """
        await self._won.wait()
        newest, self._newest = self._newest, None
        return newest


def text(newest: Newest) -> str:
    """Return how far our caches are, as a note for the next leader."""
    return msgspec.json.encode(newest).decode()
