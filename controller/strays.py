# SPDX-License-Identifier: Apache-2.0
"""IPAddresses that may be of any pool, because it cannot be read of which they are."""

from __future__ import annotations

from sortedcontainers import SortedDict

from kube.objects import Key


class Strays:
    """Such IPAddresses, and what is wrong with each; a question costs O(log n)."""

    def __init__(self) -> None:
        self._problems: SortedDict[Key, str] = SortedDict()

    def set(self, key: Key, problem: str) -> None:
        """Remember one."""
        self._problems[key] = problem

    def discard(self, key: Key) -> None:
        """Forget one that is gone, or can be read by now."""
        self._problems.pop(key, None)

    def first(self, namespace: str) -> tuple[Key, str] | None:
        """Return the first that may be of a pool in a namespace; empty: of a global pool."""
        key = next(self._problems.irange(Key(namespace, "")), None)
        if key is None or namespace not in ("", key.namespace):
            return None
        return key, self._problems[key]
