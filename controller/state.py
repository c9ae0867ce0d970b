# SPDX-License-Identifier: Apache-2.0
"""What the controller knows: copies of the objects, and the ledger that follows from them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ipam.errors import NotationError
from ipam.notation import Address, parse_address
from kube import capi, pools
from kube.cache import Cache
from kube.objects import Key, PoolKey

from .ledger import Age, Book

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipam.offer import Offer
    from kube.client import Api

log = structlog.get_logger(__name__)

RELEASE_FINALIZER = "ipam.cluster.x-k8s.io/ReleaseAddress"
"""On claims: their address must be released first."""

PROTECT_ADDRESS_FINALIZER = "ipam.cluster.x-k8s.io/ProtectAddress"
PROTECT_POOL_FINALIZER = "ipam.cluster.x-k8s.io/ProtectPool"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which claims and pools to act on; the addresses in use are always all of them."""

    namespace: str = ""
    watch_filter: str = ""


class State:
    """The caches, and one book per pool.

    Caveats:
        The books follow the caches only where the handlers in `controller.py` are told of each
        change; `rebuild` starts them from what the caches hold.
    """

    def __init__(self, api: Api, contract: capi.Contract, scope: Scope) -> None:
        self.contract = contract
        self.scope = scope
        self.claims = Cache(api, contract.claims, capi.Claim, scope.namespace)
        self.addresses = Cache(api, contract.addresses, capi.Address)
        self.clusters = Cache(api, contract.clusters, capi.Cluster, scope.namespace)
        self.pools = {
            kind: Cache(api, resource, pools.Pool, scope.namespace if resource.namespaced else "")
            for kind, resource in pools.KINDS.items()
        }
        self.claims_of_pool: defaultdict[PoolKey, set[Key]] = defaultdict(set)
        self.claims_of_cluster: defaultdict[Key, set[Key]] = defaultdict(set)
        self._books: dict[PoolKey, Book] = {}
        self._ages: dict[Key, Age] = {}

    @property
    def caches(
        self,
    ) -> tuple[
        Cache[capi.Claim] | Cache[capi.Address] | Cache[capi.Cluster] | Cache[pools.Pool], ...
    ]:
        """All of them."""
        return (self.claims, self.addresses, self.clusters, *self.pools.values())

    def pool(self, key: PoolKey) -> pools.Pool | None:
        """Return a pool as last heard of."""
        return self.pools[key.kind].get(Key(key.namespace, key.name))

    def book(self, key: PoolKey) -> Book:
        """Return the book of a pool, which may be one that does not exist (yet)."""
        if key not in self._books:
            self._books[key] = Book(key)
        return self._books[key]

    def age(self, claim: capi.Claim) -> Age:
        """Return where a claim stands in line; its own writes must not send it to the end."""
        return self._ages.setdefault(claim.metadata.key, claim.metadata.age_order)

    def selected(self, claim: capi.Claim) -> bool:
        """Say whether a claim is one to act on: its pool is of our kinds, and it is in scope."""
        wanted = self.scope.watch_filter
        return claim.pool is not None and wanted in ("", claim.metadata.labels.watch)

    def rebuild(self) -> None:
        """Start the books from the caches.

        Flow:
            Pools first, then IPAddress objects, which are the better title, then what claims say.
        """
        for pool in self._all_pools():
            self.set_pool(None, pool)
        for address in self.addresses:
            self.set_address(None, address)
        for claim in sorted(self.claims, key=lambda item: item.metadata.age_order):
            self.set_claim(None, claim)

    def set_pool(self, old: pools.Pool | None, new: pools.Pool | None) -> None:
        """Bring the book of a pool up to date."""
        if old and new and _terms(old) == _terms(new):
            return  # most changes of a pool are our own writes of its status
        if new is not None:
            offer = pools.offer_of(new)
            self.book(new.key).set_offer(offer, _not_ready(new, offer))
        elif old is not None:
            book = self.book(old.key)
            book.set_offer(book.offer, "does not exist")

    def set_address(self, old: capi.Address | None, new: capi.Address | None) -> None:
        """Bring the books up to date with an IPAddress object."""
        if old and old.pool and (new is None or new.pool != old.pool):
            self.book(old.pool).remove_object(old.metadata.key)
        if new and new.pool:
            self.book(new.pool).set_object(new.metadata.key, parsed(new))

    def set_claim(self, old: capi.Claim | None, new: capi.Claim | None) -> None:
        """Bring the books and the indices up to date with a claim."""
        if old and (new is None or new.metadata.uid != old.metadata.uid or new.pool != old.pool):
            self._forget(old)
        if new and new.pool:
            key = new.metadata.key
            self.age(new)
            self.claims_of_pool[new.pool].add(key)
            if new.cluster_name:
                self.claims_of_cluster[Key(key.namespace, new.cluster_name)].add(key)
            self.book(new.pool).set_reservation(key, reservation(new))

    def _forget(self, claim: capi.Claim) -> None:
        key = claim.metadata.key
        self._ages.pop(key, None)
        self.claims_of_cluster[Key(key.namespace, claim.cluster_name)].discard(key)
        if claim.pool:
            self.claims_of_pool[claim.pool].discard(key)
            self.book(claim.pool).forget_claim(key)

    def _all_pools(self) -> Iterator[pools.Pool]:
        for cache in self.pools.values():
            yield from cache


def _terms(pool: pools.Pool) -> tuple[object, ...]:
    """Return what decides about the offer of a pool."""
    return pool.spec, pool.metadata.deleting


def _not_ready(pool: pools.Pool, offer: Offer) -> str:
    """Return why a pool hands out nothing, as the rest of a sentence; empty when it may."""
    if pool.metadata.deleting:
        return "is being deleted"
    problems = "; ".join(map(str, offer.problems))
    return f"has a spec that makes no sense: {problems}" if problems else ""


def reservation(claim: capi.Claim) -> Address | None:
    """Return the address that a claim was given: its record counts once our finalizer is there."""
    return wanted(claim) if RELEASE_FINALIZER in claim.metadata.finalizers else None


def wanted(claim: capi.Claim) -> Address | None:
    """Return the address that a claim's annotation names, if that can be read."""
    text = claim.metadata.annotations.address
    return parse(text) if text else None


def parsed(address: capi.Address) -> Address | None:
    """Return the address of an IPAddress object; one made by hand may hold anything."""
    found = parse(address.spec.address)
    if found is None:
        log.warning("IPAddress cannot be read", object=str(address.metadata.key))
    return found


def parse(text: str) -> Address | None:
    """Read an address; None is what cannot be read."""
    try:
        return parse_address(text)
    except NotationError:
        return None
