# SPDX-License-Identifier: Apache-2.0
"""The informers of all resources that the provider reads: one set in each replica, leader or not.

Admission in every replica answers from them.  A replica that becomes the leader has them already,
and only proves that they are up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from kube.client import may_follow
from kube.errors import KubeError
from kube.informer import Informer
from kube.meta import Key
from kube.tasks import first_error, together

from . import contracts, pools
from .address_sets import AddressSetCache
from .clusterapi import Cluster, IPAddress, IPAddressClaim
from .errors import StaleError

if TYPE_CHECKING:
    from kube.client import Api

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 2.0  # before another try where CAPI is not installed, or a first list failed

_CATCH_UP_SECONDS = 5.0  # two or three are usual, for a quiet cache

_GLOBAL_KINDS = tuple(kind for kind, resource in pools.RESOURCES.items() if not resource.namespaced)


Newest = Mapping[str, int]
"""The highest resourceVersion that a process has seen of each resource, by its plural name."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The claims and pools that this process serves; addresses in use are never limited."""

    namespace: str = ""
    watch_filter: str = ""


class Informers:
    """One informer for each resource, in the versions of one contract of Cluster API."""

    def __init__(self, api: Api, contract: contracts.Contract, scope: Scope) -> None:
        self.contract = contract
        self.scope = scope
        self.claims = Informer(api, contract.claims, IPAddressClaim, scope.namespace)
        self.addresses = Informer(api, contract.addresses, IPAddress)
        self.clusters = Informer(api, contract.clusters, Cluster, scope.namespace)
        self.pools = {
            kind: Informer(
                api, resource, pools.Pool, scope.namespace if resource.namespaced else ""
            )
            for kind, resource in pools.RESOURCES.items()
        }
        self.address_sets = AddressSetCache()
        """The addresses that each pool may hand out."""
        self.global_pools_closed = ""
        """Why no global pool can be served, as the rest of a sentence; empty when they can."""
        self._api = api

    @property
    def all(
        self,
    ) -> tuple[
        Informer[IPAddressClaim] | Informer[IPAddress] | Informer[Cluster] | Informer[pools.Pool],
        ...,
    ]:
        """All informers."""
        return (self.claims, self.addresses, self.clusters, *self.pools.values())

    async def sync(self) -> None:
        """List everything once.

        Raises:
            KubeError: alone or in a group: a list failed.
        """
        if self.scope.namespace:
            await self._narrow(self.scope.namespace)
        await together(*(informer.sync() for informer in self.all))

    async def run(self) -> NoReturn:
        """Run all informers until cancelled.

        Raises:
            KubeError: alone or in a group: Cluster API serves other versions now, or revisions
                went back.
        """
        with ExitStack() as running:
            for informer in self.all:
                running.enter_context(informer.heartbeat.running())
            following = (informer.run() for informer in self.all)
            going_back = (informer.until_rollback() for informer in self.all)
            changing = contracts.until_changed(self._api, self.contract)
            await together(*following, *going_back, changing)
        raise AssertionError("watching never ends")  # pragma: no cover - it ends by an error

    async def catch_up(self, newest: Newest | None = None) -> None:
        """Wait until all informers have everything that was written before this call.

        Flow:
            An informer that does not catch up in time lists: without progress reports of etcd, the
            API server sends nothing on a quiet watch.

        Args:
            newest: The revisions of another process's informers, if they are enough.  It takes
                milliseconds instead of seconds.

        Raises:
            KubeError: alone or in a group: a request failed.
        """
        known = newest or {}
        await together(
            *(_fresh(informer, known.get(informer.resource.plural)) for informer in self.all)
        )

    @property
    def newest(self) -> Newest:
        """The newest revision of each resource, for another process to catch up with."""
        return {informer.resource.plural: informer.newest for informer in self.all}

    def pool(self, key: pools.PoolKey) -> pools.Pool | None:
        """Return a pool as its informer has it."""
        informer = self.pools.get(key.kind)  # without global kinds where they can't be read
        return informer.get(Key(key.namespace, key.name)) if informer else None

    async def _narrow(self, namespace: str) -> None:
        """Read only one namespace if no more is allowed, and then do not serve global pools.

        Their addresses are in use in all namespaces.  Without a view of all, none may be given.
        """
        everywhere = [self.contract.addresses, *(pools.RESOURCES[kind] for kind in _GLOBAL_KINDS)]
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
        self.addresses = Informer(self._api, self.contract.addresses, IPAddress, namespace)
        for kind in _GLOBAL_KINDS:
            del self.pools[kind]


async def _fresh(informer: Informer[Any], newest: int | None) -> None:
    try:
        async with asyncio.timeout(_CATCH_UP_SECONDS):
            await (informer.catch_up() if newest is None else informer.catch_up_with(newest))
    except TimeoutError:
        log.warning("a cache lags behind; it is listed", resource=informer.resource.plural)
        await informer.sync()


Using = Callable[[Informers], AbstractAsyncContextManager[None]]
"""Uses synced informers for as long as they run."""


class InformerSupervisor:
    """Runs the informers of the process, and replaces them when they end.

    They end when Cluster API serves other versions, and when etcd was restored from a backup.
    """

    def __init__(self, api: Api, scope: Scope, using: Using) -> None:
        self._api = api
        self._scope = scope
        self._using = using
        self._current: asyncio.Future[Informers] = asyncio.get_running_loop().create_future()
        self._last: Informers | None = None
        self._ended = asyncio.Event()

    async def run(self) -> NoReturn:
        """Sync and run informers until cancelled, one set after the other."""
        while True:
            try:
                if contract := await contracts.discover(self._api):
                    await self._run(Informers(self._api, contract, self._scope))
                else:
                    log.warning("Cluster API's IPAM types are not installed; waiting for them")
            except* KubeError as group:
                log.warning("caches start again", error=str(first_error(group)))
            await asyncio.sleep(_AGAIN_SECONDS)

    async def current(self) -> Informers:
        """Return the present informers, as soon as they are synced."""
        return await asyncio.shield(self._current)

    @property
    def newest(self) -> Newest:
        """The revisions of the last informers, even if they have ended."""
        return self._last.newest if self._last else {}

    async def until_replaced(self, informers: Informers) -> NoReturn:
        """Wait while these informers run.

        Raises:
            StaleError: they have ended.
        """
        while self._current.done() and self._current.result() is informers:
            await self._ended.wait()
        raise StaleError

    async def _run(self, informers: Informers) -> None:
        await informers.sync()
        log.info("caches loaded", contract=informers.contract.version, claims=len(informers.claims))
        try:
            async with self._using(informers):
                self._last = informers
                self._current.set_result(informers)
                await informers.run()
        finally:
            if self._current.done():
                self._current = asyncio.get_running_loop().create_future()
            self._ended.set()
            self._ended = asyncio.Event()
