# SPDX-License-Identifier: Apache-2.0
"""The rules of admission: whether a write of a pool may happen, and what is added to it.

Rules about addresses are in `ipam.offer`, JSON types and bounds in `api`.  What stands here is what
depends on the stored object, on its client, and on the addresses in use.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from conversion import registry, values
from ipam import offer
from kube import pools
from kube.objects import MOVED_ANNOTATION

from . import applied, neighbours, statuses
from .inuse import InUse
from .pool import Pool, adding, can_strand, stranded

SKIP_DELETE_ANNOTATION = "ipam.cluster.x-k8s.io/skip-validate-delete-webhook"

_TOLD_ADDRESSES = 10  # of those in the way; the message has to stay readable
_TOLD_WARNINGS = 10  # the API server cuts them at 4096 characters together
_NEIGHBOURS_SECONDS = 2.0  # so long a write may wait for warnings of other pools


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one review: without `status` it is yes."""

    status: values.JsonObject | None = None
    warnings: list[str] = field(default_factory=list[str])
    mended: values.JsonObject | None = None
    """The object as it should be written, where that is not as it came: spec and annotations."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write under review.  `version` is the one that the client wrote, `manager` its name."""

    uid: str
    operation: str
    version: str
    new: Pool | None
    old: Pool | None
    manager: str = ""

    @property
    def pool(self) -> Pool:
        """The object that is written or deleted."""
        pool = self.new or self.old
        return pool if pool is not None else Pool({})

    @property
    def harmless(self) -> bool:
        """Whether it concerns no spec, or an object that is going away."""
        if self.new is None or self.old is None:
            return False
        if self.new.deleting:
            return True
        # What a v1alpha1 client wrote may leave no trace in the hub's spec, such as half a range.
        return self.new.obj.get("spec") == self.old.obj.get("spec") and (
            self.version == pools.HUB
            or self.new.written(self.version) == self.old.written(self.version)
        )

    @property
    def problems(self) -> list[offer.Problem]:
        """What is wrong with the new object, whatever is in use."""
        if self.new is None:
            return []
        return self.new.problems(self.version, self.old) + self._moved_length()

    def _moved_length(self) -> list[offer.Problem]:
        """Refuse another length of sub-prefixes: those handed out have the old one."""
        name = "allocationPrefixLength"
        if self.new is None or self.old is None or self.pool.key.kind not in pools.PREFIX_KINDS:
            return []
        new = self.new.spec.get(name, pools.DEFAULT_PREFIX_LENGTH)
        if new == self.old.spec.get(name, pools.DEFAULT_PREFIX_LENGTH):
            return []
        return [offer.Problem(name, new, "is immutable")]


async def judge(write: Write, in_use: InUse) -> Verdict:
    """Say whether a write may happen.

    Flow:
        Only an update that takes addresses out of the offer, and a delete, ask for those in use.

    Raises:
        InUseError: it depends on them, and they cannot be told now.
    """
    if write.harmless:
        return _judge_annotations(write)
    if write.operation == "DELETE":
        return await _judge_delete(write.pool, in_use)
    if write.new is None:
        return Verdict()
    if problems := write.problems:
        return Verdict(statuses.invalid(write.pool.key.kind, write.pool.key.name, problems))
    if write.old is not None and (lost := await _strands(write.new, write.old, in_use)):
        return Verdict(statuses.bad_request(_named("would no longer be in the pool", lost, write)))
    notes = write.new.notes(write.version) + await _neighbours(write.new, write.old, in_use)
    return Verdict(warnings=_few(notes))


def complete(write: Write) -> Verdict:
    """Say what a write leaves out that has to be there.

    Flow:
        What server-side apply has pruned in the wrong version is mended.  A client of an old
        version that does not know the conversion annotation (kubectl replace of an old manifest)
        keeps what its version has no field for.  Prefix pools get their default.
    """
    if write.new is None or write.operation not in {"CREATE", "UPDATE"}:
        return Verdict()
    if write.new.deleting:
        return Verdict()
    obj = write.new.obj
    if write.old is not None:
        obj = applied.mended(write.new, write.old, write.version, write.manager)
        obj = adding(obj, registry.unsaid(obj, write.old.obj, write.version))
    if write.pool.key.kind in pools.PREFIX_KINDS and _length(obj) is None:
        obj = adding(obj, {"allocationPrefixLength": pools.DEFAULT_PREFIX_LENGTH})
    return Verdict(mended=None if obj is write.new.obj else obj)


def _length(obj: values.JsonObject) -> object:
    return Pool(obj).spec.get("allocationPrefixLength")


async def _judge_delete(pool: Pool, in_use: InUse) -> Verdict:
    if pool.annotations.keys() & {SKIP_DELETE_ANNOTATION, MOVED_ANNOTATION}:
        return Verdict()
    addresses = await in_use.addresses_of(pool.key)
    if not addresses:
        return Verdict()
    held = f"{pool.key} still has {_listed(addresses)} in use"
    return Verdict(statuses.bad_request(f"{held}; delete the IPAddressClaims first"))


def _judge_annotations(write: Write) -> Verdict:
    """Refuse an update of annotations after which a client of another version could not read it."""
    new, old = write.new, write.old
    if new is None or old is None or new.deleting or new.annotations == old.annotations:
        return Verdict()
    if (found := new.overlong()) is None or old.overlong() is not None:
        return Verdict()
    return Verdict(statuses.bad_request(f"{new.key}: metadata.annotations: {found}"))


async def _strands(new: Pool, old: Pool, in_use: InUse) -> list[str]:
    before, after = old.offered(), new.offered()
    if not can_strand(before, after):
        return []
    return stranded(before, after, await in_use.addresses_of(new.key))


async def _neighbours(new: Pool, old: Pool | None, in_use: InUse) -> list[str]:
    """Warn of addresses that other pools offer, too, when a pool comes or changes its own.

    Guarantees:
        Takes 2 s at most: then it is told what was found so far.
    """
    mine = new.offered()
    if not mine.slots or (old is not None and old.offered().slots == mine.slots):
        return []
    found: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_NEIGHBOURS_SECONDS):
            for text in neighbours.one_by_one(new.key, mine, await in_use.offers()):
                found += [text] if text else []
                await asyncio.sleep(0)  # other reviews are not kept waiting for all the pools
    return found


def _named(what: str, addresses: list[str], write: Write) -> str:
    advice = "keep them in, or delete their IPAddressClaims first"
    return f"{write.pool.key}: {_listed(addresses)} in use {what}; {advice}"


def _listed(addresses: Sequence[str]) -> str:
    few = ", ".join(addresses[:_TOLD_ADDRESSES])
    more = ", ..." if len(addresses) > _TOLD_ADDRESSES else ""
    noun = "address" if len(addresses) == 1 else "addresses"
    return f"{len(addresses)} {noun} ({few}{more})"


def _few(warnings: list[str]) -> list[str]:
    if len(warnings) <= _TOLD_WARNINGS:
        return warnings
    return [*warnings[:_TOLD_WARNINGS], f"... and {len(warnings) - _TOLD_WARNINGS} more"]
