# SPDX-License-Identifier: Apache-2.0
"""The allocations of a pool: which claim holds which address, in memory.

An address of a pool is taken while one of these is true:
* An IPAddress object has it.
* A claim with our finalizer records it in its annotation (reserved).
* It is chosen for a claim that is being served (pending).
* The request that creates its IPAddress is not answered yet (creating).  A deletion of the claim or
  of its record does not change that.
* Such a request, from this process or a former one, has an unknown result (in flight).

An IPAddress of a prefix pool takes every sub-prefix that it overlaps.  It may be larger or smaller
than the sub-prefixes that the pool hands out.

A restart rebuilds all of it from the API server.  It treats each record without an IPAddress as a
create in flight.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from sortedcontainers import SortedDict

from ipam.address_sets import AddressSet
from ipam.errors import ExhaustedError
from ipam.notation import BITS, Address, Block, Network
from objects.metadata import ADDRESS_ANNOTATION

from .errors import AllocationError, PoolExhaustedError, PoolNotReadyError
from .layout import Layout
from .wait_queue import WaitQueue

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from ipam.ranges import Range
    from kube.meta import Key
    from objects.pools import PoolKey

    from .unassigned import Unassigned
    from .wait_queue import Age

NO_POOL = "does not exist; its claims get addresses when it is created"
"""Why a missing pool allocates nothing, as the rest of a sentence."""

_PIECE = 500
"""Addresses whose holders are placed in one piece, in 2 to 5 ms."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The exact numbers of a pool; the API caps them."""

    total: int
    free: int
    used: int
    out_of_range: int


class InFlight(NamedTuple):
    """Addresses of a claim's creates that may still succeed, and until when, by the clock."""

    addresses: frozenset[Address]
    until: float


