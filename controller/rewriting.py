# SPDX-License-Identifier: Apache-2.0
"""Writes many objects of a kind one by one, so that a refusal of one holds up no other."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog

from ipam import texts
from kube.client import decode, pages
from kube.errors import ApiError, ConflictError, KubeError, NotFoundError, UnreachableError
from kube.objects import Key, Object, prepared
from kube.pools import PoolMeta  # noqa: TC001 - msgspec reads it where the struct is made

from . import convertible, metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from kube.client import Api
    from kube.resources import GroupVersionResource

log = structlog.get_logger(__name__)

_PER_SECOND = 50  # rewrites: not to be felt by anybody else at the API server

_REFUSALS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,  # admission webhooks choose this one too
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,  # only where nobody has written the object meanwhile
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Answers that may be about one object alone, so the others are still worth a request."""


@prepared
class _Stored(Object, frozen=True):
    """What matters of an object for a write; its spec may be of any kind."""

    metadata: PoolMeta


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written to the metadata of an object; nothing stores it anew as it is."""

    meta: PoolMeta
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Refused:
    """What a run left behind: objects that the API server refuses to write, as they are."""

    count: int
    first: Key
    problem: str
    """The API server's words about the first."""
    left: str = "may still be stored in an old version"

    def __str__(self) -> str:
        return (
            f"{texts.counted(self.count, 'object')} {self.left}:"
            f" mend or delete what the API server refuses; the first is {self.first}:"
            f" {self.problem}"
        )


class Writer:
    """Writes to objects of one kind, not too fast."""

    def __init__(
        self,
        api: Api,
        resource: GroupVersionResource,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._api = api
        self._resource = resource
        self._sleep = sleep

    async def items(self, namespace: str = "", name: str = "") -> AsyncIterator[bytes]:
        """Yield objects as JSON, all or those of a name.

        Caveats:
            A page's token lasts 5 minutes: read all pages before writing.
        """
        async for page in pages(self._api, self._resource, namespace, name):
            for raw in page.items or ():
                yield bytes(raw)

    def decode(self, raw: bytes) -> _Stored:
        """Read what matters of an object for a write."""
        return decode(raw, _Stored, f"LIST {self._resource.path()}")

    async def write(self, changes: Sequence[Change]) -> Refused | None:
        """Write to objects one by one; a refusal is told, and is no reason to stop.

        Returns:
            What is refused.  What others wrote or deleted meanwhile is not looked at again.

        Raises:
            KubeError: the failure is not one object's, such as 401, 429, or a path not served.
        """
        refused: list[tuple[Key, KubeError]] = []
        unreachable = 0
        kind = self._resource.kind
        for change in changes:
            key = change.meta.key
            try:
                error: KubeError | None = await self._write(change)
            except UnreachableError as failure:
                unreachable += 1
                if unreachable > 1:  # one may be an object that cannot be converted at all
                    raise
                error = failure
            if error:
                refused.append((key, error))
                log.warning("object refused", kind=kind, object=str(key), error=str(error))
            else:
                metrics.MIGRATED_OBJECTS.labels(kind).inc()
            await self._sleep(1 / _PER_SECOND)
        metrics.REFUSED_OBJECTS.labels(kind).set(len(refused))
        if not refused:
            return None
        first, problem = refused[0]
        return Refused(len(refused), first, str(problem))

    async def _write(self, change: Change) -> ApiError | None:
        """Write to an object, which stores it in the present version.

        Returns:
            Why the API server refuses that; None where the object is stored anew, or gone.

        Raises:
            UnreachableError: it cannot be converted now, so managedFields would be lost.
        """
        meta = change.meta
        await convertible.check(self._api, self._resource, meta)
        metadata = {"resourceVersion": meta.resource_version, **change.metadata}
        body = msgspec.json.encode({"metadata": metadata})
        try:
            await self._api.patch(self._resource, meta.namespace, meta.name, body)
        except (ConflictError, NotFoundError) as error:
            if await self._is_as_it_was(meta):
                if error.status in _REFUSALS:
                    return error
                raise
            log.debug("written or deleted by others meanwhile", object=str(meta.key))
        except ApiError as error:
            if error.status not in _REFUSALS:
                raise
            return error
        return None

    async def _is_as_it_was(self, meta: PoolMeta) -> bool:
        """Ask whether an object is there still, and unwritten since it was listed.

        Caveats:
            A 404 or 409 alone does not tell: proxies, missing paths and admission answer so, too.
        """
        async for raw in self.items(meta.namespace, meta.name):
            if self.decode(raw).metadata.resource_version == meta.resource_version:
                return True
        return False
