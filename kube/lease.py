# SPDX-License-Identifier: Apache-2.0
"""Leader election on a Lease, and how long the leader may still write.

Differs from client-go's in ways that matter when machines sleep, freeze or lose their clock:
time is CLOCK_BOOTTIME, which neither jumps nor stops during a suspend; `remaining` counts from
before the request that renewed the lease, so it never says more than other candidates believe; and
the lease is given up on a normal stop, for which candidates watch.

People and backups change leases as well.  The holder watches its lease and stops at once where that
is deleted or names another holder.  A candidate trusts a lease that its holder wrote, and it knows
one by a renewTime later than all it has seen.  Where the lease is gone, or was changed otherwise,
the last holder may still lead: the candidate waits for the whole duration before it takes it.

A client whose `write_seconds` is that of the lease is fenced: it gives each of its writes up before
anybody else can lead, and asks the server to.  What is on its way when the lease is given up on a
stop, or arrives late, is what the successor's own rules are for.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import msgspec
import structlog

from . import metrics
from .client import REQUEST_SECONDS, decode
from .clock import now
from .errors import ConflictError, KubeError, NotFoundError, NotLeaderError
from .liveness import Heartbeat
from .meta import Key, Meta, WatchEvent
from .options import ListOptions
from .resources import ApiResource
from .structs import Struct, prepared
from .tasks import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .client import Api

log = structlog.get_logger(__name__)

LEASES = ApiResource("coordination.k8s.io", "v1", "Lease", "leases")

_SAFETY = 2 / 15  # of the lease: so long before its end a write must be over, at the server too
_RENEW = 2 / 15  # of the lease: how often it is renewed (client-go: every 2 s of 15)
_ATTEMPT = 4 / 15  # of the lease: how long one attempt may take, so that one lost packet is no end
_LEAST_SECONDS = 1.0  # the API server counts a request's time-out in whole seconds
_RETRY_SECONDS = 1.0  # between attempts to reach the API server


class LeaseSpec(Struct, frozen=True, omit_defaults=False):
    """Who leads, since when, and until when after the last renewal."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(Meta, frozen=True):
    annotations: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class _Left(Struct, frozen=True):
    """The content of the note's annotation: valid only while the Lease has this renewTime."""

    renew_time: str = ""
    note: str = ""


_LEFT = msgspec.json.Decoder(_Left)


@prepared
class LeaseObject(Struct, frozen=True):
    """A Lease as the API server has it."""

    metadata: _Meta = _Meta()
    spec: LeaseSpec = LeaseSpec()


class _Sight(NamedTuple):
    """The Lease as a candidate last saw it, and the seconds for which nobody else may lead."""

    revision: str  # empty: there was no lease
    renewed: str
    since: float
    seconds: int


