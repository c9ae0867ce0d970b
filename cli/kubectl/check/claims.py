# SPDX-License-Identifier: Apache-2.0
"""Find problems of claims that are not about the addresses of one pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.resources import GROUP
from controller import references
from controller.conditions import DELETING
from objects import pools
from objects.metadata import RELEASE_FINALIZER
from objects.references import intended_pool_of

from . import finding
from .finding import ERROR, WARNING, Check, Finding, ObjectReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from objects import clusterapi

    from ..snapshot import Snapshot


def findings(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> Iterator[Finding]:
    """Yield the problems of a claim."""
    key = claim.metadata.key
    name = finding.of(snapshot.contract.claims.kind, key)
    if claim.metadata.deleting and (claim.pool or RELEASE_FINALIZER in claim.metadata.finalizers):
        cause = f"was deleted at {claim.metadata.deletion_timestamp} and still exists: "
        remedy = "check that the manager runs; while it runs, do not remove the finalizer by hand"
        yield Finding(Check.CLAIM_DELETING, WARNING, name, cause + _held(snapshot, claim), remedy)
    elif claim.pool is None:
        yield from _wrong_reference(claim, name)
    elif claim.bound and key not in snapshot.addresses:
        cause = "is bound, but its IPAddress does not exist"
        remedy = "check that the manager runs: it creates the IPAddress again"
        yield Finding(Check.ADDRESS_NOT_FOUND, ERROR, name, cause, remedy)


def _held(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> str:
    """Return what keeps a deleted claim."""
    condition = snapshot.contract.condition(claim, DELETING)
    finalizers = f"finalizers {', '.join(claim.metadata.finalizers)} are left"
    return (condition.message if condition else "") or finalizers


def _wrong_reference(claim: clusterapi.IPAddressClaim, name: ObjectReference) -> Iterator[Finding]:
    reference = claim.spec.pool_ref
    if intended_pool_of(reference, claim.metadata.namespace):
        cause = references.problem(claim)
        yield Finding(Check.CLAIM_REFERENCE_INVALID, ERROR, name, cause, references.REMEDY)
    elif reference.api_group == GROUP and reference.kind not in pools.RESOURCES:
        cause = f"names a pool of kind {reference.kind!r}, which this provider does not have"
        remedy = f"name one of {', '.join(pools.RESOURCES)}"
        yield Finding(Check.CLAIM_REFERENCE_INVALID, WARNING, name, cause, remedy)
