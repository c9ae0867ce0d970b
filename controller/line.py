# SPDX-License-Identifier: Apache-2.0
"""The claims that wait for an address of one pool, oldest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from ipam.notation import Address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ipam.notation import Block
    from kube.meta import Key

Age = tuple[str, int]
"""Sorts claims by creation: creationTimestamp, then resourceVersion."""


@dataclass(slots=True)
class Line:
    """Claims that a pool could not serve; one leaves when it is reconciled again.

    Flow:
        waiting -> called, which is once for each chance to be served -> reconciled.
    """

    ages: dict[Key, Age] = field(default_factory=dict["Key", Age])
    waiting: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    called: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    choosy: dict[Key, Address] = field(default_factory=dict["Key", "Address"])
    """Those that ask for a certain address."""
    callers: SortedDict[Address, set[Key]] = field(
        default_factory=SortedDict["Address", set["Key"]]
    )
    """The choosy ones by their address."""

    def __len__(self) -> int:
        return len(self.ages)

    def add(self, key: Key, age: Age, wanted: Address | None) -> None:
        """Let a claim wait for an address, or for a certain one."""
        self.remove(key)
        self.ages[key] = age
        if wanted is None:
            self.waiting[age] = key
        else:
            self.choosy[key] = wanted
            self.callers.setdefault(wanted, set()).add(key)

    def keep_place(self, key: Key, age: Age) -> None:
        """Let a claim that is tried again after a failure be in line for any address.

        It was called already, so to say: what brings it back is its own retry.
        """
        if key not in self.ages:
            self.ages[key] = age
            self.called[age] = key

    def remove(self, key: Key) -> None:
        """Let a claim wait no more."""
        if (age := self.ages.pop(key, None)) is None:
            return
        self.waiting.pop(age, None)
        self.called.pop(age, None)
        if (wanted := self.choosy.pop(key, None)) is not None:
            self.callers[wanted].discard(key)
            if not self.callers[wanted]:
                del self.callers[wanted]

    def older_than(self, age: Age) -> int:
        """Return how many claims are in line for any address that are older."""
        return self.waiting.bisect_left(age) + self.called.bisect_left(age)

    def asking_for(self, freed: Iterable[Block]) -> list[Key]:
        """Return the claims that ask for one of these addresses, oldest first."""
        found: set[Key] = set()
        for family, first, last in freed:
            asked = self.callers.irange(Address(family, first), Address(family, last))
            found.update(*(self.callers[address] for address in asked))
        return sorted(found, key=self.ages.__getitem__)

    def call(self, free: int, most: int) -> list[Key]:
        """Return at most `most` of the oldest claims not called yet, and as many as are free."""
        found: list[Key] = []
        while self.waiting and len(self.called) < free and len(found) < most:
            age, key = self.waiting.popitem(0)
            self.called[age] = key
            found.append(key)
        return found
