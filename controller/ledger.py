# SPDX-License-Identifier: Apache-2.0
"""Who holds which address: the memory of the allocation, derived from what the caches hold.

An address of a pool is taken while any of these is so:
* an IPAddress object has it;
* a claim with our finalizer says in its annotation that it was given it (a reservation);
* it was chosen for a claim that is being served (pending);
* the write that creates its IPAddress is under way (sent), whatever becomes of the claim and its
  record meanwhile;
* nobody knows whether such a write, of ours or of a former process, was applied (doubted).

An IPAddress of a prefix pool has all sub-prefixes that it overlaps, though it may be larger or
smaller than those that the pool hands out.

All of it can be rebuilt from the API server, which is what a restart does: it doubts every record
that has no IPAddress.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from ipam.address_sets import AddressSet
from ipam.errors import ExhaustedError
from ipam.notation import BITS, Address, Block, Network
from objects.metadata import ADDRESS_ANNOTATION

from .errors import AllocationError, PoolExhaustedError, PoolNotReadyError
from .layout import Layout
from .line import Line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from ipam.ranges import Range
    from kube.meta import Key
    from objects.pools import PoolKey

    from .line import Age
    from .unassigned import Unassigned

NO_POOL = "does not exist; its claims get addresses when it is created"
"""Why a pool that is not there hands out nothing, as the rest of a sentence."""

_PIECE = 500
"""Addresses whose holders are placed in one piece, which takes 2 to 5 ms."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A pool's numbers, exactly (the API caps them)."""

    total: int
    free: int
    used: int
    out_of_range: int


