# SPDX-License-Identifier: Apache-2.0
"""Find problems of pools, claims and IPAddresses in a snapshot."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from controller.addresses import abandoned
from ipam.texts import counted, first_of
from objects.metadata import PROTECT_ADDRESS_FINALIZER
from webhook import overlaps

from .. import selection, waiting
from ..usage import NO_POOL, NOT_READ
from . import claims, finding
from .finding import ERROR, WARNING, Check, Finding, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ipam.notation import Address
    from kube.meta import Key
    from objects import clusterapi
    from objects.pools import PoolKey

    from ..snapshot import Snapshot
    from ..usage import Usage
    from .finding import ObjectReference

_NAMED = 5
"""Most addresses that a cause names."""


def findings(
    snapshot: Snapshot, usages: Mapping[PoolKey, Usage], namespace: str
) -> Iterator[Finding]:
    """Yield the findings about the pools and claims of a namespace; about all if it is empty."""
    for kind, key in snapshot.unreadable:
        if namespace and key.namespace not in ("", namespace):
            continue
        where = finding.of(kind, key)
        yield Finding(
            Check.OBJECT_UNREADABLE, ERROR, where, "cannot be read", "correct it, or delete it"
        )
    visible = selection.visible(usages, namespace)
    for pool in visible:
        yield from _of_pool(snapshot, usages[pool])
    yield from _overlaps(usages, visible)
    yield from _shared(usages, visible)
    for claim in snapshot.claims.values():
        if namespace in ("", claim.metadata.namespace):
            yield from claims.findings(snapshot, claim)


def _of_pool(snapshot: Snapshot, usage: Usage) -> Iterator[Finding]:
    yield from _closed(usage)
    yield from _duplicates(usage)
    yield from _waiting(snapshot, usage)
    for holding in usage.holdings:
        if holding.address is not None:
            yield from _of_address(snapshot, usage, holding.key, holding.address)


def _closed(usage: Usage) -> Iterator[Finding]:
    if usage.closed == NOT_READ:
        remedy = "run the command as a user who may read it"
        yield Finding(
            Check.CHECK_SKIPPED, WARNING, finding.of_pool(usage.key), usage.closed, remedy
        )
    elif usage.pool is None:
        users = [claim.metadata.key for claim in usage.waiting]
        users = users or [holding.key for holding in usage.holdings]
        text = f"does not exist, but claims or IPAddresses name it: {names(users)}"
        remedy = "create the pool, or delete the claims"
        yield Finding(Check.POOL_NOT_FOUND, ERROR, finding.of_pool(usage.key), text, remedy)
    elif usage.pool.metadata.deleting:
        left = counted(usage.used, "IPAddress")
        text = f"is being deleted, and waits for the release of {left}"
        remedy = f"delete the claims of the pool; kubectl ipam show {usage.key.name} lists them"
        yield Finding(Check.POOL_DELETING, WARNING, finding.of_pool(usage.key), text, remedy)
    elif usage.closed:
        remedy = "correct the spec of the pool"
        yield Finding(Check.POOL_NOT_READY, ERROR, finding.of_pool(usage.key), usage.closed, remedy)


def _duplicates(usage: Usage) -> Iterator[Finding]:
    by_address = defaultdict[str, list["Key"]](list)
    for holding in usage.holdings:
        if holding.key in usage.duplicates:
            by_address[holding.text].append(holding.key)
    for address, keys in by_address.items():
        text = f"address {address} is in use by {counted(len(keys), 'IPAddress')}: {names(keys)}"
        remedy = "delete the claims of all but one; delete an IPAddress itself if it has no claim"
        yield Finding(Check.ADDRESS_CONFLICT, ERROR, finding.of_pool(usage.key), text, remedy)


def _waiting(snapshot: Snapshot, usage: Usage) -> Iterator[Finding]:
    by_reason = defaultdict[waiting.Reason, list["Key"]](list)
    for claim in usage.waiting if usage.closed != NO_POOL else ():
        by_reason[waiting.reason(snapshot, claim)].append(claim.metadata.key)
    for reason, keys in by_reason.items():
        text = f"{counted(len(keys), 'claim')} without an address ({names(keys)}): {reason.cause}"
        yield Finding(Check.CLAIM_WAITING, WARNING, finding.of_pool(usage.key), text, reason.remedy)


def _of_address(
    snapshot: Snapshot, usage: Usage, key: Key, address: clusterapi.IPAddress
) -> Iterator[Finding]:
    claim = snapshot.claims.get(key)
    name = finding.of(snapshot.contract.addresses.kind, key)
    if key in usage.outside and usage.pool and not usage.address_set.errors:
        text = f"has {address.spec.address!r}, which {usage.key} does not hand out"
        remedy = "add the address to the pool, or delete the claim so that it gets another one"
        yield Finding(Check.ADDRESS_OUT_OF_RANGE, WARNING, name, text, remedy)
    if abandoned(address, claim):
        yield _orphan(name, address.metadata.finalizers)
    elif address.metadata.deleting and claim and not claim.metadata.deleting:
        text = f"is being deleted, but its claim is not; finalizers: {_listed(address)}"
        yield Finding(Check.ADDRESS_DELETING, WARNING, name, text, "delete the claim as well")


def _orphan(name: ObjectReference, finalizers: Sequence[str]) -> Finding:
    """Return the finding about an IPAddress without a claim."""
    text = "has no claim"
    if finalizers:
        text += f", and is held by finalizers {', '.join(finalizers)}"
    remedy = "delete it if nobody uses the address: without its finalizer, no manager releases it"
    if PROTECT_ADDRESS_FINALIZER in finalizers:
        remedy = (
            "the manager releases it within five minutes, unless its Cluster or pool is paused; "
            "after that, check that a manager runs and serves the namespace"
        )
    return Finding(Check.ADDRESS_ORPHANED, WARNING, name, text, remedy)


def _overlaps(usages: Mapping[PoolKey, Usage], visible: Iterable[PoolKey]) -> Iterator[Finding]:
    index = overlaps.Index({key: usage.address_set for key, usage in usages.items()})
    for key in visible:
        found = index.overlaps(key)
        texts = [*found.first]
        if more := found.total - len(texts):
            texts.append(f"shares addresses with {counted(more, 'more pool')}")
        for text in texts:
            remedy = "remove the addresses from one of the pools, or exclude them there"
            yield Finding(Check.POOL_OVERLAP, WARNING, finding.of_pool(key), text, remedy)


def _shared(usages: Mapping[PoolKey, Usage], visible: Sequence[PoolKey]) -> Iterator[Finding]:
    """Yield the pairs of pools in which the same addresses are in use."""
    pools = defaultdict["Address", set["PoolKey"]](set)
    for key, usage in usages.items():
        for holding in usage.holdings:
            if holding.address and holding.start:
                pools[holding.start].add(key)
    shared = defaultdict[tuple["PoolKey", "PoolKey"], list[str]](list)
    for address, keys in pools.items():
        for pair in combinations(sorted(keys), 2):
            shared[pair].append(str(address))
    for (first, second), addresses in shared.items():
        if first in visible or second in visible:
            named = first_of(addresses, _NAMED)
            text = f"has addresses in use that are also in use in {second}: {named}"
            remedy = "if both pools are for one network, delete the claims of one of them"
            yield Finding(Check.ADDRESS_CONFLICT, WARNING, finding.of_pool(first), text, remedy)


def _listed(address: clusterapi.IPAddress) -> str:
    return ", ".join(address.metadata.finalizers) or "none"
