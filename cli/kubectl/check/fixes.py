# SPDX-License-Identifier: Apache-2.0
"""Find fixes that are safe: finalizers of this provider that no manager removes.

A running manager repairs everything else by itself.  So a fix is offered only for an object that
was deleted long ago, and only if a manager would remove its finalizer at once.  The finalizer stays
if the manager was uninstalled, or if its --namespace or --watch-filter excludes the object.

Guarantees:
    The address of a removed IPAddress had no claim, or a claim that was deleted long ago as well.
    The record on such a claim still holds the address.  The claim is only removed after that.

    While an object cannot be read, no fix is offered: it may be a claim that uses the address.

    Objects of other providers are left alone, although some use the same finalizers.

Caveats:
    An IPAddress without a claim that is not deleted is left alone.  If no manager runs, a restore
    may be in progress, and the claim may still come.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from controller.addresses import abandoned, refers_to
from controller.orphans import ORPHAN_SECONDS
from kube.client import list_all
from kube.errors import ApiError
from kube.meta import Key
from objects import clusterapi
from objects.metadata import (
    PROTECT_ADDRESS_FINALIZER,
    PROTECT_POOL_FINALIZER,
    RELEASE_FINALIZER,
)

from . import finding
from .finding import WARNING, Check, Finding, Fix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kube.client import Api
    from objects.metadata import Metadata
    from objects.pools import PoolKey

    from ..snapshot import Snapshot
    from ..usage import Usage
    from .finding import ObjectReference

_STUCK_AFTER = dt.timedelta(seconds=2 * ORPHAN_SECONDS)
"""The time after its deletion in which a manager that serves an object has released it."""

_CHECKS = frozenset(
    {Check.ADDRESS_ORPHANED, Check.CLAIM_DELETING, Check.ADDRESS_DELETING, Check.POOL_DELETING}
)
"""The checks whose findings about such an object add nothing."""


class _Stuck(NamedTuple):
    """An object that only our finalizer keeps, and the Cluster and pool that may pause it."""

    object: ObjectReference
    meta: Metadata
    finalizer: str
    cluster: str = ""
    pool: PoolKey | None = None


async def findings(
    api: Api,
    snapshot: Snapshot,
    usages: Mapping[PoolKey, Usage],
    now: dt.datetime,
) -> list[Finding]:
    """Return a finding, with its fix, for each object that only a fix releases.

    Raises:
        UnreachableError: the API server does not answer.
    """
    if snapshot.unreadable:  # one of them may be the claim of an IPAddress
        return []
    stuck = list(_stuck(snapshot, usages, now - _STUCK_AFTER))
    clusters = await _clusters(api, snapshot) if stuck else {}
    return [_finding(each) for each in stuck if not _paused(snapshot, clusters, each)]


def merged(found: Sequence[Finding], stuck: Sequence[Finding], namespace: str) -> list[Finding]:
    """Return all findings of a namespace; one with a fix replaces others about the deletion."""
    fixed = {each.object for each in stuck}
    rest = [each for each in found if each.check not in _CHECKS or each.object not in fixed]
    return rest + [each for each in stuck if namespace in ("", each.object.namespace)]


def _finding(stuck: _Stuck) -> Finding:
    fix = _fix(stuck)
    cause = (
        f"was deleted at {stuck.meta.deletion_timestamp}, and no manager removes the finalizer "
        f"{stuck.finalizer}"
    )
    remedy = f"run kubectl ipam check --fix to {fix.action}"
    return Finding(Check.FINALIZER_STUCK, WARNING, stuck.object, cause, remedy, fix)


def _fix(stuck: _Stuck) -> Fix:
    meta = stuck.meta
    finalizers = list(meta.finalizers_but(stuck.finalizer))
    patch = {"resourceVersion": meta.resource_version, "finalizers": finalizers}
    return Fix(f"remove the finalizer {stuck.finalizer}", {"metadata": patch})


def _stuck(
    snapshot: Snapshot, usages: Mapping[PoolKey, Usage], before: dt.datetime
) -> Iterator[_Stuck]:
    """Yield the objects that were deleted before a time, and that only our finalizer keeps."""
    yield from _addresses(snapshot, before)
    yield from _claims(snapshot, before)
    for key, usage in usages.items():
        pool = usage.pool
        if pool and not usage.holdings and _holds(pool.metadata, PROTECT_POOL_FINALIZER, before):
            yield _Stuck(finding.of_pool(key), pool.metadata, PROTECT_POOL_FINALIZER)


def _addresses(snapshot: Snapshot, before: dt.datetime) -> Iterator[_Stuck]:
    kind, finalizer = snapshot.contract.addresses.kind, PROTECT_ADDRESS_FINALIZER
    for key, address in snapshot.addresses.items():
        meta = address.metadata
        if address.pool and _holds(meta, finalizer, before) and _unused(snapshot, address, before):
            cluster = meta.labels.cluster_name or ""
            yield _Stuck(finding.of(kind, key), meta, finalizer, cluster, address.pool)


def _claims(snapshot: Snapshot, before: dt.datetime) -> Iterator[_Stuck]:
    kind, finalizer = snapshot.contract.claims.kind, RELEASE_FINALIZER
    for key, claim in snapshot.claims.items():
        meta, address = claim.metadata, snapshot.addresses.get(key)
        has_address = address is not None and refers_to(address, claim)
        if claim.pool and _holds(meta, finalizer, before) and not has_address:
            yield _Stuck(finding.of(kind, key), meta, finalizer, claim.cluster_name, claim.pool)


def _holds(meta: Metadata, finalizer: str, before: dt.datetime) -> bool:
    """Whether an object was deleted before a time and still has a finalizer."""
    if meta.deletion_timestamp is None or finalizer not in meta.finalizers:
        return False
    return dt.datetime.fromisoformat(meta.deletion_timestamp) < before


def _unused(snapshot: Snapshot, address: clusterapi.IPAddress, before: dt.datetime) -> bool:
    """Whether an IPAddress has no claim, or a claim that only waits for its deletion."""
    claim = snapshot.claims.get(address.metadata.key)
    if claim is None or abandoned(address, claim):
        return True
    pool = snapshot.pools.get(claim.pool) if claim.pool else None
    seconds = pool.spec.address_reuse_grace_period_seconds if pool and pool.spec else 0
    grace = dt.timedelta(seconds=seconds)
    alone = claim.metadata.finalizers == (RELEASE_FINALIZER,)
    return alone and _holds(claim.metadata, RELEASE_FINALIZER, before - grace)


async def _clusters(api: Api, snapshot: Snapshot) -> dict[Key, clusterapi.Cluster] | None:
    """Return all Clusters; None if they cannot be read."""
    resource = snapshot.contract.clusters
    try:
        found = await list_all(api, resource, clusterapi.Cluster, snapshot.namespace)
    except ApiError:
        return None
    return {cluster.metadata.key: cluster for cluster in found}


def _paused(
    snapshot: Snapshot, clusters: Mapping[Key, clusterapi.Cluster] | None, stuck: _Stuck
) -> bool:
    """Whether an object is paused, or it is unknown whether it is."""
    meta, pool = stuck.meta, snapshot.pools.get(stuck.pool) if stuck.pool else None
    if stuck.pool and snapshot.lacks(stuck.pool):
        return True
    if meta.paused or (pool is not None and pool.metadata.paused):
        return True
    if clusters is None:
        return bool(stuck.cluster)
    cluster = clusters.get(Key(meta.namespace, stuck.cluster))
    return cluster is not None and cluster.paused
