# SPDX-License-Identifier: Apache-2.0
"""Addresses without their claim: released after a time in which one may come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from kube.client import pages
from kube.meta import Key
from kube.workers import Done, Outcome, RequeueAfter
from objects.metadata import PROTECT_ADDRESS_FINALIZER

from .addresses import Addresses, abandoned

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.client import Api
    from objects import clusterapi

    from .state import State

log = structlog.get_logger(__name__)

ORPHAN_SECONDS = 300.0
"""How long an address may be without its claim: a restore may create addresses first."""

PAUSED_SECONDS = 10.0
"""When to look again at one whose Cluster or pool is paused, as they are during a move."""


class Orphans:
    """Reconciles IPAddress objects whose claim is gone."""

    def __init__(
        self,
        api: Api,
        state: State,
        addresses: Addresses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._addresses = addresses
        self._clock = clock
        self._since: dict[Key, float] = {}  # by the clock

    def forget(self, key: Key) -> None:
        """Start anew should the address of this name lose its claim (again)."""
        self._since.pop(key, None)

    async def reconcile(self, address: clusterapi.IPAddress) -> Outcome:
        """Release an address if its claim has been gone for long enough.

        Raises:
            KubeError: a request failed; the caller retries with backoff.
        """
        key = address.metadata.key
        if PROTECT_ADDRESS_FINALIZER not in address.metadata.finalizers:
            return Done()  # not ours, or already on its way out
        if not self._state.selected_address(address):
            return Done()
        if self._paused(address):
            return RequeueAfter(PAUSED_SECONDS)
        left = self._since.setdefault(key, self._clock()) + ORPHAN_SECONDS - self._clock()
        if left > 0 and not self._forsaken(address):
            return RequeueAfter(left)
        self.forget(key)
        if abandoned(address, await self._claim(key)):
            await self._addresses.release(address)
            log.info("orphaned address released", object=str(key), address=address.spec.address)
        return Done()

    async def _claim(self, key: Key) -> clusterapi.IPAddressClaim | None:
        """Ask the API server for a claim, by a list of it alone.

        A 404 would not do: that is what a path says, too, that is not served for a moment.
        """
        resource = self._state.contract.claims
        async for page in pages(self._api, resource, key.namespace, key.name):
            for item in page.items or ():
                return self._state.claims.apply_response(bytes(item))
        return None

    def _forsaken(self, address: clusterapi.IPAddress) -> bool:
        """Say whether nobody brings the claim of an address back.

        `clusterctl move` deletes the addresses of namespaced pools itself, those of global pools
        it leaves behind.  By now the garbage collector may have taken the claim off their owners.
        """
        return self._state.forsaken.get(address.metadata.key) == address.metadata.uid

    def _paused(self, address: clusterapi.IPAddress) -> bool:
        """Say whether the Cluster or the pool of an address without a claim is to be left alone."""
        meta = address.metadata
        cluster = self._state.clusters.get(Key(meta.namespace, meta.labels.cluster_name or ""))
        pool = self._state.pool(address.pool) if address.pool else None
        held = pool is not None and pool.metadata.paused
        return held or (cluster is not None and cluster.paused)
