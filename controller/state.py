# SPDX-License-Identifier: Apache-2.0
"""The state of the controller: caches of the objects, and the allocations derived from them.

It has two parts.  Each replica keeps the derived part up to date: allocations, indices and ages.
The other part belongs to one leadership: choices, and creates that may be in flight.  When a
leadership ends, the result of its pending writes is unknown.  So the process drops the whole
`State`, and builds a new one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog

from ipam.errors import NotationError
from ipam.notation import BITS, Address, Network, parse_address
from kube.client import REQUEST_SECONDS
from kube.deltas import Added, Deleted, Delta, Handler, Modified
from kube.meta import Key, T
from kube.tasks import in_pieces
from objects import clusterapi, pools
from objects.metadata import RELEASE_FINALIZER
from objects.pools import PoolKey

from .allocations import NO_POOL, PoolAllocations
from .changes import Changes
from .unassigned import Unassigned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from kube.informer import Informer
    from objects.informers import Informers

    from .wait_queue import Age

log = structlog.get_logger(__name__)

K = TypeVar("K", Key, PoolKey)

IN_FLIGHT_SECONDS = 2 * REQUEST_SECONDS
"""After this time, a sent request is over: its client waits half of it, and the API server then
needs at most the other half."""


class State:
    """The caches, and the allocations of each pool.

    Flow:
        `following` handles each change of the caches, and `build` reads what they have.  From then
        on it is up to date.  A new leader calls `mark_records_in_flight` before its first write.
    """

    def __init__(self, informers: Informers, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.informers = informers
        self.contract = informers.contract
        self.scope = informers.scope
        self.claims_of_pool: defaultdict[PoolKey, set[Key]] = defaultdict(set)
        self.claims_of_cluster: defaultdict[Key, set[Key]] = defaultdict(set)
        self.allocations: dict[PoolKey, PoolAllocations] = {}
        self.in_flight: dict[Key, PoolKey] = {}
        """The pools whose allocations have a create in flight, by claim."""
        self.on_resolved: Callable[[PoolKey], None] = _ignore
        """Called with the pool of each create whose result becomes known."""
        self.forsaken: dict[Key, str] = {}
        """Uids of IPAddresses whose claim is gone for good: `clusterctl` has moved it to another
        cluster, or it was deleted while its IPAddress was created."""
        self.changes = Changes(informers.address_sets, self.allocations_of)
        """The unfinished changes of pool specs."""
        self.waiting: set[Key] = set()
        """Claims that are not bound, have no IPAddress, or are being deleted."""
        self._unassigned = Unassigned()
        self._ages: dict[Key, Age] = {}

    @property
    def claims(self) -> Informer[clusterapi.IPAddressClaim]:
        """The informer of IPAddressClaims."""
        return self.informers.claims

    @property
    def addresses(self) -> Informer[clusterapi.IPAddress]:
        """The informer of IPAddresses."""
        return self.informers.addresses

    @property
    def clusters(self) -> Informer[clusterapi.Cluster]:
        """The informer of Clusters."""
        return self.informers.clusters

    def pool(self, key: PoolKey) -> pools.Pool | None:
        """Return a pool as the cache has it."""
        return self.informers.pool(key)

    def allocations_of(self, key: PoolKey) -> PoolAllocations:
        """Return the allocations of a pool, which need not exist (yet)."""
        if key not in self.allocations:
            self.allocations[key] = allocations = PoolAllocations(key, self._unassigned)
            if key.kind not in self.informers.pools:
                allocations.update(allocations.address_set, self.informers.global_pools_closed)
        return self.allocations[key]

    def age(self, claim: clusterapi.IPAddressClaim) -> Age:
        """Return the place of a claim in the queue; writes to the claim do not change it."""
        return self._ages.setdefault(claim.metadata.key, claim.metadata.age_order)

    def selected(self, claim: clusterapi.IPAddressClaim) -> bool:
        """Whether this process serves a claim: its pool is of our kinds, and it is in scope."""
        value = self.scope.watch_filter
        return claim.pool is not None and value in ("", claim.metadata.labels.watch)

    def selected_address(self, address: clusterapi.IPAddress) -> bool:
        """Whether an IPAddress without a claim is in scope, by the labels of its pool."""
        pool = self.pool(address.pool) if address.pool else None
        label = pool.metadata.labels.watch if pool else self.scope.watch_filter
        in_namespace = self.scope.namespace in ("", address.metadata.namespace)
        return in_namespace and self.scope.watch_filter in ("", label)

    @contextmanager
    def following(self) -> Generator[None]:
        """Handle each change of the caches while the block runs."""
        with ExitStack() as subscriptions:
            subscriptions.enter_context(self.claims.event_handler(self.set_claim))
            subscriptions.enter_context(self.addresses.event_handler(self.set_address))
            for informer in self.informers.pools.values():
                subscriptions.enter_context(informer.event_handler(self.set_pool))
            yield

    def clear(self) -> None:
        """Free the memory of a state that is over, 0.6 KiB for each claim.

        The state is part of reference cycles.  Without this, it would live beside the next one
        until the garbage collector runs.
        """
        self.allocations.clear()
        for index in (self.claims_of_pool, self.claims_of_cluster, self.waiting, self._ages):
            index.clear()

    async def build(self) -> None:
        """Read all objects in the caches, in pieces; the caches may change meanwhile.

        Flow:
            Pools first, then IPAddress objects, which have precedence over records, then claims.
            If several claims record one address, the oldest of them has it.

        Caveats:
            `changes.run` must be running.
        """
        for informer in self.informers.pools.values():
            await _take_over(informer, informer, self.set_pool)
        await _take_over(self.addresses, self.addresses, self.set_address)
        reserved = [
            claim
            async for claim in in_pieces(tuple(self.claims))
            if self.addresses.get(claim.metadata.key) is None and reservation(claim) is not None
        ]
        reserved.sort(key=lambda claim: claim.metadata.age_order)
        await _take_over(reserved, self.claims, self.set_claim)
        await _take_over(self.claims, self.claims, self.set_claim)
        await self.changes.until_done()

    async def mark_records_in_flight(self) -> None:
        """Mark the create of each recorded address without an IPAddress as in flight."""
        async for key in in_pieces(tuple(self.waiting)):
            claim = self.claims.get(key)
            if claim and claim.pool and self.addresses.get(key) is None:
                given = reservation(claim)
                if given is not None:
                    self.mark_in_flight(key, claim.pool, given)

    def set_pool(self, delta: Delta[pools.Pool]) -> None:
        """Update the allocations of a pool after a change of the pool."""
        match delta:
            case Modified(old, pool) if _terms(old) == _terms(pool):
                pass  # most changes of a pool are our own writes of its status
            case Added(pool) | Modified(_, pool):
                self.changes.begin(pool)
            case Deleted(pool):
                self.changes.cancel(pool.key)
                self.informers.address_sets.forget(pool.key)
                allocations = self.allocations_of(pool.key)
                allocations.update(allocations.address_set, NO_POOL)
                self._drop_if_empty(pool.key)

    def set_address(self, delta: Delta[clusterapi.IPAddress]) -> None:
        """Update the allocations after a change of an IPAddress object."""
        address = delta.object
        key = address.metadata.key
        self._unassigned.discard(key)
        match delta:
            case Deleted():
                self._remove_address(address)
                self.forsaken.pop(key, None)
            case Modified(old, _) if old.pool != address.pool:
                self._remove_address(old)
                self._keep_address(address)
            case _:
                self._keep_address(address)
        self._update_waiting(key)

    def _keep_address(self, address: clusterapi.IPAddress) -> None:
        key = address.metadata.key
        problem = address.problem if isinstance(address, clusterapi.UnreadableIPAddress) else ""
        if address.pool:
            self.allocations_of(address.pool).set_object(key, held(address), problem)
        elif problem:
            self._unassigned.set(key, problem)

    def _remove_address(self, address: clusterapi.IPAddress) -> None:
        if address.pool:
            self.allocations_of(address.pool).remove_object(address.metadata.key)
            self._drop_if_empty(address.pool)

    def set_claim(self, delta: Delta[clusterapi.IPAddressClaim]) -> None:
        """Update the allocations and the indices after a change of a claim."""
        claim = delta.object
        match delta:
            case Added():
                self._keep_claim(claim)
            case Modified(old, _):
                self._replace_claim(old, claim)
                self._keep_claim(claim)
            case Deleted():
                self._end_claim(claim)
                self._leave_cluster(claim)
                self._forget(claim)
        self._update_waiting(claim.metadata.key)

    def _keep_claim(self, claim: clusterapi.IPAddressClaim) -> None:
        key = claim.metadata.key
        if claim.pool:
            self.age(claim)
            self.claims_of_pool[claim.pool].add(key)
            if claim.cluster_name:
                self.claims_of_cluster[Key(key.namespace, claim.cluster_name)].add(key)
            self.allocations_of(claim.pool).set_reservation(key, reservation(claim))

    def _replace_claim(
        self, old: clusterapi.IPAddressClaim, new: clusterapi.IPAddressClaim
    ) -> None:
        """Remove the effects of the old state of a claim, or of an old claim of the same name."""
        if new.metadata.uid != old.metadata.uid:
            self._end_claim(old)
        if new.cluster_name != old.cluster_name:
            self._leave_cluster(old)
        if _identity(new) != _identity(old):
            self._forget(old)

    def _end_claim(self, claim: clusterapi.IPAddressClaim) -> None:
        key = claim.metadata.key
        self._ages.pop(key, None)
        left = self.addresses.get(key)
        if left and claim.metadata.annotations.moved is not None:
            self.forsaken[key] = left.metadata.uid

    def _leave_cluster(self, claim: clusterapi.IPAddressClaim) -> None:
        key = claim.metadata.key
        _discard(self.claims_of_cluster, Key(key.namespace, claim.cluster_name), key)

    def _update_waiting(self, key: Key) -> None:
        """Update whether a claim is in `waiting`."""
        claim = self.claims.get(key)
        if claim is None or claim.pool is None or (_is_served(claim) and self.addresses.get(key)):
            self.waiting.discard(key)
        else:
            self.waiting.add(key)

    def _forget(self, claim: clusterapi.IPAddressClaim) -> None:
        if claim.pool:
            _discard(self.claims_of_pool, claim.pool, claim.metadata.key)
            self.allocations_of(claim.pool).forget_claim(claim.metadata.key)
            self._drop_if_empty(claim.pool)

    @contextmanager
    def creating(self, key: Key, pool: PoolKey, address: Address) -> Generator[None]:
        """Hold an address while the block creates the IPAddress of a claim."""
        self.allocations_of(pool).begin_create(key, address)
        try:
            yield
        finally:
            self.allocations_of(pool).end_create(key)
            self._drop_if_empty(pool)

    def mark_in_flight(self, key: Key, pool: PoolKey, address: Address) -> None:
        """Hold an address, because a create of the claim's IPAddress may still succeed."""
        if self.in_flight.get(key, pool) != pool:
            self.resolve(key)
        until = self.clock() + IN_FLIGHT_SECONDS
        self.allocations_of(pool).mark_in_flight(key, address, until)
        self.in_flight[key] = pool

    def resolve(self, key: Key) -> None:
        """End the hold: the caller knows whether the IPAddress of the claim exists."""
        pool = self.in_flight.pop(key)
        self.allocations_of(pool).resolve(key)
        self._drop_if_empty(pool)
        self.on_resolved(pool)

    def _drop_if_empty(self, key: PoolKey) -> None:
        """Drop the allocations of a deleted pool, once nothing refers to it."""
        if self.pool(key) is None and self.allocations_of(key).is_empty:
            del self.allocations[key]


