# SPDX-License-Identifier: Apache-2.0
"""Which addresses are in use, asked of the API server itself.

A list without a resourceVersion is read from etcd's quorum, so it has everything that any client
was told is written; a cache could lag behind.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from kube import capi, client, errors, objects

from .inuse import InUseError

log = structlog.get_logger(__name__)

_LISTS = 4  # at once: a review of each of 200 pools must not crowd out the controller
_DECODER = msgspec.json.Decoder(capi.Address)


class Live:
    """Lists the IPAddresses for each question."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        self._contract: capi.Contract | None = None
        self._turns = asyncio.Semaphore(_LISTS)

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Return `spec.address` of each IPAddress of a pool.

        Raises:
            InUseError: the API server does not answer, or does not allow it.
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
            self._contract = None  # CAPI was upgraded: another version is served now
            return await self._list(pool)

    async def _list(self, pool: objects.PoolKey) -> list[str]:
        if self._contract is None:
            self._contract = await capi.discover(self._api)
        if self._contract is None:
            return []  # no Cluster API, no IPAddresses
        found: list[str] = []
        async for page in client.pages(self._api, self._contract.addresses, pool.namespace):
            items = (item for raw in page.items or () if (item := _decoded(raw)) is not None)
            found += [item.spec.address for item in items if item.pool == pool]
        return found


def _decoded(raw: msgspec.Raw) -> capi.Address | None:
    """Read an IPAddress; one that cannot be read keeps no pool from being changed."""
    try:
        return _DECODER.decode(raw)
    except msgspec.ValidationError as error:
        log.warning("IPAddress skipped", error=str(error))
        return None
