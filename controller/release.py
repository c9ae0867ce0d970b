# SPDX-License-Identifier: Apache-2.0
"""The end of a claim: its IPAddress is deleted, then its finalizer is removed."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from kube.errors import NotFoundError
from kube.workers import Done, Outcome, RequeueAfter
from objects.metadata import RELEASE_FINALIZER

from .addresses import refers_to
from .conditions import rfc3339

if TYPE_CHECKING:
    from kube.client import Api
    from objects import clusterapi

    from .addresses import Addresses
    from .claim_reports import ClaimReports
    from .state import State

log = structlog.get_logger(__name__)


class Release:
    """Releases the addresses of claims that are being deleted."""

    def __init__(self, api: Api, state: State, addresses: Addresses, reports: ClaimReports) -> None:
        self._api = api
        self._state = state
        self._addresses = addresses
        self._reports = reports

    async def reconcile(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress | None
    ) -> Outcome:
        """Release a claim, or report what holds its address.

        Flow:
            The record on the claim holds the address until no IPAddress has it.  So if the cache
            has no IPAddress, the API server is asked: a create may have just succeeded.

        Raises:
            KubeError: a request failed; the caller retries with backoff.
        """
        ours = RELEASE_FINALIZER in claim.metadata.finalizers
        if address is None and ours:
            address = await self._state.addresses.get_live(self._api, claim.metadata.key)
        if address is not None and refers_to(address, claim):
            outcome = await self._await_end_of_grace(claim, address)
            outcome = outcome or await self._release(claim, address)
            if outcome is not None:
                return outcome
        if ours:
            await self._remove_finalizer(claim)
        return Done()

    async def _await_end_of_grace(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress
    ) -> Outcome | None:
        """Report until when the pool's grace period holds the address; None if it has ended."""
        pool = self._state.pool(claim.pool) if claim.pool else None
        if pool is None or pool.metadata.deleting or pool.spec is None:
            return None
        seconds = pool.spec.address_reuse_grace_period_seconds
        since = datetime.fromisoformat(claim.metadata.deletion_timestamp or "").timestamp()
        if (left := since + seconds - time.time()) <= 0:
            return None
        text = (
            f"address {address.spec.address} is held until {rfc3339(since + seconds)}: "
            f"{pool.key} has spec.addressReuseGracePeriodSeconds set to {seconds}"
        )
        await self._reports.deleting(claim, "WaitingForGracePeriod", text)
        return RequeueAfter(left)

    async def _release(
        self, claim: clusterapi.IPAddressClaim, address: clusterapi.IPAddress
    ) -> Outcome | None:
        """Delete the IPAddress; None if it is gone."""
        if others := await self._addresses.release(address):
            text = f"IPAddress {address.metadata.key} is held by finalizers {', '.join(others)}"
            await self._reports.deleting(claim, "WaitingForIPAddress", text)
            return Done()  # the deletion of the IPAddress queues the claim again
        note = f"address {address.spec.address} was released"
        self._reports.record_event(claim, "AddressReleased", "Release", note)
        return None

    async def _remove_finalizer(self, claim: clusterapi.IPAddressClaim) -> None:
        finalizers = claim.metadata.finalizers_but(RELEASE_FINALIZER)
        changes = {"metadata": {"finalizers": finalizers}}
        try:
            await self._state.claims.patch(self._api, claim, changes)
        except NotFoundError:
            return
        log.info("claim released", object=str(claim.metadata.key))
