# SPDX-License-Identifier: Apache-2.0
"""Report claims that name a pool kind of ours with a wrong API group.

Older releases of infrastructure providers write a version into `spec.poolRef.apiGroup`, or leave it
empty.  No provider serves such a claim, so an Event on it says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources import GROUP
from objects.references import intended_pool_of

from .events import News

if TYPE_CHECKING:
    from objects import clusterapi

    from .events import Recorder
    from .state import State


class References:
    """Records an Event on each claim whose reference has a pool kind of ours and a wrong group."""

    def __init__(self, state: State, news: Recorder) -> None:
        self._state = state
        self._news = news

    def check(
        self, old: clusterapi.IPAddressClaim | None, new: clusterapi.IPAddressClaim | None
    ) -> None:
        """Record the Event, unless the claim had the same reference before or needs no address.

        Guarantees:
            The Event's name stays the same until the claim changes.  So a restart repeats it only
            after the API server has dropped it.
        """
        if new is None or new.bound or new.metadata.deleting or not self._selected(new):
            return
        pool = intended_pool_of(new.spec.pool_ref, new.metadata.namespace)
        if pool and not (old and _identity(old) == _identity(new)):
            news = News("InvalidPoolReference", "Allocate", _note(new), warning=True)
            self._news.tell(self._state.contract.claims, new.metadata, news, pool)

    def _selected(self, claim: clusterapi.IPAddressClaim) -> bool:
        return self._state.scope.watch_filter in ("", claim.metadata.labels.watch)


def _identity(claim: clusterapi.IPAddressClaim) -> tuple[object, ...]:
    return claim.metadata.uid, claim.spec.pool_ref


def _note(claim: clusterapi.IPAddressClaim) -> str:
    group = claim.spec.pool_ref.api_group
    problem = f'is "{group}"' if group else "is empty"
    return (
        f'spec.poolRef.apiGroup {problem}, so no provider serves this claim. It must be "{GROUP}", '
        "without a version. Correct the source of the claim, such as a machine template, or "
        "upgrade the provider that creates the claim. Then delete the claim, so that it is created "
        "again."
    )
