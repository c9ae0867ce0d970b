# SPDX-License-Identifier: Apache-2.0
"""Have Kubernetes migrate stored objects, where it serves StorageVersionMigration.

Kubernetes 1.37 and later serve `storagemigration.k8s.io/v1` by default.  The controller in
kube-controller-manager rewrites all objects of a resource, then takes the old versions out of the
definition's `status.storedVersions`.
Source: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/storage-version-migration/

Caveats:
    The controller stops at the first object that the API server refuses, and up to 1.37.2 it takes
    the old versions out all the same.  `migration.py` puts them back.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
import structlog

from kube.client import decode
from kube.conditions import Condition, find_condition
from kube.errors import ApiError, ConflictError
from kube.meta import Object
from kube.resources import ApiResource
from kube.structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.client import Api

log = structlog.get_logger(__name__)

MIGRATIONS = ApiResource(
    "storagemigration.k8s.io",
    "v1",
    "StorageVersionMigration",
    "storageversionmigrations",
    namespaced=False,
)

_AGAIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
"""Answers that may be others the next time; what else is refused, stays so."""

_LOOK_SECONDS = 2.0  # between looks at its status, one small read each
_TAKEN_LOOKS = 15  # 30 s: a controller takes it up in less than one, another leader of it in 20
_MOST_LOOKS = 300  # 10 min: one object takes up to 80 s, for caches of Kubernetes; 400 more, 1 s


class _Status(Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


_NO_STATUS = _Status()


@prepared
class _Migration(Object, frozen=True):
    """A StorageVersionMigration."""

    status: _Status = _NO_STATUS

    @property
    def taken(self) -> bool:
        """Whether a controller has started it."""
        return bool(self.status.conditions)

    @property
    def ended(self) -> bool:
        """Whether it has ended, and its controller has written the CRD's status."""
        return not self._is("Running") and (self._is("Succeeded") or self._is("Failed"))

    @property
    def problem(self) -> str:
        """Why it failed; empty if it did not."""
        failed = find_condition(self.status.conditions, "Failed")
        return (failed.message or "it failed") if failed and self._is("Failed") else ""

    def _is(self, kind: str) -> bool:
        condition = find_condition(self.status.conditions, kind)
        return condition is not None and condition.status == "True"


class StorageVersionMigrations:
    """Has Kubernetes rewrite the objects of a resource, and waits for the result.

    If no controller starts one, no other one is created.
    """

    def __init__(self, api: Api, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._api = api
        self._sleep = sleep
        self._away = ""
        """Why no further one is created: no controller started the last; empty if one did."""

    async def run(self, resource: ApiResource) -> str:
        """Create a StorageVersionMigration named like the CRD, wait until it ends, and delete it.

        Returns:
            Why not all objects were rewritten; empty if they were.

        Raises:
            KubeError: the API server could not be reached.
        """
        if self._away:
            return self._away
        name = f"{resource.plural}.{resource.group}"
        try:
            await self._begin(resource, name)
            return await self._end(name)
        except ApiError as error:
            if error.status in _AGAIN or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            return str(error)  # not served, not allowed, or deleted by somebody meanwhile

    async def _begin(self, resource: ApiResource, name: str) -> None:
        """Create it, unless another leader did; replace one that has ended."""
        try:
            await self._create(resource, name)
        except ConflictError:
            found = await self._read(name)
            if found.ended:
                await self._delete(found)
                await self._create(resource, name)

    async def _end(self, name: str) -> str:
        """Wait until it has ended or the time is over, and delete it; return its problem."""
        found, look = await self._read(name), 0
        while not found.ended and look < (_MOST_LOOKS if found.taken else _TAKEN_LOOKS):
            await self._sleep(_LOOK_SECONDS)
            found, look = await self._read(name), look + 1
        await self._delete(found)
        return found.problem if found.ended else self._give_up(found, look * _LOOK_SECONDS)

    def _give_up(self, found: _Migration, seconds: float) -> str:
        done = "has not ended" if found.taken else "was not started by any controller"
        problem = f"StorageVersionMigration {found.metadata.name} {done} in {seconds:.0f} s"
        self._away = "" if found.taken else problem
        return problem

    async def _create(self, resource: ApiResource, name: str) -> None:
        group_resource = {"group": resource.group, "resource": resource.plural}
        body = {
            "apiVersion": MIGRATIONS.api_version,
            "kind": MIGRATIONS.kind,
            "metadata": {"name": name},
            "spec": {"resource": group_resource},
        }
        await self._api.create(MIGRATIONS, "", msgspec.json.encode(body))

    async def _read(self, name: str) -> _Migration:
        answer = await self._api.get(MIGRATIONS, "", name)
        return decode(answer, _Migration, f"GET StorageVersionMigration {name}")

    async def _delete(self, found: _Migration) -> None:
        await self._api.delete(MIGRATIONS, "", found.metadata.name, found.metadata.uid)
