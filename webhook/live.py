# SPDX-License-Identifier: Apache-2.0
"""Which addresses are in use, asked of the API server itself.

A list without a resourceVersion is read from etcd's quorum, so it has everything that any client
was told is written; a cache could lag behind.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec
import structlog

from ipam import offer
from kube import capi, client, errors, objects, pools, resources

from .inuse import InUseError

log = structlog.get_logger(__name__)

_OFFERS_SECONDS = 1.5  # of the 2 s that admission has for warnings, which compares them as well
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


_POOL_DECODER = msgspec.json.Decoder(pools.Pool)

_Offers = dict[objects.PoolKey, tuple[pools.PoolSpec | None, offer.Offer]]
"""What was worked out for which spec."""


class Live:
    """Lists the IPAddresses for each question."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        self._resource: resources.GroupVersionResource | None = None
        self._offers: _Offers = {}
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

    async def offers(self) -> Mapping[objects.PoolKey, offer.Offer]:
        """Return what every pool offers, from the API server's cache: this is for warnings.

        Caveats:
            Where time runs out, only what was worked out until then; the next call goes on there.
        """
        offered: dict[objects.PoolKey, offer.Offer] = {}
        try:
            async with asyncio.timeout(_OFFERS_SECONDS):
                await self._gather(offered)
        except (errors.KubeError, TimeoutError, msgspec.DecodeError) as error:
            log.warning("not all other pools looked at", error=str(error) or "no time left")
        return offered

    async def _gather(self, offered: dict[objects.PoolKey, offer.Offer]) -> None:
        """Fill in what every pool offers; after each one, others have their turn."""
        async with self._turns:
            found = [pool for kind in pools.KINDS.values() async for pool in self._pools(kind)]
        present = {pool.key for pool in found}
        self._offers = {key: known for key, known in self._offers.items() if key in present}
        for pool in found:
            offered[pool.key] = self._offer_of(pool)
            await asyncio.sleep(0)

    def _offer_of(self, pool: pools.Pool) -> offer.Offer:
        """Return what is known already, or work it out: 4096 entries take some 40 ms."""
        spec, known = self._offers.get(pool.key, (None, None))
        if known is None or spec != pool.spec:
            known = pools.offer_of(pool)
            self._offers[pool.key] = (pool.spec, known)
        return known

    async def _pools(self, resource: resources.GroupVersionResource) -> AsyncGenerator[pools.Pool]:
        answer = await self._api.list(resource, "", {"resourceVersion": "0"})
        page = client.decode(answer, objects.RawList, f"LIST {resource.path()}")
        for raw in page.items or ():
            yield msgspec.structs.replace(_POOL_DECODER.decode(raw), kind=resource.kind)
            await asyncio.sleep(0)

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
        pages = client.pages(self._api, self._resource, pool.namespace, start_over=found.clear)
        async for page in pages:
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
