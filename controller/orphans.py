# SPDX-License-Identifier: Apache-2.0
"""IPAddresses without a claim: they are released after a time in which a claim may adopt them."""

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
"""How long an IPAddress may be without a claim: a restore may create IPAddresses first."""

PAUSED_SECONDS = 10.0
"""The time between checks of an IPAddress whose Cluster or pool is paused, as during a move."""


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
        """Drop the time since when the IPAddress of this name has no claim."""
        self._since.pop(key, None)

    async def reconcile(self, address: clusterapi.IPAddress) -> Outcome:
        """Release an IPAddress whose claim has been gone for long enough.

        Raises:
            KubeError: a request failed; the caller retries with backoff.
        """
        key = address.metadata.key
        if PROTECT_ADDRESS_FINALIZER not in address.metadata.finalizers:
            return Done()  # not ours, or already released
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
        """Read a claim from the API server, by a list of its name.

        A 404 of a GET proves nothing: a path that is not served for a moment also returns it.
        """
        resource = self._state.contract.claims
        async for page in pages(self._api, resource, key.namespace, key.name):
            for item in page.items or ():
                return self._state.claims.apply_response(bytes(item))
        return None

    def _forsaken(self, address: clusterapi.IPAddress) -> bool:
        """Whether the claim of an IPAddress is gone for good.

        `clusterctl move` deletes the IPAddresses of namespaced pools, and leaves those of global
        pools.  The garbage collector may have removed the claim from their owners by now.
        """
        return self._state.forsaken.get(address.metadata.key) == address.metadata.uid

    def _paused(self, address: clusterapi.IPAddress) -> bool:
        """Whether the Cluster or the pool of an IPAddress without a claim is paused."""
        meta = address.metadata
        cluster = self._state.clusters.get(Key(meta.namespace, meta.labels.cluster_name or ""))
        pool = self._state.pool(address.pool) if address.pool else None
        held = pool is not None and pool.metadata.paused
        return held or (cluster is not None and cluster.paused)
