# SPDX-License-Identifier: Apache-2.0
"""Why a claim waits for its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.conditions import READY

if TYPE_CHECKING:
    from objects import clusterapi

    from .snapshot import Snapshot

UNSEEN = (
    "no controller has looked at the claim yet; check that the provider's manager runs, and that "
    "its --namespace and --watch-filter include the claim"
)


def why(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> str:
    """Return what the controller says about a claim that has no address."""
    found = snapshot.contract.condition(claim, READY)
    return (found.message if found else "") or UNSEEN
