# SPDX-License-Identifier: Apache-2.0
"""The state of the controller: caches of the objects, and the allocations derived from them.

It has two parts.  Each replica keeps the derived part up to date: books, indices, ages.  The other
part belongs to one leadership: choices, and creates that may be in flight.  When a leadership ends,
the result of its pending writes is unknown.  So the process drops the whole `State`, and builds a
new one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

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

from .changes import Changes
from .ledger import NO_POOL, Book
from .unassigned import Unassigned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from kube.informer import Informer
    from objects.informers import Informers

    from .line import Age

log = structlog.get_logger(__name__)

K = TypeVar("K", Key, PoolKey)

IN_FLIGHT_SECONDS = 2 * REQUEST_SECONDS
"""After this, a request that was sent is over: it travels for as long as its client waits, and the
API server gives up in as much time again."""


class Unsettled(NamedTuple):
    """An IPAddress that may yet come to exist, and until when, by the clock."""

    pool: PoolKey
    until: float


class State:
    """The caches, and one book per pool.

    Flow:
        `following` handles each change of the caches, and `build` reads what they have.  From then
        on it is up to date.  A new leader calls `doubt_records` before its first write.
    """

    def __init__(self, informers: Informers, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.informers = informers
        self.contract = informers.contract
        self.scope = informers.scope
        self.claims_of_pool: defaultdict[PoolKey, set[Key]] = defaultdict(set)
        self.claims_of_cluster: defaultdict[Key, set[Key]] = defaultdict(set)
        self.books: dict[PoolKey, Book] = {}
        self.unsettled: dict[Key, Unsettled] = {}
        """Claims of which nobody knows whether the IPAddress that was on its way exists."""
        self.on_settled: Callable[[PoolKey], None] = _ignore
        """Is told of a pool where that is known again."""
        self.forsaken: dict[Key, str] = {}
        """Uids of IPAddresses whose claim is gone, and that nobody brings back: `clusterctl` has
        moved it to another cluster, or it went while its IPAddress was created."""
        self.changes = Changes(informers.address_sets, self.book)
        """Changes of pool specs that are under way."""
        self.waiting: set[Key] = set()
        """Claims that are not bound, have no IPAddress, or are being deleted."""
        self._unassigned = Unassigned()
        self._ages: dict[Key, Age] = {}

    @property
    def claims(self) -> Informer[clusterapi.IPAddressClaim]:
        """The copy of the IPAddressClaims."""
        return self.informers.claims

    @property
    def addresses(self) -> Informer[clusterapi.IPAddress]:
        """The copy of the IPAddresses."""
        return self.informers.addresses

    @property
    def clusters(self) -> Informer[clusterapi.Cluster]:
        """The copy of the Clusters."""
        return self.informers.clusters

    def pool(self, key: PoolKey) -> pools.Pool | None:
        """Return a pool as last heard of."""
        return self.informers.pool(key)

    def book(self, key: PoolKey) -> Book:
        """Return the book of a pool, which may be one that does not exist (yet)."""
        if key not in self.books:
            self.books[key] = book = Book(key, self._unassigned)
            if key.kind not in self.informers.pools:
                book.set_offer(book.address_set, self.informers.global_pools_closed)
        return self.books[key]

    def age(self, claim: clusterapi.IPAddressClaim) -> Age:
        """Return where a claim stands in line; its own writes must not send it to the end."""
        return self._ages.setdefault(claim.metadata.key, claim.metadata.age_order)

    def selected(self, claim: clusterapi.IPAddressClaim) -> bool:
        """Say whether a claim is one to act on: its pool is of our kinds, and it is in scope."""
        value = self.scope.watch_filter
        return claim.pool is not None and value in ("", claim.metadata.labels.watch)

    def selected_address(self, address: clusterapi.IPAddress) -> bool:
        """Say whether an IPAddress without a claim is in scope; it has no labels, its pool has."""
        pool = self.pool(address.pool) if address.pool else None
        label = pool.metadata.labels.watch if pool else self.scope.watch_filter
        in_namespace = self.scope.namespace in ("", address.metadata.namespace)
        return in_namespace and self.scope.watch_filter in ("", label)

    @contextmanager
    def following(self) -> Generator[None]:
        """Handle each change of the caches while the block runs."""
        with ExitStack() as heard:
            heard.enter_context(self.claims.event_handler(self.set_claim))
            heard.enter_context(self.addresses.event_handler(self.set_address))
            for informer in self.informers.pools.values():
                heard.enter_context(informer.event_handler(self.set_pool))
            yield

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

    async def doubt_records(self) -> None:
        """Hold the address of each record without an IPAddress: its create may be in flight."""
        async for key in in_pieces(tuple(self.waiting)):
            claim = self.claims.get(key)
            if claim and claim.pool and self.addresses.get(key) is None:
                given = reservation(claim)
                if given is not None:
                    self.unsettle(key, claim.pool, given)

    def set_pool(self, delta: Delta[pools.Pool]) -> None:
        """Bring the book of a pool up to date."""
        match delta:
            case Modified(old, pool) if _terms(old) == _terms(pool):
                pass  # most changes of a pool are our own writes of its status
            case Added(pool) | Modified(_, pool):
                self.changes.begin(pool)
            case Deleted(pool):
                self.changes.cancel(pool.key)
                self.informers.address_sets.forget(pool.key)
                book = self.book(pool.key)
                book.set_offer(book.address_set, NO_POOL)
                self._drop_if_idle(pool.key)

    def set_address(self, delta: Delta[clusterapi.IPAddress]) -> None:
        """Bring the books up to date with an IPAddress object."""
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
        self._look_at(key)

    def _keep_address(self, address: clusterapi.IPAddress) -> None:
        key = address.metadata.key
        problem = address.problem if isinstance(address, clusterapi.UnreadableAddress) else ""
        if address.pool:
            self.book(address.pool).set_object(key, held(address), problem)
        elif problem:
            self._unassigned.set(key, problem)

    def _remove_address(self, address: clusterapi.IPAddress) -> None:
        if address.pool:
            self.book(address.pool).remove_object(address.metadata.key)
            self._drop_if_idle(address.pool)

    def set_claim(self, delta: Delta[clusterapi.IPAddressClaim]) -> None:
        """Bring the books and the indices up to date with a claim."""
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
        self._look_at(claim.metadata.key)

    def _keep_claim(self, claim: clusterapi.IPAddressClaim) -> None:
        key = claim.metadata.key
        if claim.pool:
            self.age(claim)
            self.claims_of_pool[claim.pool].add(key)
            if claim.cluster_name:
                self.claims_of_cluster[Key(key.namespace, claim.cluster_name)].add(key)
            self.book(claim.pool).set_reservation(key, reservation(claim))

    def _replace_claim(
        self, old: clusterapi.IPAddressClaim, new: clusterapi.IPAddressClaim
    ) -> None:
        """Remove what is true of the old state of a claim only, or of an old claim of its name."""
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

    def _look_at(self, key: Key) -> None:
        """Update whether a claim is in `waiting`."""
        claim = self.claims.get(key)
        if claim is None or claim.pool is None or (_is_served(claim) and self.addresses.get(key)):
            self.waiting.discard(key)
        else:
            self.waiting.add(key)

    def _forget(self, claim: clusterapi.IPAddressClaim) -> None:
        if claim.pool:
            _discard(self.claims_of_pool, claim.pool, claim.metadata.key)
            self.book(claim.pool).forget_claim(claim.metadata.key)
            self._drop_if_idle(claim.pool)

    @contextmanager
    def sending(self, key: Key, pool: PoolKey, address: Address) -> Generator[None]:
        """Hold an address while the block creates the IPAddress of a claim."""
        self.book(pool).send(key, address)
        try:
            yield
        finally:
            self.book(pool).answered(key)
            self._drop_if_idle(pool)

    def unsettle(self, key: Key, pool: PoolKey, address: Address) -> None:
        """Remember that the IPAddress of a claim may be on its way, with this address."""
        if (known := self.unsettled.get(key)) and known.pool != pool:
            self.settle(key)
        self.book(pool).doubt(key, address)
        self.unsettled[key] = Unsettled(pool, self.clock() + IN_FLIGHT_SECONDS)

    def settle(self, key: Key) -> None:
        """Forget what was on its way for a claim: the caller knows that it is seen, or is not."""
        pool = self.unsettled.pop(key).pool
        self.book(pool).settle(key)
        self._drop_if_idle(pool)
        self.on_settled(pool)

    def _drop_if_idle(self, key: PoolKey) -> None:
        """Forget the book of a pool that is gone, once nothing refers to it."""
        if self.pool(key) is None and self.book(key).idle:
            del self.books[key]


async def _take_over(items: Iterable[T], informer: Informer[T], handle: Handler[T]) -> None:
    """Call `handle` with each object as the cache has it at that moment."""
    async for item in in_pieces(tuple(items)):
        if found := informer.get(item.metadata.key):
            handle(Added(found))


def _ignore(_pool: PoolKey) -> None:
    """Stand in until somebody wants to know."""


def _is_served(claim: clusterapi.IPAddressClaim) -> bool:
    return claim.bound and not claim.metadata.deleting


def _identity(claim: clusterapi.IPAddressClaim) -> tuple[object, ...]:
    """Return what a claim has its address for."""
    return claim.metadata.uid, claim.pool


def _discard(index: defaultdict[K, set[Key]], name: K, key: Key) -> None:
    """Take a key out of an index, in which nothing empty stays."""
    index[name].discard(key)
    if not index[name]:
        del index[name]


def _terms(pool: pools.Pool) -> tuple[object, ...]:
    """Return what decides about the offer of a pool."""
    return pool.spec, pool.metadata.deleting


def reservation(claim: clusterapi.IPAddressClaim) -> Address | None:
    """Return the address that a claim was given: its record counts once our finalizer is there."""
    return wanted(claim) if RELEASE_FINALIZER in claim.metadata.finalizers else None


def wanted(claim: clusterapi.IPAddressClaim) -> Address | None:
    """Return the address that a claim's annotation names, if that can be read."""
    text = claim.metadata.annotations.address
    return parse(text) if text else None


def held(address: clusterapi.IPAddress) -> Network | None:
    """Return what an IPAddress object has; one made by hand may hold anything.

    Flow:
        In an IP pool that is its address, and the prefix length is that of the subnet.  In a prefix
        pool it is a network; without a length that fits it is the address alone.
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
    """Read an address; None is what cannot be read."""
    try:
        return parse_address(text)
    except NotationError:
        return None
