# SPDX-License-Identifier: Apache-2.0
"""Parts that many objects have alike, kept once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar, cast

H = TypeVar("H", bound=Hashable)

_MOST_PARTS = 10_000  # about 1 MB


class Interner:
    """Keeps one of several equal parts, as `sys.intern` does with texts."""

    def __init__(self) -> None:
        self._parts: dict[Hashable, Hashable] = {}

    def intern(self, part: H) -> H:
        """Return the kept part that equals this one."""
        if len(self._parts) > _MOST_PARTS:
            self._parts.clear()  # few are alike; parts that are in use stay valid
        return cast("H", self._parts.setdefault(part, part))
