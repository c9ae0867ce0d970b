# SPDX-License-Identifier: Apache-2.0
"""Whether this process leads, and which revisions the caches of the former leader had."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from objects.informers import Newest

_DECODER = msgspec.json.Decoder(dict[str, int])


class Election:
    """Lets the controllers of one leadership, one after the other, wait for its start."""

    def __init__(self) -> None:
        self._won = asyncio.Event()
        self._newest: Newest | None = None
        self._caught_up = False

    @property
    def is_won(self) -> bool:
        """Whether this process leads."""
        return self._won.is_set()

    def win(self, left: str = "") -> None:
        """Lead from now on; `left` is the note of the former leader, from its `left`."""
        try:
            self._newest = _DECODER.decode(left) if left else None
        except msgspec.MsgspecError:
            self._newest = None
        self._won.set()

    def catch_up(self) -> None:
        """Note that our caches have all writes of former leaders."""
        self._caught_up = True

    def left(self, newest: Newest) -> str:
        """Return the note for the next leader: the revisions of our caches.

        Guarantees:
            Empty if our caches never had all writes of former leaders.  The next leader then proves
            by itself that its caches are up to date.
        """
        return msgspec.json.encode(newest).decode() if self._caught_up else ""

    async def won(self) -> Newest | None:
        """Wait until this process leads.

        Returns:
            The revisions of the former leader's caches.  None if they are unknown, or if an earlier
            controller of this leadership has used them.
        """
        await self._won.wait()
        newest, self._newest = self._newest, None
        return newest
