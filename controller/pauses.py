# SPDX-License-Identifier: Apache-2.0
"""Why a claim is paused: an annotation on it, its Cluster or its pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube.meta import Key
from objects.metadata import PAUSED_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from objects import clusterapi

    from .state import State


def causes(state: State, claim: clusterapi.IPAddressClaim) -> list[str]:
    """Return what pauses a claim, each as a clause; empty if it is not paused."""
    return list(_causes(state, claim))


def _causes(state: State, claim: clusterapi.IPAddressClaim) -> Iterator[str]:
    if claim.metadata.paused:
        yield f"IPAddressClaim has {PAUSED_TEXT}"
    key = Key(claim.metadata.namespace, claim.cluster_name)
    cluster = state.clusters.get(key)
    for cause in cluster.pauses if cluster else ():
        yield f"Cluster {key} has {cause}"
    pool = state.pool(claim.pool) if claim.pool else None
    if pool is not None and pool.metadata.paused:
        yield f"{pool.key} has {PAUSED_TEXT}"