class Lease:
    """One candidate.

    Flow:
        `acquire` waits until this process leads; `renew` keeps it so until that fails; `release`
        gives it up.

    Guarantees:
        Never two leaders among candidates that have seen the lease, even if it is deleted or
        edited.

    Caveats:
        A candidate that starts after the lease was deleted has seen none, and leads at once.  The
        former leader learns of the deletion by its watch, within milliseconds where that works.
    """

    def __init__(
        self, api: Api, key: Key, identity: str, seconds: int, note_annotation: str
    ) -> None:
        """Be a candidate; `note_annotation` is where a released Lease has its holder's note."""
        self.identity = identity
        self._api = api
        self._namespace, self._name = key
        self._note_annotation = note_annotation
        self._seconds = seconds
        self._lease: LeaseObject | None = None
        self._held = Meta()
        self._seen: _Sight | None = None
        self.left = ""
        """The note of the former holder, if the lease was taken after its release; else empty."""
        self._note = ""
        self._until = 0.0
        self._written = 0.0  # when the last write began, whatever became of it
        self._leading = metrics.LEADING.labels(self._name)
        self.heartbeat = Heartbeat(f"the election by lease {self._name}")

    @property
    def metadata(self) -> Meta:
        """What identifies the Lease, as last read or written; empty before."""
        return self._lease.metadata if self._lease else Meta()

    @property
    def held(self) -> Meta:
        """What identifies the Lease that this process held last; empty before."""
        return self._held

    def remaining(self) -> float:
        """Return the seconds for which nobody else can be the leader; 0 or less means unknown."""
        return self._until - now()

    def write_seconds(self) -> float:
        """Return how long a write that is sent now may take, here and at the server.

        Raises:
            NotLeaderError: the lease ends too soon for any write.
        """
        left = self.remaining() - _SAFETY * self._seconds
        if left < _LEAST_SECONDS:
            raise NotLeaderError(f"{max(left, 0):.1f} s are left of lease {self._name}")
        return min(left, REQUEST_SECONDS)

    async def acquire(self) -> None:
        """Wait until this process is the leader."""
        while not await self._attempt(self._take):
            await self._wait_for_change()
        self._leading.set(1)
        log.info("leading", lease=self._name, identity=self.identity)

    async def renew(self) -> NoReturn:
        """Keep the lease.

        Raises:
            NotLeaderError: in a group: it could not be renewed in time, is deleted, or names
                another holder.
        """
        await together(self._keep(), self._guard())
        raise AssertionError("renewing never ends")  # pragma: no cover - it ends by an error

    async def release(self, note: str = "") -> None:
        """Let others lead at once.  Failures are harmless: the lease expires by itself.

        Args:
            note: For the candidate that takes the lease after this release (its `left`).
        """
        self._until, self._note = 0.0, note
        self._leading.set(0)
        try:
            async with asyncio.timeout(_ATTEMPT * self._seconds):
                await self._give_up_though_renewed()
        except (KubeError, TimeoutError) as error:
            problem = str(error) or "no answer in time"
            log.warning("lease not released", lease=self._name, error=problem)

    async def _give_up_though_renewed(self) -> None:
        try:
            await self._give_up()
        except ConflictError:  # a renewal of ours was on its way
            self._lease = None
            await self._give_up()

    async def _give_up(self) -> None:
        self._lease = self._lease or await self._read()
        if self._lease is not None and self._lease.spec.holder_identity == self.identity:
            await self._write(None, 1)
            log.info("lease released", lease=self._name)

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Take or renew the lease if that is possible now.

        Raises:
            NotLeaderError: the lease turned out to be lost.
        """
        self.heartbeat.beat()
        began = now()
        try:
            async with asyncio.timeout(_ATTEMPT * self._seconds):
                if not await step():
                    return False
        except NotLeaderError:
            raise
        except (KubeError, TimeoutError) as error:
            if not isinstance(error, ConflictError):
                problem = str(error) or "no answer in time"
                log.warning("lease not renewed", lease=self._name, error=problem)
            self._lease = None  # whatever was written, the next attempt reads it
            return False
        self._until = began + self._seconds
        self._held = self.metadata
        return True

    async def _keep(self) -> NoReturn:
        """Renew the lease again and again.

        Raises:
            NotLeaderError: it is lost, or could not be renewed in time.
        """
        while True:
            await asyncio.sleep(_RENEW * self._seconds)
            await self._attempt(self._extend)
            self.write_seconds()

    async def _extend(self) -> bool:
        """Renew the lease that we hold."""
        self.write_seconds()  # somebody may have led since, though the lease names us again
        try:
            if self._lease is not None:
                await self._write(self.identity, self._seconds)
                return True
        except ConflictError:  # changed by somebody, or by a write of ours whose answer was lost
            pass
        except NotFoundError:
            self._check_held(None)
        self._lease = await self._read()
        self._check_held(self._lease)
        await self._write(self.identity, self._seconds)
        return True

    async def _guard(self) -> NoReturn:
        """Watch the lease that we hold.

        Raises:
            NotLeaderError: it is deleted, or names another holder.
        """
        while True:
            try:
                await self._watch_held()
            except NotLeaderError:
                raise
            except KubeError as error:
                log.debug("lease not watched", lease=self._name, error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _watch_held(self) -> None:
        async with aclosing(self._api.watch(LEASES, self._watched())) as lines:
            async for line in lines:
                event = decode(line, WatchEvent, f"WATCH lease {self._name}")
                if event.type == "ERROR":
                    return
                gone = event.type == "DELETED"
                request = f"WATCH lease {self._name}"
                self._check_held(None if gone else decode(event.object, LeaseObject, request))

    def _check_held(self, lease: LeaseObject | None) -> None:
        """Stop at once if the lease is no longer ours.

        Raises:
            NotLeaderError: that is so.
        """
        holder = lease.spec.holder_identity if lease else None
        if holder == self.identity:
            return
        self._until = 0.0
        self._lease = None
        problem = f"is held by {holder or 'nobody'}" if lease else "is deleted"
        raise NotLeaderError(f"lease {self._name} {problem}")

    async def _take(self) -> bool:
        """Take the lease if nobody else can hold it."""
        self._lease = await self._read()
        free = self._free(self._lease)
        if free:
            left = self._left()
            await self._write(self.identity, self._seconds)  # of that version of the lease
            self.left = left
        return free

    def _free(self, lease: LeaseObject | None) -> bool:
        """Return whether nobody else leads: the lease is released, or its time is over."""
        last, spec = self._seen, lease.spec if lease else LeaseSpec()
        if spec.holder_identity == self.identity and now() < self._written + self._seconds:
            return True  # by a write whose answer was lost
        seen = self._sight(lease)
        if last is None:
            self._seen = seen if lease else None
            return not spec.holder_identity
        if seen.renewed > last.renewed:
            self._seen = seen
            return _released(spec)
        if seen.revision != last.revision:  # not its holder's doing, so that may still lead
            seconds = max(seen.seconds, last.seconds)
            self._seen = seen._replace(renewed=last.renewed, seconds=seconds)
            return False
        return now() > last.since + last.seconds

    def _sight(self, lease: LeaseObject | None) -> _Sight:
        """Return the present state; a shorter duration than our own may be an edit by a user."""
        if lease is None:
            return _Sight("", "", now(), self._seconds)
        seconds = max(lease.spec.lease_duration_seconds or 0, self._seconds)
        renewed = lease.spec.renew_time or ""
        return _Sight(lease.metadata.resource_version, renewed, now(), seconds)

    def _left(self) -> str:
        """Return the note of the last holder, if the lease is unchanged since its release."""
        lease = self._lease
        text = lease.metadata.annotations.get(self._note_annotation) if lease else None
        if lease is None or text is None or not _released(lease.spec):
            return ""
        try:
            left = _LEFT.decode(text)
        except msgspec.MsgspecError:
            return ""
        return left.note if left.renew_time == lease.spec.renew_time else ""

    async def _read(self) -> LeaseObject | None:
        try:
            answer = await self._api.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            return None
        return decode(answer, LeaseObject, f"GET lease {self._name}")

    async def _write(self, holder: str | None, seconds: int) -> None:
        self._written = now()
        old = self._lease.spec if self._lease else LeaseSpec()
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = old.holder_identity == holder
        spec = LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=seconds,
            acquire_time=old.acquire_time if same else stamp,
            renew_time=stamp,
            lease_transitions=(old.lease_transitions or 0) + (0 if same or not holder else 1),
        )
        if self._lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            body = msgspec.json.encode({"metadata": meta, "spec": spec})
            answer = await self._api.create(LEASES, self._namespace, body)
        else:
            left = (
                None
                if holder
                else msgspec.json.encode(_Left(renew_time=stamp, note=self._note)).decode()
            )
            version = self._lease.metadata.resource_version
            changes = {"resourceVersion": version, "annotations": {self._note_annotation: left}}
            body = msgspec.json.encode({"metadata": changes, "spec": spec})
            answer = await self._api.patch(LEASES, self._namespace, self._name, body)
        self._lease = decode(answer, LeaseObject, f"write of lease {self._name}")

    async def _wait_for_change(self) -> None:
        """Wait until the lease changes, or until it may have ended."""
        if self._lease is None or self._seen is None:
            await asyncio.sleep(_RETRY_SECONDS)
            return
        left = self._seen.since + self._seen.seconds - now() + 0.01  # strictly after the end
        try:
            async with asyncio.timeout(max(left, 0.01)):
                await self._next_event()
        except TimeoutError:
            pass
        except KubeError:
            await asyncio.sleep(_RETRY_SECONDS)

    async def _next_event(self) -> None:
        async with aclosing(self._api.watch(LEASES, self._watched())) as events:
            async for _ in events:
                return
        await asyncio.sleep(_RETRY_SECONDS)

    def _watched(self) -> ListOptions:
        """Return the options of a watch of the lease, starting at the state that we read."""
        revision = self._lease.metadata.resource_version if self._lease else ""
        selector = f"metadata.name={self._name}"
        return ListOptions(self._namespace, selector, resource_version=revision)


def _released(spec: LeaseSpec) -> bool:
    """Return whether its holder gave the lease up; an edit of the holder leaves the times alone.

    Source: k8s.io/client-go, tools/leaderelection/leaderelection.go, release
    """
    return not spec.holder_identity and spec.acquire_time == spec.renew_time
