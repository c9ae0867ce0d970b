# SPDX-License-Identifier: Apache-2.0
"""Which addresses are in use, asked of the API server itself.

A list without a resourceVersion is read from etcd's quorum, so it has everything that any client
was told is written; a cache could lag behind.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from kube import capi, client, errors, objects, resources

from .inuse import InUseError

_LISTS = 4  # at once: a review of each of 200 pools must not crowd out the controller


class _Where(objects.Struct, frozen=True):
    namespace: str = ""


class _Spec(objects.Struct, frozen=True):
    pool_ref: objects.TypedReference
    address: str


class _Address(objects.Struct, frozen=True):
    """No more of an IPAddress than the question needs: what else is wrong with it is no matter."""

    metadata: _Where
    spec: _Spec


_DECODER = msgspec.json.Decoder(_Address)


class Live:
    """Lists the IPAddresses for each question."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        self._resource: resources.GroupVersionResource | None = None
        self._turns = asyncio.Semaphore(_LISTS)

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Return `spec.address` of each IPAddress of a pool.

        Raises:
            InUseError: the API server does not answer or does not allow it, or an IPAddress cannot
                be read.
        """
        try:
            async with self._turns:
                return await self._list_or_discover(pool)
        except errors.KubeError as error:
            raise InUseError(f"the IPAddresses of {pool} cannot be listed: {error}") from error

    async def _list_or_discover(self, pool: objects.PoolKey) -> list[str]:
        try:
            return await self._list(pool)
        except errors.NotFoundError:
            self._resource = None  # CAPI was upgraded: another version is served now
            return await self._list(pool)

    async def _list(self, pool: objects.PoolKey) -> list[str]:
        if self._resource is None:
            self._resource = await capi.discover_addresses(self._api)
        if self._resource is None:
            return []  # no Cluster API, no IPAddresses
        found: list[str] = []
        async for page in client.pages(self._api, self._resource, pool.namespace):
            found += [text for raw in page.items or () if (text := _address_of(raw, pool))]
        return found


def _address_of(raw: msgspec.Raw, pool: objects.PoolKey) -> str:
    """Return the address of an IPAddress of this pool; empty for that of another."""
    try:
        item = _DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise InUseError(f"an IPAddress cannot be read: {error}") from error
    found = capi.pool_of(item.spec.pool_ref, item.metadata.namespace)
    return item.spec.address if found == pool else ""
