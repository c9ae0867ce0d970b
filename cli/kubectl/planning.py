# SPDX-License-Identifier: Apache-2.0
"""Compute what writing pools would change, by the functions of admission."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec

from crdkit.conversion import values
from ipam.notation import Block
from ipam.ranges import RangeSet
from objects import pools
from objects.pools import PoolKey
from webhook import admission, cluster_reader, overlaps
from webhook.pool_review import PoolReview
from webhook.reviewed_pool import ReviewedPool

from .. import validation
from ..manifests import Document
from . import holders, usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ipam.address_sets import AddressSet
    from kube.meta import Key

    from .usage import Usage

CREATED, CHANGED, UNCHANGED, REFUSED = "created", "changed", "unchanged", "refused"


class PoolPlan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one manifest would change."""

    kind: str
    namespace: str
    name: str
    version: str
    change: str
    gained: list[str] = []
    """Ranges of addresses."""
    gained_count: int = 0
    """Allocations: addresses, or prefixes."""
    lost: list[str] = []
    lost_count: int = 0
    free: int = 0
    """Free allocations afterwards."""
    served: int = 0
    """Claims that wait and would get an address."""
    stranded: list[holders.HolderReport] = []
    """IPAddresses that the pool would not hand out any more."""
    converted: str = ""
    """The spec as it is stored, if the manifest is in an old version."""
    warnings: list[str] = []
    refused: list[str] = []
    """Why admission would refuse the pool."""

    @property
    def shown(self) -> str:
        """The pool as tables name it."""
        return str(PoolKey(self.kind, self.namespace, self.name))


class Change(NamedTuple):
    """What one manifest would change, and the usage of its pool before and after that."""

    plan: PoolPlan
    before: Usage
    after: Usage | None
    """None if the manifest is no valid pool."""

    @property
    def key(self) -> PoolKey:
        """The pool that the manifest writes."""
        return self.before.key

    @property
    def gained(self) -> RangeSet:
        """The indexes of `after` that the pool gains."""
        return _difference(self.after.address_set, self.before.address_set) if self.after else _NONE

    @property
    def lost(self) -> RangeSet:
        """The indexes of `before` that the pool loses."""
        return _difference(self.before.address_set, self.after.address_set) if self.after else _NONE

    @property
    def stranded(self) -> frozenset[Key]:
        """The IPAddresses that the pool would not hand out any more."""
        return self.after.outside - self.before.outside if self.after else frozenset()


_NONE = RangeSet()


def key_of(document: Document) -> PoolKey:
    """Return the pool that a document writes."""
    obj = cast("values.JsonObject", document.obj)
    metadata = obj.get("metadata")
    meta = metadata if values.is_object(metadata) else {}
    return PoolKey(
        values.text(obj, "kind"), values.text(meta, "namespace"), values.text(meta, "name")
    )


async def changes(
    documents: Sequence[Document],
    stored: Sequence[values.JsonObject],
    usages: Mapping[PoolKey, Usage],
) -> list[Change]:
    """Return what each document would change; each is compared with the others, too."""
    present = [Document("", 0, 0, obj) for obj in stored]
    context = validation.Context.of(documents, present)
    cluster = PlannedCluster(usages)
    drafts = [await _draft(document, context, cluster) for document in documents]
    return list(_with_overlaps(drafts, usages))


class _Draft(NamedTuple):
    """A change whose addresses are not yet compared with those of other pools."""

    change: Change
    assessed: admission.Assessment | None = None
    """None if admission would refuse the manifest."""


class PlannedCluster:
    """Answers admission's questions from a snapshot."""

    def __init__(self, usages: Mapping[PoolKey, Usage]) -> None:
        self.usages = usages

    async def find(self, pool: PoolKey, address_set: AddressSet | None) -> cluster_reader.Found:
        """Return the IPAddresses of a pool whose address is among these."""
        found = cluster_reader.Found()
        for holding in self.usages[pool].holdings if pool in self.usages else ():
            if holding.address and cluster_reader.has(address_set, holding.text):
                found.add(cluster_reader.Holder(holding.key, holding.text))
        return found

    async def address_sets(self) -> Mapping[PoolKey, AddressSet]:
        """Return an empty mapping: `_with_overlaps` compares all pools at once."""
        return {}


