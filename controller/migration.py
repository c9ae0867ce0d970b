# SPDX-License-Identifier: Apache-2.0
"""Pools that are stored in an old version, rewritten in the new one.

A CustomResourceDefinition remembers in `status.storedVersions` in which versions objects may still
lie in etcd, and no version in that list can ever be removed.  Only a write moves an object.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from api import resources
from ipam import texts
from kube import pools
from kube.client import decode, pages
from kube.errors import ApiError, ConflictError, KubeError, NotFoundError, NotLeaderError
from kube.objects import Key, Object, Struct, prepared
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS, GroupVersionResource

from . import events, metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from kube.client import Api

log = structlog.get_logger(__name__)

_PER_SECOND = 50  # rewrites: not to be felt by anybody else at the API server
_SETTLE_SECONDS = 10.0  # in which each API server hears of another storage version
_LOOK_SECONDS = 600.0  # between looks, four small reads each; an upgrade restarts us anyway
_AGAIN_SECONDS = 5.0  # after a failure; doubled after each further one, up to `_LOOK_SECONDS`
_TRIM_TRIES = 5  # others who write a definition do so a few times after an upgrade, not for ever

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


class _Version(Struct, frozen=True):
    name: str = ""
    storage: bool = False


class _Spec(Struct, frozen=True):
    versions: tuple[_Version, ...] = ()


class _Status(Struct, frozen=True):
    stored_versions: tuple[str, ...] = ()


_NO_SPEC, _NO_STATUS = _Spec(), _Status()


@prepared
class _Definition(Object, frozen=True):
    """What matters here of a CustomResourceDefinition."""

    spec: _Spec = _NO_SPEC
    status: _Status = _NO_STATUS

    @property
    def storage(self) -> str:
        """The version that is stored now."""
        return next((version.name for version in self.spec.versions if version.storage), "")

    @property
    def identity(self) -> tuple[str, int, _Spec]:
        """What stays the same for as long as nobody replaces the definition or its spec."""
        return self.metadata.uid, self.metadata.generation, self.spec

    @property
    def settled(self) -> bool:
        """Whether nothing can be stored in any other version."""
        return self.status.stored_versions in ((), (self.storage,))


@dataclass(frozen=True, slots=True)
class Refused:
    """What a run left behind: objects that the API server refuses to write, as they are."""

    count: int
    first: Key
    problem: str
    """The API server's words about the first."""

    def __str__(self) -> str:
        return (
            f"{texts.counted(self.count, 'object')} may still be stored in an old version:"
            f" mend or delete what the API server refuses; the first is {self.first}:"
            f" {self.problem}"
        )