class PoolAllocations:
    """One pool's addresses and their holders.

    Guarantees:
        `choose` never returns an address that another claim holds.  All calls are synchronous, so
        no other task runs between the choice and its mark.
    """

    def __init__(self, pool: PoolKey, unassigned: Unassigned) -> None:
        """Begin without holders; `unassigned` are IPAddresses that may belong to any pool."""
        self.pool = pool
        self._problem = NO_POOL  # of the pool itself
        self._unassigned = unassigned
        self._blocked_by: SortedDict[Key, str] = SortedDict()  # IPAddresses that cannot be read
        self.queue = WaitQueue()
        self._layout = Layout(AddressSet())
        self._layout.reached = None
        self._next: Layout | None = None
        self._next_problem = ""
        self._objects: dict[Key, Network | None] = {}  # None: its address does not parse
        self._reserved: dict[Key, Address] = {}
        self._pending: dict[Key, Address] = {}
        self._creating: dict[Key, Address] = {}
        self._in_flight: dict[Key, InFlight] = {}
        self._holders: SortedDict[Address, tuple[Key, ...]] = SortedDict()
        """The claims that hold each address; the first one owns it."""
        self._unreadable: set[Key] = set()
        self._contended: set[Address] = set()  # addresses with more than one holder
        self._freed: set[Block] = set()  # since the last `notify`

    @property
    def address_set(self) -> AddressSet:
        """The addresses that the pool may hand out."""
        return self._layout.address_set

    @property
    def holders(self) -> int:
        """How many addresses have a holder."""
        return len(self._holders)

    @property
    def is_empty(self) -> bool:
        """Whether it is empty and can be dropped."""
        return not (self._objects or self._reserved or self.expects_objects or self.queue)

    @property
    def expects_objects(self) -> bool:
        """Whether the watch may still report an IPAddress that this pool does not know."""
        return bool(self._pending or self._creating or self._in_flight)

    @property
    def not_ready(self) -> str:
        """Why the pool cannot allocate, as the rest of a sentence; empty if it can."""
        return self._problem or self.unknown_use

    @property
    def free(self) -> int:
        """How many addresses have no holder."""
        return self._layout.allocator.free

    @property
    def used(self) -> int:
        """How many IPAddress objects the pool has."""
        return len(self._objects)

    @property
    def shared(self) -> dict[Address, list[Key]]:
        """Addresses that several IPAddress objects have, with the names of these objects."""
        found = {
            address: [key for key in self._holders[address] if self._has(key, address)]
            for address in self._contended
        }
        return {address: sorted(keys) for address, keys in found.items() if len(keys) > 1}

    @property
    def duplicates(self) -> int:
        """How many IPAddress objects have an address that another one also has."""
        return sum(len(keys) for keys in self.shared.values())

    @property
    def reserved(self) -> int:
        """How many claims record an address."""
        return len(self._reserved)

    @property
    def pending(self) -> Mapping[Key, Address]:
        """The chosen addresses whose IPAddress is not seen yet, by claim."""
        return self._pending

    @property
    def unreadable(self) -> int:
        """How many IPAddress objects have an address that does not parse."""
        return len(self._unreadable)

    @property
    def counts(self) -> Counts:
        """The present numbers of the pool."""
        return Counts(self.address_set.total, self.free, self.used, len(self._layout.outside))

    def update(self, address_set: AddressSet, problem: str) -> None:
        """Replace the address set of the pool, and the reason why it cannot allocate."""
        self.begin_update(address_set, problem)
        while self.updating:
            self.continue_update()

    def begin_update(self, address_set: AddressSet, problem: str) -> None:
        """Begin to replace the address set; `continue_update` does that in pieces.

        Guarantees:
            Until the update is done, the old address set counts.  A problem counts at once.
        """
        self._next = None
        if problem or address_set == self.address_set:
            self._problem = problem
        if address_set != self.address_set:
            self._next, self._next_problem = Layout(address_set, self._unreadable), problem

    @property
    def updating(self) -> bool:
        """Whether the address set is being replaced."""
        return self._next is not None

    def continue_update(self) -> None:
        """Place one piece of the holders in the new address set; it counts once all are placed."""
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
        """Add or change an IPAddress object; `network` is None if its address does not parse.

        A `problem` says why the address of the object is unknown.  The pool allocates nothing until
        the problem is solved.
        """
        if key not in self._objects or self._objects[key] != network:
            self.remove_object(key)
            self._add_object(key, network)
        if problem:
            self._blocked_by[key] = problem
        else:
            self._blocked_by.pop(key, None)
        self.cancel(key)  # a create in flight has made this object, or fails: the name is taken
        self.resolve(key)

    def remove_object(self, key: Key) -> None:
        """Drop a deleted IPAddress object."""
        if key not in self._objects:
            return
        self._blocked_by.pop(key, None)
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
        self._note_freed(network)

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
        """Set the address that a claim records; None if it has no record that counts."""
        old = self._reserved.pop(key, None)
        if address is not None:
            self._reserved[key] = address
            self._hold(key, address)
        if old != address:
            self._release(key, old)

    def mark_in_flight(self, key: Key, address: Address, until: float) -> None:
        """Hold an address, because a create of the claim's IPAddress may still succeed."""
        self._in_flight[key] = InFlight(self._addresses_in_flight(key) | {address}, until)
        self._hold(key, address)

    def in_flight_until(self, key: Key) -> float:
        """Return until when a create of a claim may still succeed; 0 if none is in flight."""
        return self._in_flight[key].until if key in self._in_flight else 0.0

    def _addresses_in_flight(self, key: Key) -> frozenset[Address]:
        return self._in_flight[key].addresses if key in self._in_flight else frozenset()

    def resolve(self, key: Key) -> None:
        """Drop the creates in flight of a claim: its IPAddress exists, or certainly does not."""
        addresses = self._addresses_in_flight(key)
        self._in_flight.pop(key, None)
        for address in addresses:
            self._note_freed(_as_network(address))  # another holder may own it now
            self._release(key, address)

    def owns(self, key: Key, address: Address) -> bool:
        """Whether a claim is the first holder of an address, and no IPAddress overlaps it."""
        return self._holders.get(address, ())[:1] == (key,) and not self._is_overlapped(address)

    def begin_create(self, key: Key, address: Address) -> None:
        """Hold an address until `end_create`: the request that creates its IPAddress is sent."""
        self._creating[key] = address
        self._hold(key, address)

    def end_create(self, key: Key) -> None:
        """End the hold: the request is answered, or marked as in flight."""
        self._release(key, self._creating.pop(key, None))

    def cancel(self, key: Key) -> None:
        """Drop a pending choice: its IPAddress exists, or certainly does not."""
        self._release(key, self._pending.pop(key, None))

    def forget_claim(self, key: Key) -> None:
        """Drop what a deleted claim holds: its choice and its record.

        Its IPAddress object counts until it is deleted, and so does a create that was sent.
        """
        self.queue.remove(key)
        self.cancel(key)
        self.set_reservation(key, None)

    def choose(self, key: Key, age: Age, wanted: Address | None, *, replaceable: bool) -> Address:
        """Choose an address for a claim and mark it as pending; a second call returns the same.

        Flow:
            The address that the claim holds or wants, else the lowest free one, unless older claims
            wait for all free addresses.  If `replaceable`, a wanted address that is not available
            is replaced.  A changed wish replaces an earlier choice.

        Raises:
            AllocationError: there is no address for this claim now; it joins the queue.
        """
        try:
            if not_ready := self.not_ready:
                raise PoolNotReadyError(self.pool, not_ready)
            chosen = self._still_pending(key, wanted)
            address = chosen or self._choose(key, age, wanted, replaceable=replaceable)
        except AllocationError:
            self.cancel(key)
            self.queue.add(key, age, None if replaceable else wanted)
            raise
        self._pending[key] = address
        self._hold(key, address)
        return address

    def notify(self, most: int) -> list[Key]:
        """Return waiting claims that can be served now and were not returned before.

        At most `most` of the oldest come first, then those that request a freed address.  If `most`
        or more are returned, there may be more.  Call it after each change that frees addresses, so
        that no claim is forgotten.

        Caveats:
            It returns no claim while the pool cannot allocate.  Afterwards, all waiting claims have
            to be reconciled.
        """
        freed, self._freed = self._freed, set()
        if self.not_ready:
            return []
        return [*self.queue.notify(self.free, most), *self.queue.requesters_of(freed)]

    def _still_pending(self, key: Key, wanted: Address | None) -> Address | None:
        """Return the earlier choice for a claim, if the claim still may have it and wants it."""
        address = self._pending.get(key)
        if (
            address is None
            or self._index_of(address) is None
            or not self.owns(key, address)
            or wanted not in (None, address)
        ):
            self.cancel(key)
            return None
        return address

    def _choose(self, key: Key, age: Age, wanted: Address | None, *, replaceable: bool) -> Address:
        if wanted is None:
            return self._lowest(age)
        first, *_ = holders = self._holders.get(wanted, (key,))
        in_flight = any(wanted in self._addresses_in_flight(each) for each in {*holders} - {key})
        overlapped = self._is_overlapped(wanted)
        if self._index_of(wanted) is not None and first == key and not (in_flight or overlapped):
            return wanted
        if replaceable:
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
        if self.free <= self.queue.older_than(age):
            raise PoolExhaustedError(self.pool)
        return self.address_set.address_at(index)

    def _index_of(self, address: Address) -> int | None:
        return self.address_set.index_of(address)

    def _outside_at(self, address_set: AddressSet, address: Address) -> Iterator[Key]:
        """Yield the IPAddress objects of an address whose network is not a block of the set."""
        for key in self._holders[address]:
            network = self._objects.get(key)
            if network and network[:2] == address and not address_set.has_block(network):
                yield key

    def _has(self, key: Key, address: Address) -> bool:
        """Whether the IPAddress object of this name has the address."""
        network = self._objects.get(key)
        return network is not None and network[:2] == address

    def _range(self, address_set: AddressSet, address: Address) -> Range | None:
        """Return the indexes that the holders of an address take: those of the largest object."""
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
        """Whether an IPAddress with another address overlaps the block at an address."""
        index = self._index_of(address)
        if index is None:
            return False
        held = address in self._holders
        allocator = self._layout.allocator
        return allocator.is_shared(index) if held else not allocator.is_free(index)

    def _overlapping(self, address: Address) -> str:
        """Name the IPAddress that overlaps a block: a larger one, else the first inside it.

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
        """Yield the addresses of IPAddresses that are not a block, such as one with host bits."""
        for key in sorted(self._layout.outside):
            if network := self._objects[key]:
                yield _address(network)

    def _includes(self, network: Network, address: Address) -> bool:
        """Whether a network overlaps the block at an address."""
        taken, index = self.address_set.overlapping(network), self._index_of(address)
        return taken is not None and index in range(taken[0], taken[1] + 1)

    @property
    def unknown_use(self) -> str:
        """Why it is unknown which addresses are in use; empty if it is known."""
        own = self._blocked_by.peekitem(0) if self._blocked_by else None
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
        """Add a holder of an address, and mark its block as taken."""
        if key in self._holders.get(address, ()):
            return  # already, mostly by its IPAddress
        with self._changing(address):
            self._add_holder(key, address)

    def _release(self, key: Key, address: Address | None) -> None:
        """Remove a holder that has no other reason to hold; the last one frees the address."""
        if address is not None:
            with self._changing(address):
                self._drop_holder(key, address)

    def _add_holder(self, key: Key, address: Address) -> None:
        if key not in (holders := self._holders.get(address, ())):
            self._holders[address] = (*holders, key)
            if holders:
                self._contended.add(address)

    def _put_objects_first(self, address: Address) -> None:
        """Put the holders with an IPAddress object first, as a restart does."""
        holders = self._holders[address]
        self._holders[address] = tuple(sorted(holders, key=lambda key: not self._has(key, address)))

    def _drop_holder(self, key: Key, address: Address) -> None:
        if self._is_holder(key, address):
            return
        left = tuple(holder for holder in self._holders.get(address, ()) if holder != key)
        self._note_freed(_as_network(address))  # another holder may own it now
        if len(left) <= 1:
            self._contended.discard(address)
        if left:
            self._holders[address] = left
        else:
            self._holders.pop(address, None)

    def _is_holder(self, key: Key, address: Address) -> bool:
        """Whether the claim has any reason to hold the address."""
        reasons = (self._reserved, self._pending, self._creating)
        return (
            self._has(key, address)
            or any(reason.get(key) == address for reason in reasons)
            or address in self._addresses_in_flight(key)
        )

    def _note_freed(self, network: Network) -> None:
        """Remember a freed network: claims that request a block in it may be served now."""
        if not self.queue.requesters:
            return  # no claim requests an address, and in a standby nothing would clear the set
        first = network.first - network.first % self.address_set.block_size
        self._freed.add(Block(network.family, first, network.last))


def _address(network: Network) -> Address:
    return Address(network.family, network.value)


def _as_network(address: Address) -> Network:
    return Network(*address, BITS[address.family])


def _length(network: Network) -> int:
    return network.length
