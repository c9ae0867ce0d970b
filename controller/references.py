# SPDX-License-Identifier: Apache-2.0
"""Report claims that name a pool kind of ours with a wrong API group.

Older releases of infrastructure providers write a version into `spec.poolRef.apiGroup`, or leave it
empty.  No provider serves such a claim, so an Event on it says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources import GROUP
from kube.deltas import Deleted, Delta, Modified
from kube.events import Event
from objects.references import intended_pool_of

if TYPE_CHECKING:
    from kube.events import Recorder
    from objects import clusterapi
    from objects.pools import PoolKey

    from .state import State

REMEDY = (
    f'It must be "{GROUP}", without a version. Correct the source of the claim, such as a machine '
    "template, or upgrade the provider that creates the claim. Then delete the claim, so that it "
    "is created again"
)
"""What helps against a wrong group in a reference."""


class References:
    """Records an Event on each claim whose reference has a pool kind of ours and a wrong group."""

    def __init__(self, state: State, recorder: Recorder[PoolKey]) -> None:
        self._state = state
        self._recorder = recorder

    def check(self, delta: Delta[clusterapi.IPAddressClaim]) -> None:
        """Record the Event, unless the claim had the same reference before or needs no address.

        Guarantees:
            The Event's name stays the same until the claim changes.  So a restart repeats it only
            after the API server has dropped it.
        """
        claim = delta.object
        if isinstance(delta, Deleted) or claim.bound or claim.metadata.deleting:
            return
        if not self._selected(claim):
            return
        pool = intended_pool_of(claim.spec.pool_ref, claim.metadata.namespace)
        known = isinstance(delta, Modified) and _identity(delta.old) == _identity(claim)
        if pool and not known:
            event = Event("InvalidPoolReference", "Allocate", note(claim), warning=True)
            self._recorder.record(self._state.contract.claims, claim.metadata, event, pool)

    def _selected(self, claim: clusterapi.IPAddressClaim) -> bool:
        return self._state.scope.watch_filter in ("", claim.metadata.labels.watch)


def _identity(claim: clusterapi.IPAddressClaim) -> tuple[object, ...]:
    return claim.metadata.uid, claim.spec.pool_ref


def note(claim: clusterapi.IPAddressClaim) -> str:
    """Return what is wrong with the group in the reference of a claim, and the remedy."""
    return f"{problem(claim)}. {REMEDY}."


def problem(claim: clusterapi.IPAddressClaim) -> str:
    """Return what is wrong with the group in the reference of a claim."""
    group = claim.spec.pool_ref.api_group
    state = f'is "{group}"' if group else "is empty"
    return f"spec.poolRef.apiGroup {state}, so no provider serves this claim"
