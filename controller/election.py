# SPDX-License-Identifier: Apache-2.0
"""Whether this process leads, and how far the caches of the former leader were."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from objects.informers import Newest

_DECODER = msgspec.json.Decoder(dict[str, int])


class Election:
    """Lets the controllers of one leadership, one after the other, wait for its begin."""

    def __init__(self) -> None:
        self._won = asyncio.Event()
        self._newest: Newest | None = None
        self._caught_up = False

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

    def catch_up(self) -> None:
        """Note that our copies have what any leader before has written."""
        self._caught_up = True

    def left(self, newest: Newest) -> str:
        """Return the text that the next leader has to know of our copies, when this one ends.

        Guarantees:
            Empty where our copies never had all that was written before: the next leader proves by
            itself that its own are up to date.
        """
        return msgspec.json.encode(newest).decode() if self._caught_up else ""

    async def won(self) -> Newest | None:
        """Wait until this process leads.

        Returns:
            How far the caches of the former leader were.  None if that is not known, or if an
            earlier controller of this leadership has used it.
        """
        await self._won.wait()
        newest, self._newest = self._newest, None
        return newest
