# SPDX-License-Identifier: Apache-2.0
"""Plan manifests against a cluster: select the pools in them, and read the stored pools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from crdkit.conversion import values
from kube.errors import NotFoundError
from objects import pools
from objects.pools import PoolKey

from .. import manifests, pool_documents
from ..manifests import Document
from . import planning, session, usage
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kube.client import Api

    from .snapshot import Snapshot
    from .usage import Usage


def pools_in(files: Iterable[manifests.File]) -> list[Document]:
    """Return the pools in files, also those with a misspelled kind."""
    return [
        document
        for file in files
        for document in manifests.objects(file)
        if pool_documents.intended_kind(document.obj)
    ]


class StoredPools:
    """Reads pools with all their fields; each state of a pool is read once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known = dict[PoolKey, tuple[pools.Pool, values.JsonObject]]()

    async def read(
        self, keys: Iterable[PoolKey], usages: Mapping[PoolKey, Usage]
    ) -> list[values.JsonObject]:
        """Return those of the pools that exist.

        Raises:
            KubeError: the API server refused, or could not be reached.
        """
        self._known = {
            key: known
            for key, known in self._known.items()
            if key in usages and usages[key].pool is known[0]
        }
        present = [pool for key in keys if key in usages and (pool := usages[key].pool)]
        return [obj for pool in present if (obj := await self._read(pool)) is not None]

    async def _read(self, pool: pools.Pool) -> values.JsonObject | None:
        key = pool.key
        if key in self._known:
            return self._known[key][1]
        try:
            body = await self._api.get(pools.RESOURCES[key.kind], key.namespace, key.name)
        except NotFoundError:  # deleted a moment ago
            return None
        self._known[key] = pool, json.loads(body)
        return self._known[key][1]


class Planner:
    """Plans manifests against a cluster, in the namespace that kubectl would choose."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._stored = StoredPools(api)
        self._namespace = namespace or "default"

    async def changes(
        self,
        documents: Sequence[Document],
        read: Snapshot,
        usages: Mapping[PoolKey, Usage],
    ) -> list[planning.Change]:
        """Return what each document would change; each is compared with the others, too.

        Raises:
            CliError: a document is a pool that the user may not read.
            KubeError: the API server refused, or could not be reached.
        """
        placed = [_placed(each, self._namespace) for each in documents]
        keys = [planning.key_of(each) for each in placed]
        for key in filter(read.lacks, keys):
            raise CliError(f"{key} {usage.NOT_READ}: {session.READING}")
        stored = await self._stored.read(keys, usages)
        return await planning.changes(placed, stored, usages)


def _placed(document: Document, namespace: str) -> Document:
    """Return a document with the namespace that kubectl would give it."""
    obj = cast("values.JsonObject", document.obj)
    resource, metadata = pools.RESOURCES.get(values.text(obj, "kind")), obj.get("metadata")
    if resource is None or not resource.namespaced or not values.is_object(metadata):
        return document
    meta = {**metadata, "namespace": values.text(metadata, "namespace") or namespace}
    return Document(document.path, document.number, document.item, {**obj, "metadata": meta})
