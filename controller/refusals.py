# SPDX-License-Identifier: Apache-2.0
"""What a claim says where the API server refuses to write what it needs.

Flow:
    A quota, a policy or a missing right refuses the same write again and again.  It is tried again
    all the same, ever more rarely; until then the claim must not look as if nobody had seen it.
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
    """Tells of refused writes at the claims that they are for."""

    def __init__(self, state: State, reports: ClaimReports) -> None:
        self._state = state
        self._reports = reports

    async def tell(self, claim: clusterapi.IPAddressClaim, error: KubeError) -> None:
        """Say on a claim that a write for it failed, if that is to last.

        Flow:
            A claim without an address is not Ready for this reason, and one that is being deleted
            says what holds it.  One that has its address is Ready, and an Event tells.

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
            self._reports.tell(claim, "ReleaseFailed", "Release", str(error), warning=True)
        elif claim.bound:
            self._reports.tell(claim, error.reason, "Repair", str(error), warning=True)
        else:
            await self._reports.refused(claim, error)