class Migration:
    """Does it for our four kinds.  Only the leader runs it: `api` should be fenced.

    Guarantees:
        An old version is taken out of `status.storedVersions` only after every object was
        rewritten, in one run, while the definition's spec stayed the same.  An object that is
        refused holds up no other one.  A run that breaks off is begun again: what is rewritten
        already costs a request, but no write to etcd.
    """

    def __init__(
        self, api: Api, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._api = api
        self._sleep = sleep

    async def keep(self) -> NoReturn:
        """Look for ever whether there is something to do, and do it.

        Raises:
            NotLeaderError: the lease is lost.
        """
        pause = _AGAIN_SECONDS
        while True:
            done = [await self._try(resource) for resource in pools.KINDS.values()]
            await self._sleep(_LOOK_SECONDS if all(done) else pause)
            pause = _AGAIN_SECONDS if all(done) else min(2 * pause, _LOOK_SECONDS)

    async def _try(self, resource: GroupVersionResource) -> bool:
        try:
            refused = await self.migrate(resource)
        except NotLeaderError:
            raise
        except KubeError as error:
            log.warning("migration broke off", kind=resource.kind, error=str(error))
            return False
        if refused:
            log.warning("migration is not done", kind=resource.kind, error=str(refused))
        return refused is None

    async def migrate(self, resource: GroupVersionResource) -> Refused | None:
        """Rewrite all objects of one kind, if any may be stored in an old version.

        Returns:
            What is left to do, and keeps the old version in the list; None where nothing is.

        Raises:
            KubeError: the API server could not be reached, or refused what is not one object's
                fault; nothing is lost, but the run has to be begun again.
        """
        name = f"{resource.plural}.{resources.GROUP}"
        try:
            found = await self._definition(name)
        except NotFoundError:
            return None
        settled = metrics.STORED_IN_ONE_VERSION.labels(resource.kind)
        settled.set(found.settled)
        if found.settled:
            metrics.REFUSED_OBJECTS.labels(resource.kind).set(0)
            return None
        old = [each for each in found.status.stored_versions if each != found.storage]
        log.info("migration begins", crd=name, versions=old, storage=found.storage)
        await self._sleep(_SETTLE_SECONDS)
        items = [item async for item in self._items(resource)]  # a page's token lasts 5 minutes
        if refused := await self._rewrite_all(resource, items):
            return refused
        await self._trim(found)
        settled.set(1)
        count = len(items)
        note = (
            f"{texts.counted(count, 'object')} stored in {found.storage}; "
            f"none is left in {', '.join(old)}"
        )
        news = events.News("StorageMigrated", "Migrate", note)
        await events.write(self._api, CUSTOM_RESOURCE_DEFINITIONS, found.metadata, news)
        log.info("migration ends", crd=name, objects=count, storage=found.storage)
        return None

    async def _definition(self, name: str) -> _Definition:
        answer = await self._api.get(CUSTOM_RESOURCE_DEFINITIONS, "", name)
        return decode(answer, _Definition, f"GET CRD {name}")

    async def _items(
        self, resource: GroupVersionResource, namespace: str = "", name: str = ""
    ) -> AsyncIterator[Object]:
        async for page in pages(self._api, resource, namespace, name):
            for raw in page.items or ():
                yield decode(bytes(raw), Object, f"LIST {resource.path()}")

    async def _rewrite_all(
        self, resource: GroupVersionResource, items: list[Object]
    ) -> Refused | None:
        """Write objects one by one, not too fast; a refusal is told, and is no reason to stop."""
        refused: list[tuple[Key, ApiError]] = []
        for item in items:
            key = item.metadata.key
            if error := await self._rewrite(resource, item):
                refused.append((key, error))
                log.warning("object refused", kind=resource.kind, object=str(key), error=str(error))
            else:
                metrics.MIGRATED_OBJECTS.labels(resource.kind).inc()
            await self._sleep(1 / _PER_SECOND)
        metrics.REFUSED_OBJECTS.labels(resource.kind).set(len(refused))
        if not refused:
            return None
        first, problem = refused[0]
        return Refused(len(refused), first, str(problem))

    async def _rewrite(self, resource: GroupVersionResource, item: Object) -> ApiError | None:
        """Write an object as it is, which stores it in the present version.

        Returns:
            Why the API server refuses that; None where the object is stored anew, or gone.

        Raises:
            KubeError: the failure is not one object's, such as 401, 429, or a path not served.
        """
        meta = item.metadata
        body = msgspec.json.encode({"metadata": {"resourceVersion": meta.resource_version}})
        try:
            await self._api.patch(resource, meta.namespace, meta.name, body)
        except (ConflictError, NotFoundError) as error:
            if await self._is_as_it_was(resource, item):
                if error.status in _REFUSALS:
                    return error
                raise
            log.debug("written or deleted by others meanwhile", object=str(meta.key))
        except ApiError as error:
            if error.status not in _REFUSALS:
                raise
            return error
        return None

    async def _is_as_it_was(self, resource: GroupVersionResource, item: Object) -> bool:
        """Ask whether an object is there still, and unwritten since it was listed.

        Caveats:
            A 404 or 409 alone does not tell: proxies, missing paths and admission answer so, too.
        """
        meta = item.metadata
        async for found in self._items(resource, meta.namespace, meta.name):
            if found.metadata.resource_version == meta.resource_version:
                return True
        return False

    async def _trim(self, found: _Definition) -> None:
        """Tell the definition that only the present version is stored.

        Flow:
            Others write its status, too, so the resourceVersion may have moved on; its spec must
            not have.

        Raises:
            ConflictError: its spec has changed, or others wrote it each time.
            KubeError: the API server refused, or could not be reached.
        """
        name = found.metadata.name
        for tries_left in reversed(range(_TRIM_TRIES)):
            now = await self._definition(name)
            if now.identity != found.identity:
                raise ConflictError(409, "Conflict", "its spec has changed", f"PATCH CRD {name}")
            version = {"resourceVersion": now.metadata.resource_version}
            changes = {"metadata": version, "status": {"storedVersions": [now.storage]}}
            body = msgspec.json.encode(changes)
            try:
                await self._api.patch(CUSTOM_RESOURCE_DEFINITIONS, "", name, body, "status")
            except ConflictError:
                if not tries_left:
                    raise
            else:
                return