def _with_overlaps(drafts: Sequence[_Draft], usages: Mapping[PoolKey, Usage]) -> Iterator[Change]:
    """Yield the changes with warnings about addresses that other pools have, too.

    Flow:
        Each pool is compared with the others as they are once the manifests before it are applied.
    """
    writes = [
        (change.key, change.after.address_set)
        for change, assessed in drafts
        if change.after and assessed
    ]
    found = overlaps.Index(
        {key: each.address_set for key, each in usages.items()}, writes
    ).of_writes()
    for change, assessed in drafts:
        if assessed is None:
            yield change
            continue
        others = next(found)
        warnings = overlaps.few(assessed.warnings, others if assessed.added else overlaps.NONE)
        yield change._replace(plan=msgspec.structs.replace(change.plan, warnings=warnings))


async def _draft(
    document: Document, context: validation.Context, cluster: PlannedCluster
) -> _Draft:
    key, obj = key_of(document), cast("values.JsonObject", document.obj)
    version = values.text(obj, "apiVersion").rpartition("/")[2]
    before = cluster.usages.get(key) or usage.empty(key)
    plan = PoolPlan(
        kind=key.kind, namespace=key.namespace, name=key.name, version=version, change=REFUSED
    )
    errors = [each.text for each in validation.all_of(document, context) if not each.warning]
    if errors:
        return _Draft(Change(msgspec.structs.replace(plan, refused=errors), before, None))
    written = ReviewedPool.read(obj)
    old = context.before(written)
    review = PoolReview("UPDATE" if old else "CREATE", version, written, old)
    new = ReviewedPool(admission.default(review).patched or written.obj)
    review = PoolReview(review.operation, version, new, old)
    assessed = admission.assess(review)
    response = await admission.validate(assessed, cluster)
    change = Change(plan, before, usage.with_pool(before, _wire(new)))
    compared = _compared(change, review, new)
    if response.status is not None:
        refused = [values.text(response.status, "message")]
        plan = msgspec.structs.replace(compared, change=REFUSED, served=0, refused=refused)
        return _Draft(change._replace(plan=plan))
    return _Draft(change._replace(plan=compared), assessed)


def _compared(change: Change, review: PoolReview, new: ReviewedPool) -> PoolPlan:
    before, after = change.before, change.after or change.before
    gained, lost, stranded = change.gained, change.lost, change.stranded
    unchanged = review.old is not None and review.harmless
    return msgspec.structs.replace(
        change.plan,
        change=UNCHANGED if unchanged else CHANGED if review.old else CREATED,
        gained=_texts(after.address_set, gained),
        gained_count=gained.size,
        lost=_texts(before.address_set, lost),
        lost_count=lost.size,
        free=after.free.size,
        served=0 if after.closed else min(len(after.waiting), after.free.size),
        stranded=[holders.report(after, each) for each in after.holdings if each.key in stranded],
        converted="" if change.plan.version == pools.HUB else json.dumps(new.spec),
    )


def _wire(pool: ReviewedPool) -> pools.Pool:
    given = {name: value for name, value in pool.spec.items() if value is not None}
    meta = pools.PoolMeta(name=pool.key.name, namespace=pool.key.namespace)
    return pools.Pool(
        kind=pool.key.kind, metadata=meta, spec=msgspec.convert(given, pools.PoolSpec)
    )


def _difference(one: AddressSet, other: AddressSet) -> RangeSet:
    """Return the blocks of a set that another one lacks."""
    alike = (one.family, one.block_size) == (other.family, other.block_size)
    return one.indexes - other.indexes if alike else one.indexes


def _texts(addresses: AddressSet, indexes: RangeSet) -> list[str]:
    return [
        str(Block.of_indexes(addresses.family, addresses.block_size, first, last))
        for first, last in indexes.ranges
    ]
