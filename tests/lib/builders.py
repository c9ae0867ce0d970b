# SPDX-License-Identifier: Apache-2.0
"""Objects as an API server stores them: pools, claims, IPAddresses, Clusters and a CRD.

`pool("10.0.0.0/24", name="blue", gateway="10.0.0.1")` and `claim("web", pool="blue")` are bodies in
JSON.  `Api` is a fake API server that stores such objects.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from envtest import manifests
from kube.options import EVERYTHING, ListOptions
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS as CRDS
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects import contracts, pools
from objects.pools import PoolKey

CONTRACT = contracts.V1Beta2("v1beta2")
IP_POOL = "InClusterIPPool"
POOLS = pools.RESOURCES[IP_POOL]
BLUE = PoolKey(IP_POOL, "default", "blue")
CRD = f"{POOLS.plural}.{POOLS.group}"

SPOKE: Json = {"name": "v1alpha1", "served": True}
HUB: Json = {"name": "v1alpha2", "served": True, "storage": True}
"""Versions of the CRD."""

CAPI = (CONTRACT.claims, CONTRACT.addresses, CONTRACT.clusters)
ALL_RESOURCES = {each.kind: each for each in (*CAPI, *pools.RESOURCES.values(), CRDS)}


def stamp(second: int = 0) -> str:
    """Return a time in the first hour of 2026; at second 0 the fake server creates objects."""
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"


def pool(
    *entries: str,
    name: str = "blue",
    kind: str = IP_POOL,
    metadata: Json | None = None,
    **spec: object,
) -> Json:
    """Return a pool with these addresses or prefixes; an IP pool has the prefix length 24."""
    lists: Json = {"addresses": [*entries], "prefix": 24}
    if kind in pools.PREFIX_KINDS:
        lists = {"prefixes": [*entries]}
    where = {"namespace": "default"} if pools.RESOURCES[kind].namespaced else {}
    return manifests.pool(name, lists | spec, kind, **(where | (metadata or {})))


def claim(
    name: str = "web",
    pool: str = "blue",
    *,
    kind: str = IP_POOL,
    second: int = 0,
    status: Json | None = None,
    **metadata: Any,
) -> Json:
    """Return a claim that is created `second` seconds after the first objects."""
    default = {"namespace": "default", "creationTimestamp": stamp(second)}
    body = manifests.claim(name, pool, kind, **(default | metadata))
    return body if status is None else body | {"status": status}


def address(
    name: str, text: str, pool: str = "blue", *, kind: str = IP_POOL, prefix: int = 24, **more: Any
) -> Json:
    """Return an IPAddress; `more` is a `claim_name` or metadata."""
    default = {"namespace": "default"}
    return manifests.address(name, text, pool, kind, prefix=prefix, **(default | more))


def cluster(name: str = "c1", *, paused: bool = False, **metadata: object) -> Json:
    """Return a Cluster."""
    meta = {"name": name, "namespace": "default", **metadata}
    return {"kind": "Cluster", "metadata": meta, "spec": {"paused": paused}}


def definition(
    stored: Sequence[str],
    *conditions: Json,
    versions: Sequence[Json] = (SPOKE, HUB),
    **metadata: object,
) -> Json:
    """Return the CRD of IP pools; `stored` becomes its `status.storedVersions`."""
    meta = {"name": CRD, "uid": "first", "generation": 1, **metadata}
    status = {"storedVersions": [*stored], "conditions": [*conditions]}
    return {
        "kind": CRDS.kind,
        "metadata": meta,
        "spec": {"versions": [*versions]},
        "status": status,
    }


def decoded(body: Json) -> pools.Pool:
    """Return a pool as the controller decodes it."""
    return msgspec.convert(body, pools.Pool)


class Api(FakeApi):
    """A fake API server with a short method for each kind of object."""

    def add(self, *objects: Json) -> None:
        """Create objects, or replace those that exist."""
        for each in objects:
            self.put(ALL_RESOURCES[each["kind"]], each)

    def apply(self, obj: Json) -> None:
        """Create an object, or replace its fields that the new body has; the others stay."""
        resource, meta = ALL_RESOURCES[obj["kind"]], obj["metadata"]
        known = self.read(resource, meta.get("namespace", ""), meta["name"]) or {}
        self.put(resource, known | obj | {"metadata": known.get("metadata", {}) | meta})

    def change(self, resource: ApiResource, name: str, **metadata: object) -> None:
        """Change the metadata of an object."""
        known = self.read(resource, "default", name) or {}
        self.put(resource, {**known, "metadata": {**known["metadata"], **metadata}})

    async def before_patch(self, resource: ApiResource, name: str) -> None:
        """Run before each patch; a test overrides it."""

    @override
    async def patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        await self.before_patch(resource, name)
        return await super().patch(resource, namespace, name, body, subresource)

    def pool(self, *entries: str, **more: Any) -> None:
        """Create a pool, or change its spec."""
        self.apply(pool(*entries, **more))

    def claim(self, name: str = "web", pool: str = "blue", **more: Any) -> None:
        """Create a claim."""
        self.add(claim(name, pool, **more))

    def address(self, name: str, text: str, pool: str = "blue", **more: Any) -> None:
        """Create an IPAddress."""
        self.add(address(name, text, pool, **more))

    def cluster(self, name: str = "c1", **more: Any) -> None:
        """Create a Cluster, or replace it."""
        self.add(cluster(name, **more))

    def define(self, stored: Sequence[str], *conditions: Json, **more: Any) -> None:
        """Write the CRD of IP pools."""
        self.add(definition(stored, *conditions, **more))

    def status_of(self, resource: ApiResource, name: str, namespace: str = "default") -> Json:
        """Return the status of an object, or an empty one."""
        status: Json = (self.read(resource, namespace, name) or {}).get("status", {})
        return status

    def condition(self, resource: ApiResource, name: str, namespace: str = "default") -> Json:
        """Return the first condition of an object, which is Ready, or an empty one."""
        conditions: list[Json] = self.status_of(resource, name, namespace).get("conditions", [])
        return next(iter(conditions), Json())

    def reason(self, name: str, namespace: str = "default") -> str:
        """Return why a claim is ready or not."""
        return str(self.condition(CONTRACT.claims, name, namespace).get("reason", ""))


class ServingApi(Api):
    """A fake API server that names the kinds it serves, without aggregated discovery."""

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if resource.plural:
            return await super().list(resource, options)
        served = [
            each for each in ALL_RESOURCES.values() if each.api_version == resource.api_version
        ]
        return json.dumps({"resources": [{"kind": each.kind} for each in served]}).encode()
