# SPDX-License-Identifier: Apache-2.0
"""Write many objects of a kind one by one, so that a refused one does not block the others."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog

from ipam import texts
from kube.client import decode, pages
from kube.errors import ApiError, ConflictError, KubeError, NotFoundError, UnreachableError
from kube.meta import Key, Object
from kube.structs import prepared
from objects.pools import PoolMeta

from . import convertible, metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from kube.client import Api
    from kube.resources import ApiResource

log = structlog.get_logger(__name__)

_PER_SECOND = 50  # rewrites: other clients of the API server should not notice them

_REFUSALS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,  # admission webhooks choose this one too
        HTTPStatus.FORBIDDEN,
        HTTPStatus.CONFLICT,  # only where nobody has written the object meanwhile
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses that may concern one object alone, so the run goes on with the others."""


@prepared
class _Stored(Object, frozen=True):
    """The part of an object that a write needs; its spec may be of any kind."""

    metadata: PoolMeta


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an object's metadata; an empty one rewrites the object as it is."""

    meta: PoolMeta
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Refused:
    """The objects that the API server refused to write in a run."""

    count: int
    first: Key
    problem: str
    """The API server's message about the first."""
    left: str = "may still be stored in an old version"

    def __str__(self) -> str:
        return (
            f"{texts.counted(self.count, 'object')} {self.left}, because the API server refuses the"
            f" write; correct or delete each such object; the first is {self.first}: {self.problem}"
        )


class Writer:
    """Writes to objects of one kind, at a limited rate."""

    def __init__(
        self,
        api: Api,
        resource: ApiResource,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._api = api
        self._resource = resource
        self._sleep = sleep

    async def items(self, namespace: str = "", name: str = "") -> AsyncIterator[bytes]:
        """Yield objects as JSON: all, or those with a name.

        Caveats:
            A page's token lasts 5 minutes: read all pages before writing.
        """
        async for page in pages(self._api, self._resource, namespace, name):
            for raw in page.items or ():
                yield bytes(raw)

    def decode(self, raw: bytes) -> _Stored:
        """Decode the part of an object that a write needs."""
        return decode(raw, _Stored, f"LIST {self._resource.path()}")

    async def write(self, changes: Sequence[Change]) -> Refused | None:
        """Write to objects one by one; a refused object is logged, and the run goes on.

        Returns:
            The refused objects; None if the API server refused nothing.  Objects that others wrote
            or deleted meanwhile are skipped.

        Raises:
            KubeError: the failure does not concern one object, such as 401, 429, or a path that is
                not served; or no object can be converted now.
        """
        refused: list[tuple[Key, KubeError]] = []
        unconvertible: UnreachableError | None = None
        kind = self._resource.kind
        for change in changes:
            key = change.meta.key
            error = await self._unconvertible(change.meta) or await self._write(change)
            if isinstance(error, UnreachableError):
                if unconvertible:
                    raise error
                unconvertible = error  # one of several may be an object that nobody can convert
            if error:
                refused.append((key, error))
                log.warning("object refused", kind=kind, object=str(key), error=str(error))
            else:
                metrics.MIGRATED_OBJECTS.labels(kind).inc()
            await self._sleep(1 / _PER_SECOND)
        if unconvertible and sum(bool(each.meta.spokes(self._resource)) for each in changes) == 1:
            raise unconvertible
        metrics.REFUSED_OBJECTS.labels(kind).set(len(refused))
        if not refused:
            return None
        first, problem = refused[0]
        return Refused(len(refused), first, str(problem))

    async def _unconvertible(self, meta: PoolMeta) -> UnreachableError | None:
        """Return why an object cannot be converted now, so that it would lose managedFields."""
        try:
            await convertible.check(self._api, self._resource, meta)
        except UnreachableError as error:
            return error
        return None

    async def _write(self, change: Change) -> ApiError | None:
        """Write to an object, which stores it in the storage version.

        Returns:
            The refusal; None if the object was written, or is deleted.
        """
        meta = change.meta
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
        """Ask the API server whether an object is unchanged since it was listed.

        Caveats:
            A 404 or 409 is no proof: proxies, missing paths and admission answer them, too.
        """
        async for raw in self.items(meta.namespace, meta.name):
            if self.decode(raw).metadata.resource_version == meta.resource_version:
                return True
        return False
