# SPDX-License-Identifier: Apache-2.0
"""Find problems of pools, claims and IPAddresses, each with its remedy."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from api.resources import GROUP
from controller import references
from controller.addresses import abandoned
from controller.conditions import DELETING
from ipam.texts import counted, first_of
from objects import clusterapi, pools
from objects.references import intended_pool_of
from webhook import overlaps

from . import selection, waiting
from .usage import NO_POOL, NOT_READ

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kube.meta import Key
    from objects.pools import PoolKey

    from .snapshot import Snapshot
    from .usage import Usage

ERROR, WARNING = "error", "warning"

_NAMED = 5
"""Most objects that a finding names."""


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """A problem and its remedy.  The name of a check never changes."""

    check: str
    severity: str
    object: str
    problem: str
    remedy: str


def of_objects(
    snapshot: Snapshot, usages: Mapping[PoolKey, Usage], namespace: str
) -> Iterator[Finding]:
    """Yield the findings about the pools and claims of a namespace; about all if it is empty."""
    for name in snapshot.unreadable:
        yield Finding("unreadable", ERROR, name, "cannot be read", "correct it, or delete it")
    visible = selection.visible(usages, namespace)
    for key in visible:
        yield from _of_pool(snapshot, usages[key])
    yield from _overlaps(usages, visible)
    for claim in snapshot.claims.values():
        if namespace in ("", claim.metadata.namespace):
            yield from _of_claim(snapshot, claim)


def _of_pool(snapshot: Snapshot, usage: Usage) -> Iterator[Finding]:
    yield from _closed(usage)
    yield from _duplicates(usage)
    yield from _waiting(snapshot, usage)
    for holding in usage.holdings:
        if holding.address is not None:
            yield from _of_address(snapshot, usage, holding.key, holding.address)


def _closed(usage: Usage) -> Iterator[Finding]:
    if usage.closed == NOT_READ:
        remedy = "ask somebody who may read it to run the command"
        yield Finding("unchecked", WARNING, str(usage.key), usage.closed, remedy)
    elif usage.pool is None:
        names = _names(claim.metadata.key for claim in usage.waiting) or _names(
            holding.key for holding in usage.holdings
        )
        text = f"does not exist, but claims or IPAddresses name it: {names}"
        remedy = "create the pool, or delete the claims"
        yield Finding("pool-missing", ERROR, str(usage.key), text, remedy)
    elif usage.pool.metadata.deleting:
        left = counted(usage.used, "IPAddress")
        text = f"is being deleted, and waits for the release of {left}"
        remedy = f"delete the claims of the pool; kubectl ipam show {usage.key.name} lists them"
        yield Finding("pool-deleting", WARNING, str(usage.key), text, remedy)
    elif usage.closed:
        remedy = "correct the spec of the pool"
        yield Finding("pool-closed", ERROR, str(usage.key), usage.closed, remedy)


def _duplicates(usage: Usage) -> Iterator[Finding]:
    by_address = defaultdict[str, list["Key"]](list)
    for holding in usage.holdings:
        if holding.key in usage.duplicates:
            by_address[holding.text].append(holding.key)
    for address, keys in by_address.items():
        text = f"address {address} is in use by {counted(len(keys), 'IPAddress')}: {_names(keys)}"
        remedy = "delete the claims of all but one; delete an IPAddress itself if it has no claim"
        yield Finding("duplicate", ERROR, str(usage.key), text, remedy)


def _waiting(snapshot: Snapshot, usage: Usage) -> Iterator[Finding]:
    by_reason = defaultdict[str, list["Key"]](list)
    for claim in usage.waiting if usage.closed != NO_POOL else ():
        by_reason[waiting.why(snapshot, claim)].append(claim.metadata.key)
    for reason, keys in by_reason.items():
        state, _, remedy = reason.rpartition("; ")
        text = f"{counted(len(keys), 'claim')} without an address ({_names(keys)}): "
        remedy = remedy if state else "see docs/reference/conditions.md"
        yield Finding("waiting", WARNING, str(usage.key), text + (state or reason), remedy)


def _of_address(
    snapshot: Snapshot, usage: Usage, key: Key, address: clusterapi.IPAddress
) -> Iterator[Finding]:
    name, claim = f"IPAddress {key}", snapshot.claims.get(key)
    if key in usage.outside and usage.pool and not usage.address_set.errors:
        text = f"has {address.spec.address!r}, which {usage.key} does not hand out"
        remedy = "add the address to the pool, or delete the claim so that it gets another one"
        yield Finding("outside", WARNING, name, text, remedy)
    if abandoned(address, claim):
        held = address.metadata.finalizers
        text = f"has no claim{', and is held by finalizers ' + ', '.join(held) if held else ''}"
        remedy = "the manager releases it within five minutes; after that, delete it"
        yield Finding("orphan", WARNING, name, text, remedy)
    elif address.metadata.deleting and claim and not claim.metadata.deleting:
        text = f"is being deleted, but its claim is not; finalizers: {_listed(address)}"
        yield Finding("address-deleting", WARNING, name, text, "delete the claim as well")


def _of_claim(snapshot: Snapshot, claim: clusterapi.IPAddressClaim) -> Iterator[Finding]:
    key, name = claim.metadata.key, f"IPAddressClaim {claim.metadata.key}"
    if claim.metadata.deleting:
        deleting = snapshot.contract.condition(claim, DELETING)
        held = f"finalizers {', '.join(claim.metadata.finalizers)} are left"
        reason = (deleting.message if deleting else "") or held
        text = f"was deleted at {claim.metadata.deletion_timestamp} and still exists: {reason}"
        remedy = "check that the manager runs; while it runs, do not remove the finalizer by hand"
        yield Finding("claim-deleting", WARNING, name, text, remedy)
    elif claim.pool is None:
        yield from _misdirected(claim, name)
    elif claim.bound and key not in snapshot.addresses:
        text = "is bound, but its IPAddress does not exist"
        remedy = "check that the manager runs: it creates the IPAddress again"
        yield Finding("unbacked", ERROR, name, text, remedy)


def _misdirected(claim: clusterapi.IPAddressClaim, name: str) -> Iterator[Finding]:
    reference = claim.spec.pool_ref
    if intended_pool_of(reference, claim.metadata.namespace):
        problem, _, remedy = references.note(claim).partition(". ")
        yield Finding("reference", ERROR, name, problem, remedy)
    elif reference.api_group == GROUP and reference.kind not in pools.KINDS:
        text = f"names a pool of kind {reference.kind!r}, which this provider does not have"
        remedy = f"name one of {', '.join(pools.KINDS)}"
        yield Finding("reference", WARNING, name, text, remedy)


def _overlaps(usages: Mapping[PoolKey, Usage], visible: Iterable[PoolKey]) -> Iterator[Finding]:
    index = overlaps.Index({key: usage.address_set for key, usage in usages.items()})
    for key in visible:
        for text in index.overlaps(key).warnings:
            remedy = "remove the addresses from one of the pools, or exclude them there"
            yield Finding("overlap", WARNING, str(key), text, remedy)


def _listed(address: clusterapi.IPAddress) -> str:
    return ", ".join(address.metadata.finalizers) or "none"


def _names(keys: Iterable[Key]) -> str:
    """Return the first few names, and how many more there are."""
    return first_of(sorted(map(str, keys)), _NAMED)
