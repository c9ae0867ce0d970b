# SPDX-License-Identifier: Apache-2.0
"""Who holds which address: the memory of the allocation, derived from what the caches hold.

An address of a pool is taken while any of these is so:
* an IPAddress object has it;
* a claim with our finalizer says in its annotation that it was given it (a reservation);
* it was chosen for a claim, and its IPAddress has not been seen yet (pending): whatever becomes of
  the claim and its record meanwhile, the write that creates the object may be on its way;
* nobody knows whether such a write, of ours or of a former process, was applied (doubted).

All of it can be rebuilt from the API server, which is what a restart does: it doubts every record
that has no IPAddress.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from ipam.allocator import Allocator
from ipam.errors import ExhaustedError
from ipam.offer import Offer
from ipam.ranges import RangeSet
from kube.objects import ADDRESS_ANNOTATION

from .errors import AllocationError, PoolExhaustedError, PoolNotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipam.notation import Address
    from kube.objects import Key, PoolKey

NO_POOL = "does not exist; its claims get addresses when it is created"
"""Why a pool that is not there hands out nothing, as the rest of a sentence."""

Age = tuple[str, int]
"""Sorts claims by creation: creationTimestamp, then resourceVersion."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A pool's numbers, exactly (the API caps them)."""

    total: int
    free: int
    used: int
    out_of_range: int


@dataclass(slots=True)
class _Line:
    """Claims that a pool could not serve; one leaves when it is reconciled again.

    Flow:
        waiting -> called, which is once for each chance to be served -> reconciled.
    """

    ages: dict[Key, Age] = field(default_factory=dict["Key", Age])
    waiting: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    called: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    choosy: dict[Key, Address] = field(default_factory=dict["Key", "Address"])
    """Those that ask for a certain address."""
    callers: defaultdict[Address, set[Key]] = field(
        default_factory=lambda: defaultdict["Address", set["Key"]](set)
    )
    """The choosy ones by their address."""

    def __len__(self) -> int:
        return len(self.ages)

    def add(self, key: Key, age: Age, wanted: Address | None) -> None:
        self.remove(key)
        self.ages[key] = age
        if wanted is None:
            self.waiting[age] = key
        else:
            self.choosy[key] = wanted
            self.callers[wanted].add(key)

    def remove(self, key: Key) -> None:
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

    def call(self, free: int) -> list[Key]:
        """Return the oldest claims that were not called yet, as far as free addresses go."""
        found: list[Key] = []
        while self.waiting and len(self.called) < free:
            age, key = self.waiting.popitem(0)
            self.called[age] = key
            found.append(key)
        return found


