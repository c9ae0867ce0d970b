# SPDX-License-Identifier: Apache-2.0
"""Remove what old API versions leave behind, before the versions themselves are removed.

Objects stored in an old version are rewritten in the storage version.  managedFields that name a
version which is no longer served are translated (`ownership.py`).  `kube.definitions` reads the
state of a definition.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from api import resources
from ipam import texts
from kube import definitions, events
from kube.conditions import set_conditions
from kube.errors import ConflictError, KubeError, NotFoundError, NotLeaderError
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS, ApiResource
from objects import pools

from . import metrics, ownership
from .events import CONTROLLER
from .rewriting import Change, Refused, Writer
from .storage_version_migrations import StorageVersionMigrations

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.client import Api
    from kube.definitions import Definition

log = structlog.get_logger(__name__)

_SETTLE_SECONDS = 10.0  # until each API server knows the new versions
_LOOK_SECONDS = 60.0  # between checks, four small reads each: people who edit a definition wait
_AGAIN_SECONDS = 5.0  # after a failure; doubled after each further one
_MOST_SECONDS = 600.0  # between attempts that always fail
_TRIM_TRIES = 5  # others who write a definition do so a few times after an upgrade, not for ever


class Migration:
    """Migrates the objects of our four kinds.  Only the leader runs it, with a fenced `api`.

    Guarantees:
        An old version is taken out of `status.storedVersions` only after every object was
        rewritten, in one run, while the definition's spec stayed the same.  A refused object
        does not block the others.  A failed run starts again: an object that is rewritten already
        costs a request, but no write to etcd.
    """

    def __init__(
        self, api: Api, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._api = api
        self._sleep = sleep
        self._kubernetes = StorageVersionMigrations(api, sleep)
        self._clean: dict[str, object] = {}
        """Per kind, the identity of a definition for which all managedFields are translated."""

    async def keep(self) -> NoReturn:
        """Check for old versions again and again, and remove what they left.

        Raises:
            NotLeaderError: the lease is lost.
        """
        pause = _AGAIN_SECONDS
        while True:
            done = [await self._try(resource) for resource in pools.RESOURCES.values()]
            await self._sleep(_LOOK_SECONDS if all(done) else pause)
            pause = _AGAIN_SECONDS if all(done) else min(2 * pause, _MOST_SECONDS)

    async def _try(self, resource: ApiResource) -> bool:
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

    async def migrate(self, resource: ApiResource) -> Refused | None:
        """Remove what old versions left at the objects of one kind, if anything.

        Returns:
            The refused objects, which keep the old version in the list; None if all are written.

        Raises:
            KubeError: the API server could not be reached, or the failure does not concern one
                object.  Nothing is lost, but the run has to start again.
        """
        name = f"{resource.plural}.{resources.GROUP}"
        try:
            found = await self._definition(name)
        except NotFoundError:
            return None
        gauge = metrics.STORED_IN_ONE_VERSION.labels(resource.kind)
        gauge.set(found.stored_in_one_version)
        refused = None if found.stored_in_one_version else await self._store(resource, found)
        if refused is None:
            gauge.set(1)
            refused = await self._translate(resource, found)
        if refused is None:
            metrics.REFUSED_OBJECTS.labels(resource.kind).set(0)
        return refused

    async def _definition(self, name: str) -> Definition:
        """Read a definition, and repair it after a failed StorageVersionMigration.

        Flow:
            Kubernetes removes the old versions from the list although it did not rewrite all
            objects.  They are put back, so that nobody can remove a version with stored objects.
        """
        found = await definitions.read(self._api, name)
        names = [version.name for version in found.spec.versions]
        if not found.failed or found.old or names == [found.storage]:
            return found
        log.warning("StorageVersionMigration failed; old versions are put back", crd=name)
        await self._write_status(found, {"storedVersions": names})
        return await definitions.read(self._api, name)

    async def _store(self, resource: ApiResource, found: Definition) -> Refused | None:
        """Rewrite all objects in the storage version, and update `status.storedVersions`."""
        name, old = found.metadata.name, list(found.old)
        log.info("migration begins", crd=name, versions=old, storage=found.storage)
        await self._sleep(_SETTLE_SECONDS)
        problem = "it failed before" if found.failed else await self._kubernetes.run(resource)
        objects = "all objects"
        if problem:
            log.info("Kubernetes does not migrate; the manager does", crd=name, reason=problem)
            writer = Writer(self._api, resource, self._sleep)
            changes = [Change(writer.decode(raw).metadata, {}) async for raw in writer.items()]
            if refused := await writer.write(changes):
                return refused
            objects = texts.counted(len(changes), "object")
        await self._trim(found)
        note = f"{objects} stored in {found.storage}; none is left in {', '.join(old)}"
        await self._record_event(found, "StorageMigrated", note)
        log.info("migration ends", crd=name, objects=objects, storage=found.storage)
        return None

    async def _translate(self, resource: ApiResource, found: Definition) -> Refused | None:
        """Translate managedFields that name a version which is no longer served.

        Flow:
            Nobody can write in such a version, so each state of a definition needs one check.
        """
        if self._clean.get(resource.kind) == found.identity:
            return None
        if any(not version.served for version in found.spec.versions):
            await self._sleep(_SETTLE_SECONDS)  # each API server refuses it by then
        kept = found.served | {resource.version}
        done = await ownership.translate(self._api, resource, kept, self._sleep)
        if isinstance(done, Refused):
            return done
        self._clean[resource.kind] = found.identity
        if done:
            log.info("managedFields translated", crd=found.metadata.name, objects=done)
            note = (
                f"managedFields of {texts.counted(done, 'object')} translated to"
                f" {resource.version}: none names a version that is not served"
            )
            await self._record_event(found, "ManagedFieldsTranslated", note)
        return None

    async def _record_event(self, found: Definition, reason: str, note: str) -> None:
        about = events.Subject(CUSTOM_RESOURCE_DEFINITIONS, found.metadata)
        event = events.Event(reason, "Migrate", note)
        await events.write(self._api, CONTROLLER, about, event)

    async def _trim(self, found: Definition) -> None:
        """Write to the definition that only the present version is stored.

        Flow:
            Others write its status too, so its resourceVersion may change.  Its spec must not.

        Raises:
            ConflictError: its spec has changed, or others wrote it each time.
            KubeError: the API server refused, or could not be reached.
        """
        name = found.metadata.name
        for tries_left in reversed(range(_TRIM_TRIES)):
            now = await definitions.read(self._api, name)
            if now.identity != found.identity:
                raise ConflictError(409, "Conflict", "its spec has changed", f"PATCH CRD {name}")
            try:
                await self._write_status(now, _stored_once(now))
            except ConflictError:
                if not tries_left:
                    raise
            else:
                return

    async def _write_status(self, found: Definition, status: dict[str, object]) -> None:
        version = {"resourceVersion": found.metadata.resource_version}
        body = msgspec.json.encode({"metadata": version, "status": status})
        name = found.metadata.name
        await self._api.patch(CUSTOM_RESOURCE_DEFINITIONS, "", name, body, "status")


def _stored_once(found: Definition) -> dict[str, object]:
    """Return the status of a definition all of whose objects are stored in one version."""
    status: dict[str, object] = {"storedVersions": [found.storage]}
    if found.failed:
        old = next(each for each in found.conditions if each.type == definitions.MIGRATING)
        text = "The provider's manager has rewritten all objects"
        mended = msgspec.structs.replace(old, reason="MigrationSucceeded", message=text)
        status["conditions"] = set_conditions(found.conditions, mended)
    return status
