# SPDX-License-Identifier: Apache-2.0
"""Copies of everything that the provider looks at: one set in each replica, whoever leads.

Admission answers from them in every replica.  A replica that comes to lead has them already, and
only proves that they are up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from kube.cache import Cache
from kube.client import may_follow
from kube.errors import KubeError
from kube.meta import Key
from kube.tasks import first_error, together

from . import contracts, pools
from .clusterapi import Cluster, IPAddress, IPAddressClaim
from .errors import StaleError
from .offers import Offers

if TYPE_CHECKING:
    from kube.client import Api

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 2.0  # before another try where CAPI is not installed, or a first list failed

_CATCH_UP_SECONDS = 5.0  # two or three are usual, for a quiet cache

_GLOBAL_KINDS = tuple(kind for kind, resource in pools.KINDS.items() if not resource.namespaced)


Newest = Mapping[str, int]
"""The highest resourceVersion that a process has seen of each resource, by its plural name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which claims and pools to act on; the addresses in use are always all of them."""

    namespace: str = ""
    watch_filter: str = ""


class Caches:
    """One copy for each resource, in the versions of one contract of Cluster API."""

    def __init__(self, api: Api, contract: contracts.Contract, scope: Scope) -> None:
        self.contract = contract
        self.scope = scope
        self.claims = Cache(api, contract.claims, IPAddressClaim, scope.namespace)
        self.addresses = Cache(api, contract.addresses, IPAddress)
        self.clusters = Cache(api, contract.clusters, Cluster, scope.namespace)
        self.pools = {
            kind: Cache(api, resource, pools.Pool, scope.namespace if resource.namespaced else "")
            for kind, resource in pools.KINDS.items()
        }
        self.offers = Offers()
        """The offers of all pools."""
        self.global_pools_closed = ""
        """Why no global pool can be served, as the rest of a sentence; empty when they can."""
        self._api = api

    @property
    def all(
        self,
    ) -> tuple[Cache[IPAddressClaim] | Cache[IPAddress] | Cache[Cluster] | Cache[pools.Pool], ...]:
        """All of them."""
        return (self.claims, self.addresses, self.clusters, *self.pools.values())

    async def load(self) -> None:
        """List everything once.

        Raises:
            KubeError: alone or in a group: a list failed.
        """
        if self.scope.namespace:
            await self._narrow(self.scope.namespace)
        await together(*(cache.load() for cache in self.all))

    async def follow(self) -> NoReturn:
        """Keep all copies up to date until cancelled.

        Raises:
            KubeError: alone or in a group: Cluster API serves other versions now, or revisions
                went back.
        """
        with ExitStack() as running:
            for cache in self.all:
                running.enter_context(cache.heartbeat.running())
            following = (cache.follow() for cache in self.all)
            going_back = (cache.until_back() for cache in self.all)
            changing = contracts.until_changed(self._api, self.contract)
            await together(*following, *going_back, changing)
        raise AssertionError("watching never ends")  # pragma: no cover - it ends by an error

    async def catch_up(self, newest: Newest | None = None) -> None:
        """Wait until all caches have what was written before this call.

        Flow:
            A cache that does not catch up in time is listed: without progress reports of etcd, the
            API server sends nothing on a quiet watch.

        Args:
            newest: How far the caches of another process were, if that is enough.  It takes
                milliseconds instead of seconds.

        Raises:
            KubeError: alone or in a group: a request failed.
        """
        known = newest or {}
        await together(*(_fresh(cache, known.get(cache.resource.plural)) for cache in self.all))

    @property
    def newest(self) -> Newest:
        """How far the caches are, for another process to catch up with."""
        return {cache.resource.plural: cache.newest for cache in self.all}

    def pool(self, key: pools.PoolKey) -> pools.Pool | None:
        """Return a pool as last heard of."""
        cache = self.pools.get(key.kind)  # without global kinds where they can't be read
        return cache.get(Key(key.namespace, key.name)) if cache else None

    async def _narrow(self, namespace: str) -> None:
        """Look at one namespace alone where no more is allowed, and then serve no global pools.

        Their addresses are in use in all namespaces, so who can't see them all may give none.
        """
        everywhere = [self.contract.addresses, *(pools.KINDS[kind] for kind in _GLOBAL_KINDS)]
        allowed = await together(*(may_follow(self._api, each) for each in everywhere))
        closed = [each.plural for each, may in zip(everywhere, allowed, strict=True) if not may]
        if not closed:
            return
        log.warning("global pools are not served", namespace=namespace, closed=closed)
        self.global_pools_closed = (
            f"is a global pool, and the manager (--namespace {namespace}) may not list and watch "
            f"{', '.join(closed)} in all namespaces: allow this to its ServiceAccount, or use a "
            "pool of the namespace"
        )
        self.addresses = Cache(self._api, self.contract.addresses, IPAddress, namespace)
        for kind in _GLOBAL_KINDS:
            del self.pools[kind]


async def _fresh(cache: Cache[Any], newest: int | None) -> None:
    try:
        async with asyncio.timeout(_CATCH_UP_SECONDS):
            await (cache.catch_up() if newest is None else cache.catch_up_with(newest))
    except TimeoutError:
        log.warning("a cache lags behind; it is listed", resource=cache.resource.plural)
        await cache.load()


Using = Callable[[Caches], AbstractAsyncContextManager[None]]
"""Uses caches that are loaded for as long as they are followed."""


class Copies:
    """The caches of the process.

    They are made anew where Cluster API comes to serve other versions, and where etcd was restored.
    """

    def __init__(self, api: Api, scope: Scope, using: Using) -> None:
        self._api = api
        self._scope = scope
        self._using = using
        self._current: asyncio.Future[Caches] = asyncio.get_running_loop().create_future()
        self._last: Caches | None = None
        self._ended = asyncio.Event()

    async def keep(self) -> NoReturn:
        """Load and follow until cancelled."""
        while True:
            try:
                if contract := await contracts.discover(self._api):
                    await self._follow(Caches(self._api, contract, self._scope))
                else:
                    log.warning("Cluster API's IPAM types are not installed; waiting for them")
            except* KubeError as group:
                log.warning("caches start again", error=str(first_error(group)))
            await asyncio.sleep(_AGAIN_SECONDS)

    async def loaded(self) -> Caches:
        """Return the present caches; wait for them where they are not loaded yet."""
        return await asyncio.shield(self._current)

    @property
    def newest(self) -> Newest:
        """How far the last caches are, even if they are no longer followed."""
        return self._last.newest if self._last else {}

    async def until_replaced(self, caches: Caches) -> NoReturn:
        """Wait for as long as these caches are followed.

        Raises:
            StaleError: they are followed no more.
        """
        while self._current.done() and self._current.result() is caches:
            await self._ended.wait()
        raise StaleError

    async def _follow(self, caches: Caches) -> None:
        await caches.load()
        log.info("caches loaded", contract=caches.contract.version, claims=len(caches.claims))
        try:
            async with self._using(caches):
                self._last = caches
                self._current.set_result(caches)
                await caches.follow()
        finally:
            if self._current.done():
                self._current = asyncio.get_running_loop().create_future()
            self._ended.set()
            self._ended = asyncio.Event()
