# SPDX-License-Identifier: Apache-2.0
"""One namespace of a cluster, seen as its user sees it: pools, claims and their addresses."""

from functools import partial
from typing import Generic

from typing_extensions import TypeVar

from .. import manifests
from ..client import Json, Resource
from ..waiting import until
from .provider import Ipam, Provider

POOL = "InClusterIPPool"
PREFIX_POOL = "InClusterPrefixPool"
P = TypeVar("P", bound=Ipam, default=Provider)


class Tenant(Generic[P]):
    """The pools, claims, addresses and Clusters of one namespace."""

    def __init__(self, provider: P, namespace: str) -> None:
        self.provider = provider
        self.namespace = namespace
        self.claims = provider.claims(namespace)
        self.addresses = provider.addresses(namespace)
        self.clusters = provider.clusters(namespace)

    def pools(self, kind: str = POOL, version: str = "v1alpha2") -> Resource:
        """Pools of one kind in one version; global ones are everybody's."""
        scope = None if kind.startswith("Global") else self.namespace
        return self.provider.pools(manifests.POOL_PLURALS[kind], scope, version)

    def add_pool(
        self, name: str, *addresses: str, prefix: int = 24, kind: str = POOL, **more: object
    ) -> Json:
        """Create an IP pool in the hub version; `more` are fields of its spec."""
        spec = {"addresses": list(addresses), "prefix": prefix, **more}
        return self.pools(kind).create(manifests.pool(name, spec, kind))

    def add_prefix_pool(self, name: str, *prefixes: str) -> Json:
        """Create a namespaced prefix pool."""
        spec = {"prefixes": list(prefixes)}
        return self.pools(PREFIX_POOL).create(manifests.pool(name, spec, PREFIX_POOL))

    def add_claim(self, name: str, pool: str, kind: str = POOL, **metadata: object) -> Json:
        """Create a claim on a pool; `metadata` adds labels or annotations."""
        return self.claims.create(
            manifests.claim(name, pool, kind, self.provider.ipam_version, **metadata)
        )

    def add_address(  # noqa: PLR0913 - the fields of an IPAddress
        self,
        name: str,
        address: str,
        pool: str = "blue",
        kind: str = POOL,
        *,
        prefix: int = 24,
        claim: str = "",
        **metadata: object,
    ) -> Json:
        """Create an IPAddress as another program might."""
        version = self.provider.ipam_version
        body = manifests.address(
            name, address, pool, kind, version, prefix=prefix, claim_name=claim, **metadata
        )
        return self.addresses.create(body)

    def add_cluster(self, name: str, *, paused: bool = False, **metadata: object) -> Json:
        """Create a Cluster."""
        body = manifests.cluster(name, self.provider.cluster_version, paused=paused, **metadata)
        return self.clusters.create(body)

    def bound(self, *names: str) -> list[str]:
        """Return the addresses of claims when all of them have one, in the order of `names`."""
        return [self.address(name)["spec"]["address"] for name in names]

    def address(self, claim: str) -> Json:
        """Return the IPAddress of a claim as soon as its status names it."""
        where = f"IPAddressClaim {self.namespace}/{claim} has an address"
        status = until(where, lambda: self.status(claim), lambda status: "addressRef" in status)
        return self.addresses.get(status["addressRef"]["name"])

    def status(self, claim: str) -> Json:
        """Return a claim's status; an empty one if there is none yet."""
        status: Json = self.claims.get(claim).get("status", {})
        return status

    def not_ready(self, claim: str, reason: str) -> str:
        """Wait until a claim is not ready for this reason, and return the message."""
        what = f"IPAddressClaim {self.namespace}/{claim} is not ready: {reason}"
        seen = until(what, lambda: self.ready(claim), lambda seen: seen.get("reason") == reason)
        assert seen["status"] == "False"
        return str(seen["message"])

    def ready(self, claim: str) -> Json:
        """Return a claim's Ready condition in the form of metav1; empty if there is none."""
        return self.condition(claim, "Ready")

    def condition(self, claim: str, kind: str) -> Json:
        """Return a claim's condition of a type in the form of metav1; empty if it has none."""
        status = self.status(claim)
        if self.provider.ipam_version == "v1beta1":
            status = status.get("v1beta2", {})
        conditions: list[Json] = status.get("conditions", [])
        return next((item for item in conditions if item["type"] == kind), Json())

    def says(self, claim: str, kind: str, status: str = "True") -> str:
        """Wait until a condition of a claim has this status, and return its message."""
        what = f"IPAddressClaim {self.namespace}/{claim} has {kind}={status}"
        seen = until(
            what, lambda: self.condition(claim, kind), lambda seen: seen.get("status") == status
        )
        return str(seen["message"])

    def release(self, *names: str) -> None:
        """Delete claims and return when they are gone."""
        for name in names:
            self.claims.delete(name)
        for name in names:
            what = f"IPAddressClaim {self.namespace}/{name} is gone"
            until(what, partial(self.claims.find, name), _is_none)

    def counts(self, pool: str, kind: str = POOL, **expected: int) -> Json:
        """Return a pool's counts when they are as expected (any counts by default)."""

        def good(counts: Json) -> bool:
            return bool(counts) and expected.items() <= counts.items()

        what = f"{kind} {self.namespace}/{pool} counts {expected}"
        return until(what, lambda: self._counts(pool, kind), good)

    def _counts(self, pool: str, kind: str) -> Json:
        status = self.pools(kind).get(pool).get("status", {})
        counts: Json = status.get("ipAddresses", {})
        return counts


def _is_none(what: object) -> bool:
    return what is None
