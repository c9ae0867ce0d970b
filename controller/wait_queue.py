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
class WaitQueue:
    """Claims that a pool could not serve; a claim leaves when it is reconciled again.

    Flow:
        waiting -> notified, once for each free address -> reconciled.
    """

    ages: dict[Key, Age] = field(default_factory=dict["Key", Age])
    waiting: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    notified: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    requesting: dict[Key, Address] = field(default_factory=dict["Key", "Address"])
    """The claims that request a certain address."""
    requesters: SortedDict[Address, set[Key]] = field(
        default_factory=SortedDict["Address", set["Key"]]
    )
    """The same claims by the requested address."""

    def __len__(self) -> int:
        return len(self.ages)

    def add(self, key: Key, age: Age, wanted: Address | None) -> None:
        """Add a claim that waits for any address, or for the wanted one."""
        self.remove(key)
        self.ages[key] = age
        if wanted is None:
            self.waiting[age] = key
        else:
            self.requesting[key] = wanted
            self.requesters.setdefault(wanted, set()).add(key)

    def keep_place(self, key: Key, age: Age) -> None:
        """Keep the place of a claim whose reconciliation failed.

        The claim counts as notified, because its own retry brings it back.
        """
        if key not in self.ages:
            self.ages[key] = age
            self.notified[age] = key

    def remove(self, key: Key) -> None:
        """Remove a claim from the queue."""
        if (age := self.ages.pop(key, None)) is None:
            return
        self.waiting.pop(age, None)
        self.notified.pop(age, None)
        if (wanted := self.requesting.pop(key, None)) is not None:
            self.requesters[wanted].discard(key)
            if not self.requesters[wanted]:
                del self.requesters[wanted]

    def older_than(self, age: Age) -> int:
        """Return how many older claims wait for any address."""
        return self.waiting.bisect_left(age) + self.notified.bisect_left(age)

    def requesters_of(self, freed: Iterable[Block]) -> list[Key]:
        """Return the claims that request one of these addresses, oldest first."""
        found: set[Key] = set()
        for family, first, last in freed:
            asked = self.requesters.irange(Address(family, first), Address(family, last))
            found.update(*(self.requesters[address] for address in asked))
        return sorted(found, key=self.ages.__getitem__)

    def notify(self, free: int, most: int) -> list[Key]:
        """Notify the oldest claims: as many as addresses are `free`, and at most `most`."""
        found: list[Key] = []
        while self.waiting and len(self.notified) < free and len(found) < most:
            age, key = self.waiting.popitem(0)
            self.notified[age] = key
            found.append(key)
        return found
