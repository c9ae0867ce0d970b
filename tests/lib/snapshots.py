# SPDX-License-Identifier: Apache-2.0
"""Pools, claims and IPAddresses on a fake API server, read as `kubectl ipam` reads them."""

from collections.abc import Sequence
from typing import Any

import builders
from builders import BLUE, CONTRACT, IP_POOL

from cli.kubectl import snapshot, usage
from kube.testing.fake import Json
from objects.pools import PoolKey


class Objects:
    """Objects of one cluster, all in the namespace `default`."""

    def __init__(self) -> None:
        self.api = builders.ServingApi()

    def pool(self, *entries: str, name: str = "blue", kind: str = IP_POOL, **more: Any) -> PoolKey:
        """Create a pool."""
        body = builders.pool(*entries, name=name, kind=kind, **more)
        self.api.add(body)
        return PoolKey(kind, body["metadata"].get("namespace", ""), name)

    def claim(
        self,
        name: str,
        pool: PoolKey = BLUE,
        *,
        bound: bool = False,
        conditions: Sequence[Json] = (),
        **meta: Any,
    ) -> None:
        """Create a claim, which may say that it has an address."""
        status: Json = {"addressRef": {"name": name}} if bound else {}
        status["conditions"] = list(conditions)
        self.api.claim(name, pool.name, kind=pool.kind, status=status, **meta)

    def address(
        self, name: str, address: str, pool: PoolKey = BLUE, prefix: int = 24, **meta: Any
    ) -> None:
        """Create an IPAddress."""
        self.api.address(name, address, pool.name, kind=pool.kind, prefix=prefix, **meta)

    def bound(self, name: str, address: str, pool: PoolKey = BLUE, prefix: int = 24) -> None:
        """Create a claim and its IPAddress."""
        self.claim(name, pool, bound=True)
        self.address(name, address, pool, prefix)

    async def snapshot(self) -> snapshot.Snapshot:
        informers = snapshot.Informers(self.api, CONTRACT, "")
        await informers.sync()
        return informers.snapshot()

    async def usages(self) -> dict[PoolKey, usage.Usage]:
        return usage.of(await self.snapshot())