class Book:
    """One pool's addresses and their holders.

    Guarantees:
        `choose` never returns an address that anybody else holds.  All calls are synchronous, so in
        one event loop nothing comes between choosing and marking.
    """

    def __init__(self, pool: PoolKey, unassigned: Unassigned) -> None:
        """Begin an empty book; `unassigned` are IPAddresses that may belong to any pool."""
        self.pool = pool
        self._problem = NO_POOL  # of the pool itself
        self._unassigned = unassigned
        self._closed_by: SortedDict[Key, str] = SortedDict()  # IPAddresses that cannot be read
        self.line = Line()
        self._layout = Layout(AddressSet())
        self._layout.reached = None
        self._next: Layout | None = None
        self._next_problem = ""
        self._objects: dict[Key, Network | None] = {}  # None: does not parse
        self._reserved: dict[Key, Address] = {}
        self._pending: dict[Key, Address] = {}
        self._sent: dict[Key, Address] = {}
        self._doubted: dict[Key, frozenset[Address]] = {}
        self._holders: SortedDict[Address, tuple[Key, ...]] = SortedDict()
        """The first one has the better right."""
        self._unreadable: set[Key] = set()
        self._contended: set[Address] = set()  # those with more than one holder of any kind
        self._freed: set[Block] = set()  # since the last call

    @property
    def address_set(self) -> AddressSet:
        """What the pool offers."""
        return self._layout.address_set

    @property
    def holders(self) -> int:
        """How many addresses have a holder."""
        return len(self._holders)

    @property
    def idle(self) -> bool:
        """Whether it is empty and can be dropped."""
        return not (self._objects or self._reserved or self.awaits or self.line)

    @property
    def awaits(self) -> bool:
        """Whether an IPAddress may be on its way."""
        return bool(self._pending or self._sent or self._doubted)

    @property
    def not_ready(self) -> str:
        """Why nothing can be allocated, as the rest of a sentence; empty when all is well."""
        return self._problem or self.unknown_use

    @property
    def free(self) -> int:
        """How many addresses nobody holds."""
        return self._layout.allocator.free

    @property
    def used(self) -> int:
        """How many IPAddress objects the pool has."""
        return len(self._objects)

    @property
    def shared(self) -> dict[Address, list[Key]]:
        """Addresses that more than one IPAddress object has, and which; none of our making."""
        found = {
            address: [key for key in self._holders[address] if self._has(key, address)]
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
        return Counts(self.address_set.total, self.free, self.used, len(self._layout.outside))

    def set_offer(self, address_set: AddressSet, problem: str) -> None:
        """Replace the offer of the pool, and the reason why it cannot allocate."""
        self.begin(address_set, problem)
        while self.changing:
            self.go_on()

    def begin(self, address_set: AddressSet, problem: str) -> None:
        """Begin to replace the offer; `go_on` does that in pieces.

        Guarantees:
            Until that is done, the book answers from the old offer.  A problem counts at once.
        """
        self._next = None
        if problem or address_set == self.address_set:
            self._problem = problem
        if address_set != self.address_set:
            self._next, self._next_problem = Layout(address_set, self._unreadable), problem

    @property
    def changing(self) -> bool:
        """Whether the offer is being replaced."""
        return self._next is not None

    def go_on(self) -> None:
        """Place one piece of the holders in the new offer, which counts once all are placed."""
        layout = self._next
        assert layout is not None
        rest = self._holders.irange(layout.reached, inclusive=(False, True))
        addresses = list(islice(rest, _PIECE))
        ranges = (self._range(layout.address_set, address) for address in addresses)
        layout.take(each for each in ranges if each)
        for address in addresses:
            layout.outside.update(self._outside_at(layout.address_set, address))
        if len(addresses) == _PIECE:
            layout.reached = addresses[-1]
            return
        layout.reached = None
        self._layout, self._next, self._problem = layout, None, self._next_problem

    def set_object(self, key: Key, network: Network | None, problem: str = "") -> None:
        """Remember an IPAddress object, with its address and size; None: it cannot be read.

        A `problem` says why nobody knows what the object holds; until that ends, the pool hands
        out nothing.
        """
        if key not in self._objects or self._objects[key] != network:
            self.remove_object(key)
            self._add_object(key, network)
        if problem:
            self._closed_by[key] = problem
        else:
            self._closed_by.pop(key, None)
        self.cancel(key)  # what was on its way is here, or never will be: the name is taken
        self.settle(key)

    def remove_object(self, key: Key) -> None:
        """Forget an IPAddress object."""
        if key not in self._objects:
            return
        self._closed_by.pop(key, None)
        self._unreadable.discard(key)
        for layout in self._layouts:
            layout.outside.discard(key)
        network = self._objects[key]
        if network is None:
            del self._objects[key]
            return
        with self._changing(address := _address(network)):
            del self._objects[key]
            self._drop_holder(key, address)
        self._set_free(network)

    def _add_object(self, key: Key, network: Network | None) -> None:
        if network is None:
            self._objects[key] = None
            self._unreadable.add(key)
            for layout in self._layouts:
                layout.outside.add(key)
            return
        with self._changing(address := _address(network)):
            self._objects[key] = network
            self._add_holder(key, address)
            self._put_objects_first(address)
        for layout in self._layouts:
            if layout.has_reached(address) and not layout.address_set.has_block(network):
                layout.outside.add(key)

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
            self._set_free(
                _alone(address)
            )  # others may have a title that was not good enough before
            self._let_go(key, address)

    def holds_first(self, key: Key, address: Address) -> bool:
        """Say whether nobody has a better right to an address that a claim holds."""
        return self._holders.get(address, ())[:1] == (key,) and not self._is_overlapped(address)

    def send(self, key: Key, address: Address) -> None:
        """Remember that the IPAddress of a claim is being created, until `answered`."""
        self._sent[key] = address
        self._hold(key, address)

    def answered(self, key: Key) -> None:
        """Forget that: it exists, surely does not, or is doubted."""
        self._let_go(key, self._sent.pop(key, None))

    def cancel(self, key: Key) -> None:
        """Forget a choice: its IPAddress exists, or surely does not."""
        self._let_go(key, self._pending.pop(key, None))

    def forget_claim(self, key: Key) -> None:
        """Forget what a claim holds that is gone.

        Its IPAddress object counts until it goes too, and so does one that may be on its way.
        Before that was sent, a choice is nothing.
        """
        self.line.remove(key)
        self.cancel(key)
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
            if not_ready := self.not_ready:
                raise PoolNotReadyError(self.pool, not_ready)
            chosen = self._still_pending(key, wanted)
            address = chosen or self._choose(key, age, wanted, settle=settle)
        except AllocationError:
            self.cancel(key)
            self.line.add(key, age, None if settle else wanted)
            raise
        self._pending[key] = address
        self._hold(key, address)
        return address

    def call(self, most: int) -> list[Key]:
        """Return waiting claims that can be served now and were not returned before.

        At most `most` of the oldest come first, then those that ask for an address that was
        released.  If `most` or more are returned, there may be more.  Call it after each change
        that frees addresses: then no claim is forgotten.

        Caveats:
            It returns none while the pool cannot allocate.  After that, all waiting claims have to
            be reconciled.
        """
        freed, self._freed = self._freed, set()
        if self.not_ready:
            return []
        return [*self.line.call(self.free, most), *self.line.asking_for(freed)]

    def _still_pending(self, key: Key, wanted: Address | None) -> Address | None:
        """Return what was chosen for a claim before, if it may still have it, and wants it."""
        address = self._pending.get(key)
        if (
            address is None
            or self._index_of(address) is None
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
        overlapped = self._is_overlapped(wanted)
        if self._index_of(wanted) is not None and first == key and not (doubted or overlapped):
            return wanted
        if settle:
            return self._lowest(age)
        if self._index_of(wanted) is None:
            problem = f"is not one that {self.pool} may hand out"
        elif overlapped:
            problem = f"overlaps {self._overlapping(wanted)}"
        else:
            problem = f"is in use by claim {min({*holders} - {key})}"  # the same after a restart
        advice = f"remove the annotation {ADDRESS_ANNOTATION} to get another one"
        raise AllocationError(f"address {wanted} {problem}; {advice}")

    def _lowest(self, age: Age) -> Address:
        try:
            index = self._layout.allocator.lowest()
        except ExhaustedError as error:
            raise PoolExhaustedError(self.pool) from error
        if self.free <= self.line.older_than(age):
            raise PoolExhaustedError(self.pool)
        return self.address_set.address_at(index)

    def _index_of(self, address: Address) -> int | None:
        return self.address_set.index_of(address)

    def _outside_at(self, address_set: AddressSet, address: Address) -> Iterator[Key]:
        """Yield the IPAddress objects of an address whose network the offer does not hand out."""
        for key in self._holders[address]:
            network = self._objects.get(key)
            if network and network[:2] == address and not address_set.has_block(network):
                yield key

    def _has(self, key: Key, address: Address) -> bool:
        """Say whether the IPAddress object of this name has an address."""
        network = self._objects.get(key)
        return network is not None and network[:2] == address

    def _range(self, address_set: AddressSet, address: Address) -> Range | None:
        """Return the indexes that the holders of an address have: those of the largest object."""
        if (holders := self._holders.get(address)) is None:
            return None
        objects = (self._objects[key] for key in holders if self._has(key, address))
        largest = min((each for each in objects if each), key=_length, default=None)
        if largest is not None and (overlapped := address_set.overlapping(largest)):
            return overlapped
        index = address_set.index_of(address)
        return None if index is None else (index, index)

    @property
    def _layouts(self) -> tuple[Layout, ...]:
        return (self._layout,) if self._next is None else (self._layout, self._next)

    @contextmanager
    def _changing(self, address: Address) -> Generator[None]:
        """Update the layouts after a block that changes the holders of an address."""
        layouts = [layout for layout in self._layouts if layout.has_reached(address)]
        before = [self._range(layout.address_set, address) for layout in layouts]
        yield
        for layout, old in zip(layouts, before, strict=True):
            layout.move(old, self._range(layout.address_set, address))

    def _is_overlapped(self, address: Address) -> bool:
        """Say whether an IPAddress with another address has a part of what a claim holds here."""
        index = self._index_of(address)
        if index is None:
            return False
        held = address in self._holders
        allocator = self._layout.allocator
        return allocator.is_shared(index) if held else not allocator.is_free(index)

    def _overlapping(self, address: Address) -> str:
        """Name the IPAddress that overlaps an allocation: a larger one, else the first inside it.

        Guarantees:
            It is the same one after a restart.  It costs O(log n) for each prefix length.
        """
        family, value = address
        larger = (Address(family, value >> bits << bits) for bits in range(BITS[family], 0, -1))
        last = Address(family, value + self.address_set.block_size - 1)
        inside = self._holders.irange(address, last, inclusive=(False, True))
        found = (
            (key, network)
            for other in chain(larger, inside, self._unaligned())
            for key in sorted(self._holders.get(other, ()))
            if other != address and (network := self._objects.get(key)) and network[:2] == other
            if self._includes(network, address)
        )
        key, network = next(found)
        return f"IPAddress {key}, which has {_address(network)}/{network.length}"

    def _unaligned(self) -> Iterator[Address]:
        """Yield where IPAddresses are that are no allocation, such as one with host bits."""
        for key in sorted(self._layout.outside):
            if network := self._objects[key]:
                yield _address(network)

    def _includes(self, network: Network, address: Address) -> bool:
        """Say whether an IPAddress with this network has a part of an allocation."""
        taken, index = self.address_set.overlapping(network), self._index_of(address)
        return taken is not None and index in range(taken[0], taken[1] + 1)

    @property
    def unknown_use(self) -> str:
        """Why nobody knows which addresses are in use; empty where that is known."""
        own = self._closed_by.peekitem(0) if self._closed_by else None
        other = self._unassigned.first(self.pool.namespace)
        found = min((each for each in (own, other) if each), default=None)
        if found is None:
            return ""
        key, problem = found
        return (
            f"cannot allocate, because IPAddress {key} cannot be read and its address is not "
            f"known: {problem}; correct or delete that IPAddress"
        )

    def _hold(self, key: Key, address: Address) -> None:
        """Add a holder, and mark what it has as taken."""
        if key in self._holders.get(address, ()):
            return  # by a better title, mostly that of its IPAddress
        with self._changing(address):
            self._add_holder(key, address)

    def _let_go(self, key: Key, address: Address | None) -> None:
        """Take a holder away unless it has another title; the last one frees the address."""
        if address is not None:
            with self._changing(address):
                self._drop_holder(key, address)

    def _add_holder(self, key: Key, address: Address) -> None:
        if key not in (holders := self._holders.get(address, ())):
            self._holders[address] = (*holders, key)
            if holders:
                self._contended.add(address)

    def _put_objects_first(self, address: Address) -> None:
        """Give those with an IPAddress object the better right, as a restart would."""
        holders = self._holders[address]
        self._holders[address] = tuple(sorted(holders, key=lambda key: not self._has(key, address)))

    def _drop_holder(self, key: Key, address: Address) -> None:
        if self._has_title(key, address):
            return
        left = tuple(holder for holder in self._holders.get(address, ()) if holder != key)
        self._set_free(_alone(address))  # also where somebody is left, who may have it now
        if len(left) <= 1:
            self._contended.discard(address)
        if left:
            self._holders[address] = left
        else:
            self._holders.pop(address, None)

    def _has_title(self, key: Key, address: Address) -> bool:
        """Say whether there is any reason why an address is a claim's."""
        titles = (self._reserved, self._pending, self._sent)
        return (
            self._has(key, address)
            or any(title.get(key) == address for title in titles)
            or address in self._doubted.get(key, ())
        )

    def _set_free(self, network: Network) -> None:
        """Remember that who asks for an allocation that this overlapped may have it now."""
        if not self.line.callers:
            return  # nobody asks; in a standby, nobody would forget it again
        first = network.first - network.first % self.address_set.block_size
        self._freed.add(Block(network.family, first, network.last))


def _address(network: Network) -> Address:
    return Address(network.family, network.value)


def _alone(address: Address) -> Network:
    return Network(*address, BITS[address.family])


def _length(network: Network) -> int:
    return network.length
