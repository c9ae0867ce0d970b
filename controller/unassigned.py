# SPDX-License-Identifier: Apache-2.0
"""IPAddresses that may belong to any pool, because their `spec.poolRef` cannot be read."""

from __future__ import annotations

from sortedcontainers import SortedDict

from kube.meta import Key


class Unassigned:
    """These IPAddresses, with the problem of each; a lookup costs O(log n)."""

    def __init__(self) -> None:
        self._problems: SortedDict[Key, str] = SortedDict()

    def set(self, key: Key, problem: str) -> None:
        """Add an IPAddress and its problem."""
        self._problems[key] = problem

    def discard(self, key: Key) -> None:
        """Drop an IPAddress that is deleted, or can be read now."""
        self._problems.pop(key, None)

    def first(self, namespace: str) -> tuple[Key, str] | None:
        """Return the first that may belong to a pool of a namespace; empty for a global pool."""
        key = next(self._problems.irange(Key(namespace, "")), None)
        if key is None or namespace not in ("", key.namespace):
            return None
        return key, self._problems[key]