class Book:
    """One pool's addresses and their holders.

    Guarantees:
        `choose` never returns an address that anybody else holds.  All calls are synchronous, so in
        one event loop nothing comes between choosing and marking.
    """

    def __init__(self, pool: PoolKey) -> None:
        self.pool = pool
        self.offer = Offer()
        self.not_ready = NO_POOL
        """Why nothing can be allocated, as the rest of a sentence; empty when all is well."""
        self.line = _Line()
        self._allocator = Allocator(RangeSet())
        self._objects: dict[Key, Address | None] = {}  # None: does not parse
        self._reserved: dict[Key, Address] = {}
        self._pending: dict[Key, Address] = {}
        self._doubted: dict[Key, frozenset[Address]] = {}
        self._holders: dict[Address, tuple[Key, ...]] = {}  # the first one has the better right
        self._out_of_range = 0
        self._unreadable: set[Key] = set()
        self._contended: set[Address] = set()  # those with more than one holder of any kind
        self._freed: set[Address] = set()  # since the last call

    @property
    def idle(self) -> bool:
        """Whether there is nothing in it that a new book would not know."""
        return not (self._objects or self._reserved or self.awaits or self.line)

    @property
    def awaits(self) -> bool:
        """Whether an IPAddress may be on its way."""
        return bool(self._pending or self._doubted)

    @property
    def free(self) -> int:
        """How many addresses nobody holds."""
        return self._allocator.free

    @property
    def used(self) -> int:
        """How many IPAddress objects the pool has."""
        return len(self._objects)

    @property
    def shared(self) -> dict[Address, list[Key]]:
        """Addresses that more than one IPAddress object has, and which; none of our making."""
        found = {
            address: [key for key in self._holders[address] if self._objects.get(key) == address]
            for address in self._contended
        }
        return {address: sorted(keys) for address, keys in found.items() if len(keys) > 1}

    @property
    def duplicates(self) -> int:
        """How many IPAddress objects have an address that another one has, too."""
        return sum(len(keys) for keys in self.shared.values())

    @property
    def reserved(self) -> int:
        """How many claims say that they were given an address."""
        return len(self._reserved)

    @property
    def pending(self) -> Mapping[Key, Address]:
        """Addresses that were chosen and whose IPAddress was not seen yet, by claim."""
        return self._pending

    @property
    def unreadable(self) -> int:
        """How many IPAddress objects have an address that is none."""
        return len(self._unreadable)

    @property
    def counts(self) -> Counts:
        """The pool's numbers now."""
        return Counts(self.offer.total, self.free, self.used, self._out_of_range)

    def set_offer(self, offer: Offer, not_ready: str) -> None:
        """Take over what the pool offers now."""
        self.not_ready = not_ready
        if offer == self.offer:
            return
        self.offer = offer
        slots = (self._slot(address) for address in self._holders)
        self._allocator = Allocator(offer.slots, (slot for slot in slots if slot is not None))
        self._out_of_range = sum(self._slot(item) is None for item in self._objects.values())

    def set_object(self, key: Key, address: Address | None) -> None:
        """Remember an IPAddress object; None is one whose address cannot be read."""
        if key not in self._objects or self._objects[key] != address:
            self.remove_object(key)
            self._objects[key] = address
            self._out_of_range += self._slot(address) is None
            if address is None:
                self._unreadable.add(key)
            self._hold(key, address)
            self._put_objects_first(address)
        self.cancel(key)  # what was on its way is here, or never will be: the name is taken
        self.settle(key)

    def remove_object(self, key: Key) -> None:
        """Forget an IPAddress object."""
        if key not in self._objects:
            return
        address = self._objects.pop(key)
        self._unreadable.discard(key)
        self._out_of_range -= self._slot(address) is None
        self._let_go(key, address)

    def set_reservation(self, key: Key, address: Address | None) -> None:
        """Remember what a claim's record says; None is no record, or none that counts."""
        old = self._reserved.pop(key, None)
        if address is not None:
            self._reserved[key] = address
            self._hold(key, address)
        if old != address:
            self._let_go(key, old)

    def doubt(self, key: Key, address: Address) -> None:
        """Remember that the IPAddress of a claim may come to exist, whatever the claim gets now."""
        self._doubted[key] = self._doubted.get(key, frozenset()) | {address}
        self._hold(key, address)

    def settle(self, key: Key) -> None:
        """Forget all doubts about a claim: its IPAddress exists, or surely does not."""
        for address in self._doubted.pop(key, ()):
            self._freed.add(address)  # others may have a title that was not good enough before
            self._let_go(key, address)

    def holds_first(self, key: Key, address: Address) -> bool:
        """Say whether nobody has a better right to an address that a claim holds."""
        return self._holders.get(address, ())[:1] == (key,)

    def cancel(self, key: Key) -> None:
        """Forget a choice: its IPAddress exists, or surely does not."""
        self._let_go(key, self._pending.pop(key, None))

    def forget_claim(self, key: Key) -> None:
        """Forget what a claim holds that is gone.

        Its IPAddress object counts until it goes too, and so does one that may be on its way.
        """
        self.line.remove(key)
        self.set_reservation(key, None)

    def choose(self, key: Key, age: Age, wanted: Address | None, *, settle: bool) -> Address:
        """Choose an address for a claim and mark it as pending; a second call returns the same.

        Flow:
            The address the claim holds or wants; else the lowest free one, unless older claims wait
            for all there are.  With `settle`, one that it cannot have (any more) is replaced.  A
            wish that has changed counts more than what was chosen before.

        Raises:
            AllocationError: there is none for this claim now; it waits from here on.
        """
        try:
            if self.not_ready:
                raise PoolNotReadyError(self.pool, self.not_ready)
            chosen = self._still_pending(key, wanted)
            address = chosen or self._choose(key, age, wanted, settle=settle)
        except AllocationError:
            self.line.add(key, age, None if settle else wanted)
            raise
        self._pending[key] = address
        self._hold(key, address)
        return address

    def call(self) -> list[Key]:
        """Return the claims in line that can be served now and were not told so yet.

        The oldest come first, then those that ask for an address that was given back.  Whatever
        frees an address, calling afterwards is enough for no claim to be forgotten.
        """
        if self.not_ready:
            return []
        freed, self._freed = self._freed, set()
        choosy = (key for address in freed for key in self.line.callers.get(address, ()))
        return [*self.line.call(self.free), *sorted(choosy, key=self.line.ages.__getitem__)]

    def _still_pending(self, key: Key, wanted: Address | None) -> Address | None:
        """Return what was chosen for a claim before, if it may still have it, and wants it."""
        address = self._pending.get(key)
        if (
            address is None
            or self._slot(address) is None
            or not self.holds_first(key, address)
            or wanted not in (None, address)
        ):
            self.cancel(key)
            return None
        return address

    def _choose(self, key: Key, age: Age, wanted: Address | None, *, settle: bool) -> Address:
        if wanted is None:
            return self._lowest(age)
        first, *_ = holders = self._holders.get(wanted, (key,))
        doubted = any(wanted in self._doubted.get(other, ()) for other in {*holders} - {key})
        if self._slot(wanted) is not None and first == key and not doubted:
            return wanted
        if settle:
            return self._lowest(age)
        problem = (
            f"is not one that {self.pool} may hand out"
            if self._slot(wanted) is None
            else f"is in use by claim {min({*holders} - {key})}"  # the same one after a restart
        )
        advice = f"remove the annotation {ADDRESS_ANNOTATION} to get another one"
        raise AllocationError(f"address {wanted} {problem}; {advice}")

    def _lowest(self, age: Age) -> Address:
        try:
            slot = self._allocator.lowest()
        except ExhaustedError as error:
            raise PoolExhaustedError(self.pool) from error
        if self._allocator.free <= self.line.older_than(age):
            raise PoolExhaustedError(self.pool)
        return self.offer.address(slot)

    def _slot(self, address: Address | None) -> int | None:
        return self.offer.slot(address) if address else None

    def _hold(self, key: Key, address: Address | None) -> None:
        """Add a holder, and mark the address as taken."""
        if address is not None and key not in (holders := self._holders.get(address, ())):
            self._holders[address] = (*holders, key)
            if holders:
                self._contended.add(address)
            slot = self._slot(address)
            if slot is not None and self._allocator.is_free(slot):
                self._allocator.take(slot)

    def _put_objects_first(self, address: Address | None) -> None:
        """Give those with an IPAddress object the better right, as a restart would."""
        if address is not None:
            holders = self._holders[address]
            self._holders[address] = tuple(
                sorted(holders, key=lambda key: self._objects.get(key) != address)
            )

    def _let_go(self, key: Key, address: Address | None) -> None:
        """Take a holder away unless it has another title; the last one frees the address."""
        titles = (self._objects, self._reserved, self._pending)
        if address is None or any(title.get(key) == address for title in titles):
            return
        if address in self._doubted.get(key, ()):
            return
        left = tuple(holder for holder in self._holders.get(address, ()) if holder != key)
        self._freed.add(address)  # also where somebody is left, who may have it now
        if len(left) <= 1:
            self._contended.discard(address)
        if left:
            self._holders[address] = left
            return
        self._holders.pop(address, None)
        if (slot := self._slot(address)) is not None:
            self._allocator.give_back(slot)
