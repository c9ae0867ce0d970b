# SPDX-License-Identifier: Apache-2.0
"""Pools, claims and IPAddresses on a fake API server, read as `kubectl ipam` reads them."""

import json
from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from cli.kubectl import snapshot, usage
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects import contracts, pools
from objects.pools import PoolKey

CONTRACT = contracts.V1Beta2("v1beta2")
IP_POOL = "InClusterIPPool"
BLUE = PoolKey(IP_POOL, "default", "blue")


class ServingApi(FakeApi):
    """An API server with Cluster API and the provider, without aggregated discovery."""

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if resource.plural:
            return await super().list(resource, options)
        kinds = [
            {"kind": each.kind}
            for each in (
                CONTRACT.claims,
                CONTRACT.addresses,
                CONTRACT.clusters,
                *pools.KINDS.values(),
            )
            if each.api_version == resource.api_version
        ]
        return json.dumps({"resources": kinds}).encode()


class Objects:
    """Objects of one cluster, all in the namespace `default`."""

    def __init__(self) -> None:
        self.api = ServingApi()

    def pool(
        self, *addresses: str, name: str = "blue", kind: str = IP_POOL, **spec: object
    ) -> PoolKey:
        """Create a pool; an IP pool has the prefix length 24, unless the spec says another."""
        resource = pools.KINDS[kind]
        field = "prefixes" if kind in pools.PREFIX_KINDS else "addresses"
        body = {field: list(addresses)} | ({} if field == "prefixes" else {"prefix": 24}) | spec
        namespace = "default" if resource.namespaced else ""
        meta = {"name": name} | ({"namespace": namespace} if namespace else {})
        self.api.put(resource, {"metadata": meta, "spec": body})
        return PoolKey(kind, namespace, name)

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
        reference = {"apiGroup": pools.KINDS[pool.kind].group, "kind": pool.kind, "name": pool.name}
        status: Json = {"addressRef": {"name": name}} if bound else {}
        status["conditions"] = list(conditions)
        body = {"spec": {"poolRef": reference}, "status": status}
        metadata = {"name": name, "namespace": "default", **meta}
        self.api.put(CONTRACT.claims, {"metadata": metadata, **body})

    def address(
        self,
        name: str,
        address: str,
        pool: PoolKey = BLUE,
        prefix: int = 24,
        **meta: Any,
    ) -> None:
        """Create an IPAddress."""
        reference = {"apiGroup": pools.KINDS[pool.kind].group, "kind": pool.kind, "name": pool.name}
        spec = {
            "claimRef": {"name": name},
            "poolRef": reference,
            "address": address,
            "prefix": prefix,
        }
        metadata = {"name": name, "namespace": "default", **meta}
        self.api.put(CONTRACT.addresses, {"metadata": metadata, "spec": spec})

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
