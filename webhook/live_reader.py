# SPDX-License-Identifier: Apache-2.0
"""Read the addresses in use from the replica's own caches, or from the API server.

A cache lags behind, so it is read only after it has caught up with a consistent LIST.  There may be
no cache (at the start, and in other namespaces with `--namespace`), or it may not catch up in time.
Then the IPAddresses are listed, without a resourceVersion, so that the answer has every write that
was acknowledged.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

import msgspec
import structlog

from api.resources import GROUP
from ipam.address_sets import AddressSet
from kube import client, errors, resources
from kube.deltas import Added
from kube.meta import Object
from kube.structs import Struct
from kube.tasks import in_pieces
from objects import contracts, pools
from objects.informers import Informers
from objects.references import TypedReference, pool_of

from .address_index import AddressIndex
from .cluster_reader import NAMED, ClusterReadError, Found, Holder, NotAllowedError, has

log = structlog.get_logger(__name__)

_CATCH_UP_SECONDS = 4.0
"""How long a cache may take to catch up, of the 9 s of a review.  It needs two or three; the rest
is for the list."""

_PATIENT_SECONDS = 8.5
"""The same for a cache so large that a list would not end in the rest of the time."""

_LISTABLE = 30_000  # objects, of which a page of 500 takes some 40 ms

_ADDRESS_SETS_SECONDS = 1.5  # of the 2 s for warnings; the rest is for the comparison
_LISTS = 4  # at once: a review of each of 200 pools must not crowd out the controller


class _ListedSpec(Struct, frozen=True):
    pool_ref: TypedReference
    address: str


class _ListedAddress(Object, frozen=True):
    """The part of an IPAddress that a question needs; errors in other fields do not matter."""

    spec: _ListedSpec


_DECODER = msgspec.json.Decoder(_ListedAddress)


class _Present(NamedTuple):
    """The replica's caches, and the index of their IPAddresses."""

    informers: Informers
    addresses: AddressIndex

    def covers(self, pool: pools.PoolKey) -> bool:
        """Whether the cache has all IPAddresses that a pool can have."""
        return self.informers.addresses.namespace in ("", pool.namespace)


class LiveReader:
    """Answers the questions of admission from caches, or by a list."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        self._present: _Present | None = None
        self._resource: resources.ApiResource | None = None
        self._turns = asyncio.Semaphore(_LISTS)

    @asynccontextmanager
    async def using(self, informers: Informers) -> AsyncGenerator[None]:
        """Answer from these caches while the block runs; they must not change before."""
        index = AddressIndex()
        async for address in in_pieces(informers.addresses):
            index.apply(Added(address))
        with informers.addresses.event_handler(index.apply):
            self._present = _Present(informers, index)
            try:
                yield
            finally:
                self._present = None

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return the IPAddresses of a pool with an address in the set; all of them if it is None.

        Raises:
            NotAllowedError: this provider may not list IPAddresses there.
            ClusterReadError: the API server does not answer, or an IPAddress cannot be read.
        """
        if (present := self._present) and present.covers(pool) and await self._reliable(present):
            return await present.addresses.find(pool, address_set)
        try:
            async with self._turns:
                return await self._list_or_discover(pool, address_set)
        except errors.KubeError as error:
            if isinstance(error, errors.ApiError) and error.status == HTTPStatus.FORBIDDEN:
                raise NotAllowedError(_not_allowed(pool)) from error
            raise ClusterReadError(
                f"the IPAddresses of {pool} cannot be listed: {error}; try again"
            ) from error

    async def _reliable(self, present: _Present) -> bool:
        """Let the cache of IPAddresses catch up; return whether it can be relied on."""
        addresses = present.informers.addresses
        try:
            many = len(addresses) > _LISTABLE
            async with asyncio.timeout(_PATIENT_SECONDS if many else _CATCH_UP_SECONDS):
                await addresses.catch_up()
        except (errors.KubeError, TimeoutError) as error:
            log.warning("the cache of IPAddresses lags behind; they are listed", error=str(error))
            return False
        # If other caches replaced these meanwhile, the index no longer follows them.
        return self._present is present and not addresses.unreadable

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Return the addresses of every pool in the caches, for warnings.

        Caveats:
            If time runs out, pools are missing; the next call continues there.
        """
        address_sets: dict[pools.PoolKey, AddressSet] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(_ADDRESS_SETS_SECONDS):
                await self._gather(address_sets)
        return address_sets

    async def _gather(self, address_sets: dict[pools.PoolKey, AddressSet]) -> None:
        """Fill in the addresses of every pool."""
        if (present := self._present) is None:
            return
        found = [pool for informer in present.informers.pools.values() for pool in informer]
        async for pool in in_pieces(found):
            address_sets[pool.key] = await present.informers.address_sets.get(pool)

    async def _list_or_discover(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        try:
            return await self._list(pool, address_set)
        except errors.NotFoundError:
            self._resource = None  # CAPI was upgraded: another version is served now
            return await self._list(pool, address_set)

    async def _list(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Read pages until there are enough IPAddresses to refuse."""
        found = Found()
        if self._resource is None:
            self._resource = await contracts.discover_addresses(self._api)
        if self._resource is None:
            return found  # no Cluster API, no IPAddresses
        listed = client.pages(self._api, self._resource, pool.namespace, start_over=found.clear)
        async for page in listed:
            for raw in page.items or ():
                if (holder := _holder(raw, pool)) and has(address_set, holder.address):
                    found.add(holder)
            if found.count > (0 if address_set is None else NAMED):
                found.more = found.more or bool(page.metadata.continue_)
                break
        return found


def _holder(raw: msgspec.Raw, pool: pools.PoolKey) -> Holder | None:
    """Return an IPAddress of this pool; None if it belongs to another one."""
    try:
        item = _DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise ClusterReadError(f"an IPAddress cannot be read: {error}; try again") from error
    found = pool_of(item.spec.pool_ref, item.metadata.namespace)
    return Holder(item.metadata.key, item.spec.address) if found == pool else None


def _not_allowed(pool: pools.PoolKey) -> str:
    """Explain a 403: a retry does not help."""
    where = f"in namespace {pool.namespace}" if pool.namespace else "in all namespaces"
    return (
        f"the IPAM provider's ServiceAccount may not list ipaddresses.{GROUP} {where}, so nobody "
        f"can tell whether addresses of {pool} are in use; allow it, or let the provider's webhook "
        "configurations leave out these pools"
    )
