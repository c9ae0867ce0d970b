# SPDX-License-Identifier: Apache-2.0
"""Parts that many objects have alike, kept once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar, cast

H = TypeVar("H", bound=Hashable)

_MOST_PARTS = 10_000  # about 1 MB


class Same:
    """Parts that many objects have alike, each kept once."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Hashable] = {}

    def __call__(self, part: H) -> H:
        """Return the part that is kept and equals this one."""
        if len(self._parts) > _MOST_PARTS:
            self._parts.clear()  # so they were not so alike; nothing breaks by it
        return cast("H", self._parts.setdefault(part, part))
