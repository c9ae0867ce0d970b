# SPDX-License-Identifier: Apache-2.0
"""Report on a claim that the API server refuses a write for it.

Flow:
    A quota, a policy or a missing right refuses the same write again and again.  The write is
    retried with back-off.  Meanwhile the claim must not look as if no controller served it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from kube.errors import ApiError, KubeError, NotLeaderError

from .errors import WriteRefusedError

if TYPE_CHECKING:
    from objects import clusterapi

    from .claim_reports import ClaimReports
    from .state import State

log = structlog.get_logger(__name__)


class Refusals:
    """Reports refused writes on their claims."""

    def __init__(self, state: State, reports: ClaimReports) -> None:
        self._state = state
        self._reports = reports

    async def report(self, claim: clusterapi.IPAddressClaim, error: KubeError) -> None:
        """Report on a claim that a write for it failed, if the failure is permanent.

        Flow:
            A claim without an address gets the reason in `Ready`, and a claim that is being deleted
            gets it in `Deleting`.  A claim that has its address stays Ready, and gets an Event.

        Raises:
            NotLeaderError: the lease is lost.
        """
        known = self._state.claims.get(claim.metadata.key)  # a part of the work may be written
        if not (isinstance(error, ApiError) and error.lasting) or known is None:
            return
        if known.metadata.uid != claim.metadata.uid:
            return
        try:
            await self._write(known, WriteRefusedError(error))
        except NotLeaderError:
            raise
        except KubeError as problem:
            log.warning("status not written", object=str(known.metadata.key), error=str(problem))

    async def _write(self, claim: clusterapi.IPAddressClaim, error: WriteRefusedError) -> None:
        if claim.metadata.deleting:
            await self._reports.deleting(claim, "ReleaseFailed", str(error))
            self._reports.record_event(claim, "ReleaseFailed", "Release", str(error), warning=True)
        elif claim.bound:
            self._reports.record_event(claim, error.reason, "Repair", str(error), warning=True)
        else:
            await self._reports.refused(claim, error)
