# SPDX-License-Identifier: Apache-2.0
"""Leader election on a Lease, and how long the leader may still write.

Differs from client-go's in three ways that matter when machines sleep, freeze or lose their clock:
time is CLOCK_BOOTTIME, which neither jumps nor stops during a suspend; `remaining` counts from
before the request that renewed the lease, so it never says more than other candidates believe; and
the lease is given up on a normal stop, for which candidates watch.

A client whose `write_seconds` is that of the lease is fenced: it gives each of its writes up before
anybody else can lead, and asks the server to.  What is on its way when the lease is given up on a
stop, or arrives late, is what the successor's rules are for (`controller.state`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import structlog

from . import metrics
from .client import REQUEST_SECONDS, decode
from .errors import ConflictError, KubeError, NotFoundError, NotLeaderError
from .liveness import Heartbeat
from .objects import Meta, Struct
from .resources import GroupVersionResource

if TYPE_CHECKING:
    from .client import Api

log = structlog.get_logger(__name__)

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "Lease", "leases")

_SAFETY = 2 / 15  # of the lease: so long before its end a write must be over, at the server too
_RENEW = 2 / 15  # of the lease: how often it is renewed (client-go: every 2 s of 15)
_ATTEMPT = 4 / 15  # of the lease: how long one attempt may take, so that one lost packet is no end
_LEAST_SECONDS = 1.0  # the API server counts a request's time-out in whole seconds
_RETRY_SECONDS = 1.0  # between attempts to reach the API server


def now() -> float:
    """Return seconds that neither jump nor stop while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _LeaseSpec(Struct, frozen=True, omit_defaults=False):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(Struct, frozen=True):
    metadata: Meta = Meta()
    spec: _LeaseSpec = _LeaseSpec()


class Lease:
    """One candidate.

    Flow:
        `acquire` waits until this process leads; `renew` keeps it so until that fails; `release`
        gives it up.
    """

    def __init__(self, api: Api, namespace: str, name: str, identity: str, seconds: int) -> None:
        self.identity = identity
        self._api = api
        self._namespace, self._name = namespace, name
        self._seconds = seconds
        self._lease: _Lease | None = None
        self._seen: tuple[str, float] = ("", 0.0)  # revision of somebody's lease, and since when
        self._until = 0.0
        self._leading = metrics.LEADING.labels(name)
        self.heartbeat = Heartbeat(f"the election by lease {name}")

    @property
    def metadata(self) -> Meta:
        """What identifies the Lease, as last read or written; empty before."""
        return self._lease.metadata if self._lease else Meta()

    def remaining(self) -> float:
        """Return for how many seconds nobody else can be the leader; 0 or less is unsure."""
        return self._until - now()

    def write_seconds(self) -> float:
        """Return how long a write that is sent now may take, here and at the server.

        Raises:
            NotLeaderError: too little is left of the lease to write at all.
        """
        left = self.remaining() - _SAFETY * self._seconds
        if left < _LEAST_SECONDS:
            raise NotLeaderError(f"{max(left, 0):.1f} s are left of lease {self._name}")
        return min(left, REQUEST_SECONDS)

    async def acquire(self) -> None:
        """Wait until this process is the leader."""
        while not await self._try():
            await self._wait_for_change()
        self._leading.set(1)
        log.info("leading", lease=self._name, identity=self.identity)

    async def renew(self) -> None:
        """Keep the lease.

        Raises:
            NotLeaderError: it could not be renewed in time, or somebody else has it.
        """
        while True:
            await asyncio.sleep(_RENEW * self._seconds)
            await self._try()
            self.write_seconds()  # raises when it is not ours for long enough

    async def release(self) -> None:
        """Let others lead at once.  Failures are no harm: the lease ends by itself."""
        self._until = 0.0
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

    async def _try(self) -> bool:
        """Take or renew the lease if that is possible now."""
        self.heartbeat.beat()
        began = now()
        try:
            async with asyncio.timeout(_ATTEMPT * self._seconds):
                if self._lease is None or self._lease.spec.holder_identity != self.identity:
                    self._lease = await self._read()
                if not self._free(self._lease):
                    return False
                await self._write(self.identity, self._seconds)
        except (KubeError, TimeoutError) as error:
            if not isinstance(error, ConflictError):
                problem = str(error) or "no answer in time"
                log.warning("lease not renewed", lease=self._name, error=problem)
            self._lease = None  # whatever was written, the next attempt reads it
            return False
        self._until = began + self._seconds
        return True

    def _free(self, lease: _Lease | None) -> bool:
        """Say whether nobody else holds the lease; it ends when it was not renewed for its time."""
        if lease is None or lease.spec.holder_identity in (None, "", self.identity):
            return True
        revision = lease.metadata.resource_version
        if self._seen[0] != revision:
            self._seen = (revision, now())
        return now() > self._seen[1] + (lease.spec.lease_duration_seconds or self._seconds)

    async def _read(self) -> _Lease | None:
        try:
            answer = await self._api.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            return None
        return decode(answer, _Lease, f"GET lease {self._name}")

    async def _write(self, holder: str | None, seconds: int) -> None:
        old = self._lease.spec if self._lease else _LeaseSpec()
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = old.holder_identity == holder
        spec = _LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=seconds,
            acquire_time=old.acquire_time if same else stamp,
            renew_time=stamp,
            lease_transitions=(old.lease_transitions or 0) + (0 if same or not holder else 1),
        )
        body = _Lease(metadata=self._identity(), spec=spec)
        if self._lease is None:
            answer = await self._api.create(LEASES, self._namespace, msgspec.json.encode(body))
        else:
            patch = msgspec.json.encode(body)
            answer = await self._api.patch(LEASES, self._namespace, self._name, patch)
        self._lease = decode(answer, _Lease, f"write of lease {self._name}")

    def _identity(self) -> Meta:
        """Return which lease, in which version, is to be written."""
        if self._lease is None:
            return Meta(name=self._name, namespace=self._namespace)
        return Meta(name=self._name, resource_version=self._lease.metadata.resource_version)

    async def _wait_for_change(self) -> None:
        """Wait until the lease changes, or until it may have ended."""
        if self._lease is None:
            await asyncio.sleep(_RETRY_SECONDS)
            return
        seconds = self._lease.spec.lease_duration_seconds or self._seconds
        left = self._seen[1] + seconds - now() + 0.01  # strictly after the end
        try:
            async with asyncio.timeout(max(left, 0.01)):
                await self._next_event(self._lease.metadata.resource_version)
        except TimeoutError:
            pass
        except KubeError:
            await asyncio.sleep(_RETRY_SECONDS)

    async def _next_event(self, revision: str) -> None:
        params = {"fieldSelector": f"metadata.name={self._name}", "resourceVersion": revision}
        async with aclosing(self._api.watch(LEASES, self._namespace, params)) as events:
            async for _ in events:
                return
        await asyncio.sleep(_RETRY_SECONDS)
