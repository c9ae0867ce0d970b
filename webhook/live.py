# SPDX-License-Identifier: Apache-2.0
"""Which addresses are in use, asked of the API server itself.

A list without a resourceVersion is read from etcd's quorum, so it has everything that any client
was told is written; a cache could lag behind.
"""

from collections.abc import Sequence

import msgspec

from kube import capi, client, errors, objects

from .inuse import InUseError

_PAGE = "500"  # objects: about 0.5 MB, so that neither side holds a large cluster's list at once


class _ListMeta(msgspec.Struct):
    next_page: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    items: tuple[capi.Address, ...] = ()
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


_DECODER = msgspec.json.Decoder(_Page)


class Live:
    """Lists the IPAddresses for each question."""

    def __init__(self, api: client.Api) -> None:
        self._api = api
        self._contract: capi.Contract | None = None

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Return `spec.address` of each IPAddress of a pool.

        Raises:
            InUseError: the API server does not answer, or does not allow it.
        """
        try:
            return await self._list(pool)
        except errors.NotFoundError:
            self._contract = None  # CAPI was upgraded: another version is served now
        except errors.KubeError as error:
            raise InUseError(f"the IPAddresses of {pool} cannot be listed: {error}") from error
        try:
            return await self._list(pool)
        except errors.KubeError as error:
            raise InUseError(f"the IPAddresses of {pool} cannot be listed: {error}") from error

    async def _list(self, pool: objects.PoolKey) -> list[str]:
        if self._contract is None:
            self._contract = await capi.discover(self._api)
        if self._contract is None:
            return []  # no Cluster API, no IPAddresses
        found: list[str] = []
        params = {"limit": _PAGE}
        while True:
            body = await self._api.list(self._contract.addresses, pool.namespace, params)
            page = _DECODER.decode(body)
            found += [item.spec.address for item in page.items if item.pool == pool]
            if not page.metadata.next_page:
                return found
            params = {"limit": _PAGE, "continue": page.metadata.next_page}
