# SPDX-License-Identifier: Apache-2.0
"""Who holds which address: the memory of the allocation, derived from what the caches hold.

An address of a pool is taken while any of these is so:
* an IPAddress object has it;
* a claim with our finalizer says in its annotation that it was given it (a reservation);
* it was chosen for a claim, and the write that records it is on its way (pending).

Everything but `pending` can be rebuilt from the API server, which is what a restart does.
"""

from __future__ import annotations

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
    from ipam.notation import Address
    from kube.objects import Key, PoolKey

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
class _Waiting:
    """Claims that a pool could not serve; one leaves when it is reconciled again."""

    for_any: SortedDict[Age, Key] = field(default_factory=SortedDict[Age, "Key"])
    for_one: set[Key] = field(default_factory=set["Key"])
    """Those that ask for a certain address."""
    ages: dict[Key, Age] = field(default_factory=dict["Key", Age])

    def add(self, key: Key, age: Age, *, for_one: bool) -> None:
        self.remove(key)
        if for_one:
            self.for_one.add(key)
        else:
            self.ages[key] = age
            self.for_any[age] = key

    def remove(self, key: Key) -> None:
        self.for_one.discard(key)
        if (age := self.ages.pop(key, None)) is not None:
            self.for_any.pop(age, None)

    def older_than(self, age: Age) -> int:
        """Return how many claims wait for any address that are older."""
        return self.for_any.bisect_left(age)


class Book:
    """One pool's addresses and their holders.

    Guarantees:
        `choose` never returns an address that anybody else holds.  All calls are synchronous, so in
        one event loop nothing comes between choosing and marking.
    """

    def __init__(self, pool: PoolKey) -> None:
        self.pool = pool
        self.offer = Offer()
        self.not_ready = "does not exist"
        """Why nothing can be allocated, as the rest of a sentence; empty when all is well."""
        self.waiting = _Waiting()
        self._allocator = Allocator(RangeSet())
        self._objects: dict[Key, Address | None] = {}  # None: does not parse
        self._reserved: dict[Key, Address] = {}
        self._pending: dict[Key, Address] = {}
        self._holders: dict[Address, tuple[Key, ...]] = {}  # the first one has the better right
        self._out_of_range = 0

    @property
    def free(self) -> int:
        """How many addresses nobody holds."""
        return self._allocator.free

    @property
    def used(self) -> int:
        """How many IPAddress objects the pool has."""
        return len(self._objects)

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
        if key in self._objects and self._objects[key] == address:
            return
        self.remove_object(key)
        self._objects[key] = address
        self._out_of_range += self._slot(address) is None
        self._hold(key, address)

    def remove_object(self, key: Key) -> None:
        """Forget an IPAddress object."""
        if key not in self._objects:
            return
        address = self._objects.pop(key)
        self._out_of_range -= self._slot(address) is None
        self._let_go(key, address)

    def set_reservation(self, key: Key, address: Address | None) -> None:
        """Remember what a claim's record says; None is no record, or none that counts."""
        old = self._reserved.pop(key, None)
        if address is not None:
            self._reserved[key] = address
            self._hold(key, address)
            self.cancel(key)
        if old != address:
            self._let_go(key, old)

    def cancel(self, key: Key) -> None:
        """Forget a choice: it is recorded now, or surely was not."""
        self._let_go(key, self._pending.pop(key, None))

    def forget_claim(self, key: Key) -> None:
        """Forget what a claim holds that is gone; its IPAddress object counts until it goes too."""
        self.waiting.remove(key)
        self.cancel(key)
        self.set_reservation(key, None)

    def choose(self, key: Key, age: Age, wanted: Address | None, *, settle: bool) -> Address:
        """Choose an address for a claim and mark it as pending; a second call returns the same.

        Flow:
            The address the claim holds or wants; else the lowest free one, unless older claims wait
            for all there are.  With `settle`, one that is lost to another claim is replaced.

        Raises:
            AllocationError: there is none for this claim now; it waits from here on.
        """
        try:
            if self.not_ready:
                raise PoolNotReadyError(self.pool, self.not_ready)
            address = self._choose(key, age, self._pending.get(key, wanted), settle=settle)
        except AllocationError:
            self.waiting.add(key, age, for_one=wanted is not None and not settle)
            raise
        if self._reserved.get(key) != address:
            self._pending[key] = address
            self._hold(key, address)
        return address

    def first_waiting(self) -> list[Key]:
        """Return the oldest waiting claims, as many as could be served, and all choosy ones."""
        served = self.waiting.for_any.values()[: min(self._allocator.free, len(self.waiting.ages))]
        return [*served, *sorted(self.waiting.for_one)]

    def all_waiting(self) -> list[Key]:
        """Return all waiting claims, oldest first."""
        return [*self.waiting.for_any.values(), *sorted(self.waiting.for_one)]

    def _choose(self, key: Key, age: Age, wanted: Address | None, *, settle: bool) -> Address:
        if wanted is None:
            return self._lowest(age)
        holders = self._holders.get(wanted, ())
        if holders and holders[0] == key:
            return wanted
        if holders and settle:
            return self._lowest(age)
        if holders:
            raise AllocationError(
                f"address {wanted} is in use by claim {holders[0]}; "
                f"remove the annotation {ADDRESS_ANNOTATION} to get another one"
            )
        if self._slot(wanted) is None:
            raise AllocationError(
                f"address {wanted} is not one that {self.pool} may hand out; "
                f"remove the annotation {ADDRESS_ANNOTATION} to get another one"
            )
        return wanted

    def _lowest(self, age: Age) -> Address:
        try:
            slot = self._allocator.lowest()
        except ExhaustedError as error:
            raise PoolExhaustedError(self.pool, self.offer.total) from error
        if self._allocator.free <= self.waiting.older_than(age):
            raise PoolExhaustedError(self.pool, self.offer.total)
        return self.offer.address(slot)

    def _slot(self, address: Address | None) -> int | None:
        return self.offer.slot(address) if address else None

    def _hold(self, key: Key, address: Address | None) -> None:
        """Add a holder, and mark the address as taken."""
        if address is not None and key not in (holders := self._holders.get(address, ())):
            self._holders[address] = (*holders, key)
            slot = self._slot(address)
            if slot is not None and self._allocator.is_free(slot):
                self._allocator.take(slot)

    def _let_go(self, key: Key, address: Address | None) -> None:
        """Take a holder away unless it has another title; the last one frees the address."""
        titles = (self._objects, self._reserved, self._pending)
        if address is None or any(title.get(key) == address for title in titles):
            return
        left = tuple(holder for holder in self._holders.get(address, ()) if holder != key)
        if left:
            self._holders[address] = left
            return
        self._holders.pop(address, None)
        if (slot := self._slot(address)) is not None:
            self._allocator.give_back(slot)
