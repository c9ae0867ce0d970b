# SPDX-License-Identifier: Apache-2.0
"""Pools that are stored in an old version, rewritten in the new one.

A CustomResourceDefinition remembers in `status.storedVersions` in which versions objects may still
lie in etcd, and no version in that list can ever be removed.  Only a write moves an object.
Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from api import resources
from kube import pools
from kube.client import decode, pages
from kube.errors import ApiError, ConflictError, KubeError, NotFoundError, NotLeaderError
from kube.objects import Object, Struct
from kube.resources import GroupVersionResource

from . import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kube.client import Api

log = structlog.get_logger(__name__)

CONTROLLER = "ipam.cluster.x-k8s.io/in-cluster"
"""What Events name as their source."""

_PER_SECOND = 50  # rewrites: not to be felt by anybody else at the API server
_SETTLE_SECONDS = 10.0  # in which each API server hears of another storage version
_LOOK_SECONDS = 600.0  # between looks, four small reads each; an upgrade restarts us anyway
_AGAIN_SECONDS = 5.0  # after a failure

CRDS = GroupVersionResource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
_EVENTS = GroupVersionResource("events.k8s.io", "v1", "Event", "events")
_EVENT_NAMESPACE = "default"  # the only one for objects without a namespace


class _Version(Struct, frozen=True):
    name: str = ""
    storage: bool = False


class _Spec(Struct, frozen=True):
    versions: tuple[_Version, ...] = ()


class _Status(Struct, frozen=True):
    stored_versions: tuple[str, ...] = ()


_NO_SPEC, _NO_STATUS = _Spec(), _Status()


class _Definition(Object, frozen=True):
    """What matters here of a CustomResourceDefinition."""

    spec: _Spec = _NO_SPEC
    status: _Status = _NO_STATUS

    @property
    def storage(self) -> str:
        """The version that is stored now."""
        return next((version.name for version in self.spec.versions if version.storage), "")

    @property
    def settled(self) -> bool:
        """Whether nothing can be stored in any other version."""
        return self.status.stored_versions in ((), (self.storage,))


class Migration:
    """Does it for our four kinds.  Only the leader runs it: `api` should be fenced.

    Guarantees:
        An old version is taken out of `status.storedVersions` only after every object was
        rewritten, in one run, while the definition's spec stayed the same.  A run that breaks off
        is begun again: what is rewritten already costs a request, but no write to etcd.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def keep(self) -> NoReturn:
        """Look for ever whether there is something to do, and do it.

        Raises:
            NotLeaderError: the lease is lost.
        """
        while True:
            done = [await self._try(resource) for resource in pools.KINDS.values()]
            await asyncio.sleep(_LOOK_SECONDS if all(done) else _AGAIN_SECONDS)

    async def _try(self, resource: GroupVersionResource) -> bool:
        try:
            await self.migrate(resource)
        except NotLeaderError:
            raise
        except KubeError as error:
            log.warning("migration broke off", kind=resource.kind, error=str(error))
            return False
        return True

    async def migrate(self, resource: GroupVersionResource) -> None:
        """Rewrite all objects of one kind, if any may be stored in an old version.

        Raises:
            KubeError: the API server refused a write, or could not be reached.
        """
        name = f"{resource.plural}.{resources.GROUP}"
        try:
            found = await self._definition(name)
        except NotFoundError:
            return
        settled = metrics.STORED_IN_ONE_VERSION.labels(resource.kind)
        settled.set(found.settled)
        if found.settled:
            return
        old = [each for each in found.status.stored_versions if each != found.storage]
        log.info("migration begins", crd=name, versions=old, storage=found.storage)
        await asyncio.sleep(_SETTLE_SECONDS)
        count = 0
        async for item in self._items(resource):
            await self._rewrite(resource, item)
            metrics.MIGRATED_OBJECTS.labels(resource.kind).inc()
            count += 1
            await asyncio.sleep(1 / _PER_SECOND)
        await self._trim(found)
        settled.set(1)
        await self._tell(found, f"{count} objects are stored in {found.storage}; none is in {old}")
        log.info("migration ends", crd=name, objects=count, storage=found.storage)

    async def _definition(self, name: str) -> _Definition:
        return decode(await self._api.get(CRDS, "", name), _Definition, f"GET CRD {name}")

    async def _items(self, resource: GroupVersionResource) -> AsyncIterator[Object]:
        async for page in pages(self._api, resource):
            for raw in page.items or ():
                yield decode(bytes(raw), Object, f"LIST {resource.path()}")

    async def _rewrite(self, resource: GroupVersionResource, item: Object) -> None:
        """Write an object as it is, which stores it in the present version."""
        meta = item.metadata
        body = msgspec.json.encode({"metadata": {"resourceVersion": meta.resource_version}})
        try:
            await self._api.patch(resource, meta.namespace, meta.name, body)
        except (ConflictError, NotFoundError):
            log.debug("written or deleted by others meanwhile", object=str(meta.key))

    async def _trim(self, found: _Definition) -> None:
        """Tell the definition that only the present version is stored.

        Flow:
            Others write its status, too, so the resourceVersion may have moved on; its spec must
            not have.
        """
        name = found.metadata.name
        while True:
            now = await self._definition(name)
            if (now.metadata.uid, now.spec) != (found.metadata.uid, found.spec):
                raise ConflictError(409, "Conflict", "its spec has changed", f"PATCH CRD {name}")
            version = {"resourceVersion": now.metadata.resource_version}
            changes = {"metadata": version, "status": {"storedVersions": [now.storage]}}
            try:
                await self._api.patch(CRDS, "", name, msgspec.json.encode(changes), "status")
            except ConflictError:
                continue
            return

    async def _tell(self, found: _Definition, note: str) -> None:
        """Leave an Event at the definition; without one, nothing is lost but the news."""
        regarding = {
            "apiVersion": CRDS.api_version,
            "kind": CRDS.kind,
            "name": found.metadata.name,
            "uid": found.metadata.uid,
        }
        body = {
            "apiVersion": _EVENTS.api_version,
            "kind": _EVENTS.kind,
            "metadata": {
                "name": f"{found.metadata.name}.{found.metadata.revision:x}",
                "namespace": _EVENT_NAMESPACE,
            },
            "regarding": regarding,
            "reason": "StorageMigrated",
            "action": "Migrate",
            "type": "Normal",
            "note": note,
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": CONTROLLER,
        }
        try:
            await self._api.create(_EVENTS, _EVENT_NAMESPACE, msgspec.json.encode(body))
        except ApiError as error:
            log.warning("Event not written", error=str(error))
