# SPDX-License-Identifier: Apache-2.0
"""The rules of admission: whether a write of a pool is allowed, and what defaulting adds to it.

Rules about addresses are in `ipam.pool_specs`, and JSON types and bounds in `api`.  Rules about the
stored object and its client are in `pool_review.py`.  The rules here depend on the cluster.
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

_OVERLAPS_SECONDS = 2.0  # how long a write may wait for warnings about other pools


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one review; it allows the write if there is no `status`."""

    status: values.JsonObject | None = None
    warnings: list[str] = field(default_factory=list[str])
    patched: values.JsonObject | None = None
    """The object with defaulted spec and annotations; None if nothing changes."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The part of a response that needs no cluster, and the questions to the cluster."""

    pool: pools.PoolKey
    status: values.JsonObject | None = None
    """Why the write is refused, whatever the cluster has; None if it may be allowed."""
    warnings: list[str] = field(default_factory=list[str])
    deleted: bool = False
    """Whether the write is allowed only if the pool has no IPAddress."""
    removed: AddressSet | None = None
    """The blocks that the write removes from the pool; none of them may be in use."""
    added: AddressSet | None = None
    """The addresses to compare with those of other pools; None if nothing is new."""


def assess(review: PoolReview) -> Assessment:
    """Check all that needs no cluster; a large pool takes about 100 ms."""
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
    """Return whether a write is allowed.

    Flow:
        Only a delete, and an update that removes addresses, read the addresses in use.

    Raises:
        ClusterReadError: the addresses in use are needed, and cannot be read now.
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
    return Response(
        warnings=overlaps.few(assessed.warnings + await _overlap_warnings(assessed, cluster))
    )


def default(review: PoolReview) -> Response:
    """Add the defaults, and the fields that a write drops by mistake.

    Flow:
        Fields that server-side apply has pruned in the wrong version come back.  A client of an old
        version may drop the conversion annotation (kubectl replace of an old manifest).  Then the
        hub-only fields come back.  Prefix pools get their default.
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
    """Return a warning about fields that stay although the applied manifest lacks them."""
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
    """Refuse an update of annotations that would make the pool unreadable in another version."""
    new, old = review.new, review.old
    if new is None or old is None or new.deleting or new.annotations == old.annotations:
        return None
    if (found := new.overlong()) is None or old.overlong() is not None:
        return None
    return statuses.bad_request(f"{new.key}: metadata.annotations: {found}")


async def _overlap_warnings(assessed: Assessment, cluster: ClusterReader) -> list[str]:
    """Return warnings about new addresses that other pools also have.

    Guarantees:
        Takes 2 s at most, and then returns the warnings found so far.
    """
    if assessed.added is None:
        return []
    found: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_OVERLAPS_SECONDS):
            others = await cluster.address_sets()
            for text in overlaps.compare(assessed.pool, assessed.added, others):
                found += [text] if text else []
                await asyncio.sleep(0)  # lets other reviews run
    return found


def _number(found: Found) -> str:
    """Return `1 IPAddress`, or `at least 1000 IPAddresses` if not all were counted."""
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
