# SPDX-License-Identifier: Apache-2.0
"""The rules of admission: whether a write of a pool may happen, and what is added to it.

Rules about addresses are in `ipam.offer`, JSON types and bounds in `api`, what depends on the
stored object and on its client in `review.py`.  What stands here depends on the cluster.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from conversion import registry
from crdkit.conversion import values
from ipam.address_sets import AddressSet
from ipam.texts import counted
from objects import pools

from . import overlaps, server_side_apply, statuses
from .cluster_reader import ClusterReader, Found
from .pool_review import PoolReview
from .reviewed_pool import ReviewedPool, with_fields

MOST_WARNINGS = 10
"""Of one answer; the API server cuts them at 4096 characters together."""

_OVERLAPS_SECONDS = 2.0  # so long a write may wait for warnings of other pools


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to one review: without `status` it is yes."""

    status: values.JsonObject | None = None
    warnings: list[str] = field(default_factory=list[str])
    patched: values.JsonObject | None = None
    """The object as it should be written, where that is not as it came: spec and annotations."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a write comes to by itself, and what of the cluster it depends on."""

    pool: pools.PoolKey
    status: values.JsonObject | None = None
    """Why it is refused, whatever the cluster says."""
    warnings: list[str] = field(default_factory=list[str])
    deleted: bool = False
    """Whether no IPAddress of the pool may exist."""
    removed: AddressSet | None = None
    """The allocations that it takes out of the pool; none of them may be in use."""
    added: AddressSet | None = None
    """What to compare with the offers of other pools; None: nothing new."""


def assess(review: PoolReview) -> Assessment:
    """Work out all that needs no cluster; a large pool takes some 100 ms."""
    pool = review.pool.key
    if review.harmless:
        return Assessment(pool, _refused_annotations(review))
    if review.operation == "DELETE":
        return Assessment(pool, deleted=not review.may_delete_in_use)
    if review.new is None:
        return Assessment(pool)
    if problems := review.errors:
        return Assessment(pool, statuses.invalid(pool.kind, pool.name, problems))
    warnings = review.new.warnings(review.version)
    return Assessment(pool, None, warnings, removed=review.removed, added=review.new_addresses)


async def validate(assessed: Assessment, cluster: ClusterReader) -> Response:
    """Say whether a write may happen.

    Flow:
        Only an update that takes addresses out of the offer, and a delete, ask for those in use.

    Raises:
        InUseError: it depends on them, and they cannot be told now.
    """
    if assessed.status is not None:
        return Response(assessed.status)
    pool = assessed.pool
    if assessed.deleted and (found := await cluster.find(pool, None)).count:
        held = f"still has {_number(found)} in use: {_named(found)}"
        return Response(statuses.bad_request(f"{pool} {held}; {_advice(found)}"))
    if assessed.removed and (found := await cluster.find(pool, assessed.removed)).count:
        gone = f"{_number(found)} in use would no longer be in the pool: {_named(found)}"
        keep = "keep it in" if found.single else "keep them in"
        return Response(statuses.bad_request(f"{pool}: {gone}; {keep}, or {_advice(found)}"))
    return Response(warnings=_few(assessed.warnings + await _overlap_warnings(assessed, cluster)))


def default(review: PoolReview) -> Response:
    """Say what a write leaves out that has to be there.

    Flow:
        What server-side apply has pruned in the wrong version is mended.  A client of an old
        version that does not know the conversion annotation (kubectl replace of an old manifest)
        keeps what its version has no field for.  Prefix pools get their default.
    """
    if review.new is None or review.operation not in {"CREATE", "UPDATE"}:
        return Response()
    if review.new.deleting:
        return Response()
    obj, warnings = review.new.obj, list[str]()
    if review.old is not None:
        warnings = _unowned(server_side_apply.unowned(review.new, review.old))
        obj = server_side_apply.corrected(review.new, review.old, review.version, review.manager)
        obj = with_fields(
            obj, registry.REGISTRY.dropped_hub_fields(obj, review.old.obj, review.version)
        )
    if review.pool.key.kind in pools.PREFIX_KINDS and _length(obj) is None:
        obj = with_fields(obj, {"allocationPrefixLength": pools.DEFAULT_PREFIX_LENGTH})
    return Response(warnings=warnings, patched=None if obj is review.new.obj else obj)


def _unowned(names: frozenset[str]) -> list[str]:
    """Return a warning about fields that stay although the applied manifest does not have them."""
    if not names:
        return []
    fields = ", ".join(f"spec.{name}" for name in sorted(names))
    text = (
        f"{fields}: kept, although the applied manifest has no such field. The pool has lost its "
        "metadata.managedFields, so nobody owns the fields that it had before. "
        "Use kubectl edit to remove those that you do not want"
    )
    return [text]


def _length(obj: values.JsonObject) -> object:
    return ReviewedPool(obj).spec.get("allocationPrefixLength")


def _refused_annotations(review: PoolReview) -> values.JsonObject | None:
    """Refuse an update of annotations after which a client of another version could not read it."""
    new, old = review.new, review.old
    if new is None or old is None or new.deleting or new.annotations == old.annotations:
        return None
    if (found := new.overlong()) is None or old.overlong() is not None:
        return None
    return statuses.bad_request(f"{new.key}: metadata.annotations: {found}")


async def _overlap_warnings(assessed: Assessment, cluster: ClusterReader) -> list[str]:
    """Warn of addresses that other pools offer, too, when a pool comes or changes its own.

    Guarantees:
        Takes 2 s at most: then it is told what was found so far.
    """
    if assessed.added is None:
        return []
    found: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_OVERLAPS_SECONDS):
            others = await cluster.address_sets()
            for text in overlaps.compare(assessed.pool, assessed.added, others):
                found += [text] if text else []
                await asyncio.sleep(0)  # other reviews are not kept waiting for all the pools
    return found


def _number(found: Found) -> str:
    """Return `1 IPAddress`, or `at least 1000 IPAddresses` where not all were counted."""
    return f"{'at least ' if found.more else ''}{counted(found.count, 'IPAddress')}"


def _named(found: Found) -> str:
    """Return `default/web (10.0.0.1), default/db (10.0.0.2), ...`."""
    some = ", ..." if found.more or found.count > len(found.few) else ""
    return f"{', '.join(map(str, found.few))}{some}"


def _advice(found: Found) -> str:
    if found.single:
        return (
            "delete the IPAddressClaim of the same name first, "
            "or the IPAddress itself if it has no claim"
        )
    return (
        "delete the IPAddressClaims of the same names first, "
        "or the IPAddresses themselves if they have no claims"
    )


def _few(warnings: list[str]) -> list[str]:
    if len(warnings) <= MOST_WARNINGS:
        return warnings
    return [*warnings[:MOST_WARNINGS], f"... and {len(warnings) - MOST_WARNINGS} more"]
