# SPDX-License-Identifier: Apache-2.0
"""Why a claim waits for its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from typing_extensions import override

from controller.conditions import PAUSED, READY
from controller.errors import PoolExhaustedError, PoolNotReadyError

if TYPE_CHECKING:
    from objects import clusterapi

    from .snapshot import Snapshot


class Reason(NamedTuple):
    """Why a claim waits, and the remedy."""

    cause: str
    remedy: str

    @override
    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}"


UNSEEN = Reason(
    "no controller has looked at the claim yet",
    "check that the provider's manager runs, and that its --namespace and --watch-filter include "
    "the claim",
)

_REMEDIES = {
    PoolExhaustedError.reason: PoolExhaustedError.remedy,
    PoolNotReadyError.reason: "create or correct the pool",
    PAUSED: "resume the object that is paused, or wait until its owner resumes it",
}
"""Remedies by the reason of a claim's Ready condition; the message of all others has its own."""

_OTHER = "do what the message says; docs/reference/conditions.md lists all reasons"


def why(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> str:
    """Return what the controller says about a claim that has no address."""
    found = snapshot.contract.condition(claim, READY)
    return (found.message if found else "") or str(UNSEEN)


def reason(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> Reason:
    """Return why a claim has no address, and the remedy."""
    found = snapshot.contract.condition(claim, READY)
    if found is None or not found.message:
        return UNSEEN
    remedy = _REMEDIES.get(found.reason or "", _OTHER)
    return Reason(found.message.removesuffix(f"; {remedy}"), remedy)