async def _take_over(items: Iterable[T], informer: Informer[T], handle: Handler[T]) -> None:
    """Call `handle` with each object as the cache has it at that moment."""
    async for item in in_pieces(tuple(items)):
        if found := informer.get(item.metadata.key):
            handle(Added(found))


def _ignore(_pool: PoolKey) -> None:
    """Do nothing: the default of `on_resolved`."""


def _is_served(claim: clusterapi.IPAddressClaim) -> bool:
    return claim.bound and not claim.metadata.deleting


def _identity(claim: clusterapi.IPAddressClaim) -> tuple[object, ...]:
    """Return what must change for a claim to lose its address."""
    return claim.metadata.uid, claim.pool


def _discard(index: defaultdict[K, set[Key]], name: K, key: Key) -> None:
    """Remove a key from an index, and its entry once that is empty."""
    index[name].discard(key)
    if not index[name]:
        del index[name]


def _terms(pool: pools.Pool) -> tuple[object, ...]:
    """Return the fields of a pool on which its allocations depend."""
    return pool.spec, pool.metadata.deleting


def reservation(claim: clusterapi.IPAddressClaim) -> Address | None:
    """Return the address that a claim records; the record counts if our finalizer is present."""
    return wanted(claim) if RELEASE_FINALIZER in claim.metadata.finalizers else None


def wanted(claim: clusterapi.IPAddressClaim) -> Address | None:
    """Return the address in a claim's annotation; None if it is missing or does not parse."""
    text = claim.metadata.annotations.address
    return parse(text) if text else None


def held(address: clusterapi.IPAddress) -> Network | None:
    """Return the network that an IPAddress object takes; None if its address does not parse.

    Flow:
        In an IP pool it is one address, because the prefix length is that of the subnet.  In a
        prefix pool it is a network, or one address if the length is not valid.
    """
    found = parse(address.spec.address)
    if found is None:
        log.warning("IPAddress cannot be read", object=str(address.metadata.key))
        return None
    length, bits = address.spec.prefix, BITS[found.family]
    of_prefixes = address.pool is not None and address.pool.kind in pools.PREFIX_KINDS
    fits = of_prefixes and length is not None and 0 <= length <= bits
    return Network(*found, length if fits and length is not None else bits)


def parse(text: str) -> Address | None:
    """Parse an address; None if it is not valid."""
    try:
        return parse_address(text)
    except NotationError:
        return None
