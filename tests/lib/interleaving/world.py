# SPDX-License-Identifier: Apache-2.0
"""The contract, said once more and slowly."""

import ipaddress
from typing import NamedTuple

from controller.conditions import ALLOCATED
from kube.meta import Key
from kube.resources import ApiResource
from kube.testing.fake import Json
from objects import pools
from objects.metadata import (
    ADDRESS_ANNOTATION,
    PAUSED_ANNOTATION,
    PROTECT_ADDRESS_FINALIZER,
    PROTECT_POOL_FINALIZER,
    RELEASE_FINALIZER,
)
from objects.pools import PoolKey

from .process import Process
from .wire import ADDRESSES, CLAIMS, CLUSTERS, Server, key_of, network_of, overlap


class Pool(NamedTuple):
    """One of the pools of which the rules tell."""

    kind: str
    namespace: str
    name: str

    @property
    def resource(self) -> ApiResource:
        return pools.RESOURCES[self.kind]

    @property
    def reference(self) -> Json:
        return {"apiGroup": self.resource.group, "kind": self.kind, "name": self.name}


GREEN = Pool("InClusterPrefixPool", "one", "green")
BLUE = Pool("InClusterIPPool", "one", "blue")
GLOBE = Pool("GlobalInClusterIPPool", "", "globe")
CLAIM_KEYS = [Key("one", "a"), Key("one", "b"), Key("one", "c"), Key("two", "a")]
OFFERS = {
    "10.0.0.1": {"10.0.0.1"},
    "10.0.0.1-10.0.0.2": {"10.0.0.1", "10.0.0.2"},
    "10.0.0.2-10.0.0.4": {"10.0.0.2", "10.0.0.3", "10.0.0.4"},
    "none of it": set[str](),
    "10.0.0.0": set[str](),  # the first address of its subnet, so it is reserved
}
PREFIXES = ["fd00::", "fd00:0:0:1::", "fd00:0:0:2::", "fd00:0:0:3::"]
PREFIX_OFFERS = {
    "fd00::/64": {*PREFIXES[:1]},
    "fd00::/63": {*PREFIXES[:2]},
    "fd00::/62": {*PREFIXES},
    "none of it": set[str](),
}
"""What may stand in a spec, and what that offers: sub-prefixes of 64 bits."""

POOLS = (BLUE, GLOBE, GREEN)


def offered_by(pool: Json) -> set[str]:
    """Return what a pool may hand out."""
    spec = pool["spec"]
    return (
        PREFIX_OFFERS[spec["prefixes"][0]] if "prefixes" in spec else OFFERS[spec["addresses"][0]]
    )


def taken_by(address: Json) -> set[str]:
    """Return what an IPAddress takes of what its pool may hand out."""
    text = address["spec"]["address"]
    if address["spec"]["poolRef"]["kind"] != GREEN.kind:
        return {str(text)}
    if (network := network_of(address)) is None:
        return set()
    slots = ((slot, ipaddress.ip_network(f"{slot}/64")) for slot in PREFIXES)
    return {slot for slot, each in slots if overlap(each, network)}


def is_unreadable(address: Json) -> bool:
    return not isinstance(address["spec"]["address"], str)


def in_range(address: Json, offered: set[str]) -> bool:
    spec = address["spec"]
    return spec["address"] in offered and (
        spec["poolRef"]["kind"] != GREEN.kind or spec["prefix"] == 64
    )


def pool_namespace(item: Json) -> str:
    return "" if item["spec"]["poolRef"]["kind"] == GLOBE.kind else item["metadata"]["namespace"]


class World:
    """What is stored, and what that should have led to: the contract, said once more and slowly."""

    def __init__(self, server: Server, process: Process) -> None:
        self.server = server
        self.process = process

    def pool(self, item: Json) -> Json | None:
        reference = item["spec"]["poolRef"]
        resource = pools.RESOURCES[reference["kind"]]
        return self.server.find(resource, Key(pool_namespace(item), reference["name"]))

    def cluster(self, claim: Json) -> Json | None:
        name = claim["spec"].get("clusterName", "")
        return self.server.find(CLUSTERS, Key(claim["metadata"]["namespace"], name))

    def paused(self, claim: Json) -> bool:
        """Say whether a claim is to be left alone, but for what its status says."""
        cluster = self.cluster(claim)
        paused = is_paused(claim) or is_paused(self.pool(claim))
        return paused or bool(cluster and cluster["spec"]["paused"])

    def check(self, claim: Json) -> None:
        """Check what has become of a claim, and what it says."""
        says_paused = condition(claim, "Paused") == "True"
        if not self.paused(claim):
            assert not says_paused, claim
            if not (self.cluster_is_missing(claim) and is_bound(claim)):
                assert self.verdict(claim) == self.expected(claim), claim
        elif "deletionTimestamp" in claim["metadata"]:
            held = RELEASE_FINALIZER in claim["metadata"].get("finalizers", ())
            assert says_paused or not held, claim
        elif not is_bound(claim):
            assert says_paused, claim
            assert self.verdict(claim) == "Paused", claim

    def cluster_is_missing(self, claim: Json) -> bool:
        return bool(claim["spec"].get("clusterName")) and not self.cluster(claim)

    def verdict(self, claim: Json) -> str:
        """Say what has become of a claim: nothing, why it waits, or Ready if all of it is."""
        conditions = claim.get("status", {}).get("conditions", [])
        reason = conditions[0]["reason"] if conditions else "nothing"
        if reason != ALLOCATED:
            return str(reason)
        address = self.server.find(ADDRESSES, key_of(claim))
        assert address
        meta = claim["metadata"]
        assert claim["status"]["addressRef"]["name"] == meta["name"]
        assert RELEASE_FINALIZER in meta["finalizers"]
        assert meta["annotations"][ADDRESS_ANNOTATION] == address["spec"]["address"]
        owners = {owner["uid"] for owner in address["metadata"]["ownerReferences"]}
        assert meta["uid"] in owners
        if pool := self.pool(claim):
            assert pool["metadata"]["uid"] in owners
        if "deletionTimestamp" not in address["metadata"]:
            assert PROTECT_ADDRESS_FINALIZER in address["metadata"]["finalizers"]
        return ALLOCATED

    def expected(self, claim: Json) -> str:
        assert "deletionTimestamp" not in claim["metadata"], "a claim is stuck in its deletion"
        if self.cluster_is_missing(claim):
            return "AllocationFailed"
        address = self.server.find(ADDRESSES, key_of(claim))
        if address:
            mine = address["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
            return ALLOCATED if mine and self.same_pool(address, claim) else "AllocationFailed"
        return self.reason_to_wait(claim)

    def reason_to_wait(self, claim: Json) -> str:
        pool = self.pool(claim)
        offered = offered_by(pool) if pool else set[str]()
        asked = claim["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION)
        if asked == "web.local":
            return "AllocationFailed"
        if not pool or "deletionTimestamp" in pool["metadata"] or not offered or self.closed(pool):
            return "PoolNotReady"
        if asked and not self.chosen_by_us(claim):
            held = asked in self.holders(claim, but=key_of(claim))
            assert asked not in offered or held, "a claim does not get the free address it asks for"
            return "AllocationFailed"
        assert offered <= self.holders(claim, but=key_of(claim)), (
            "a claim waits though there is room"
        )
        return "PoolExhausted"

    def closed(self, pool: Json) -> bool:
        """Say whether nobody can know what is in use in a pool."""
        return any(is_unreadable(item) for item in self.addresses_of(pool))

    def addresses_of(self, pool: Json) -> list[Json]:
        """Return the IPAddresses of a pool."""
        place = pool["kind"], pool["metadata"].get("namespace", ""), pool["metadata"]["name"]
        return [item for item in self.server.all(ADDRESSES) if self.pool_key(item) == place]

    def chosen_by_us(self, claim: Json) -> bool:
        made_for = claim["metadata"]["annotations"].get("ipam.cluster.x-k8s.io/address-for")
        bound = claim.get("status", {}).get("addressRef", {}).get("name")
        return made_for == claim["metadata"]["uid"] and not bound

    def holders(self, of: Json, but: Key | None = None) -> set[str]:
        """Return the addresses of the same pool that somebody has, or has on record."""
        held = {
            taken
            for item in self.server.all(ADDRESSES)
            if self.same_pool(item, of)
            for taken in taken_by(item)
        }
        allocations = self.process.state.allocations_of(self.pool_key(of))
        unsure = {str(address) for key, address in allocations._pending.items() if key != but}
        """What may have been recorded on claims that are paused by now."""
        return held | unsure | {
            claim["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION, "")
            for claim in self.server.all(CLAIMS)
            if self.same_pool(claim, of) and key_of(claim) != but
            and RELEASE_FINALIZER in claim["metadata"].get("finalizers", ())
        }  # fmt: skip

    def pool_key(self, item: Json) -> PoolKey:
        reference = item["spec"]["poolRef"]
        return PoolKey(reference["kind"], pool_namespace(item), reference["name"])

    def same_pool(self, one: Json, other: Json) -> bool:
        references = one["spec"]["poolRef"], other["spec"]["poolRef"]
        return references[0] == references[1] and pool_namespace(one) == pool_namespace(other)

    def check_counts(self, key: Pool) -> None:
        if not (pool := self.server.find(key.resource, Key(key.namespace, key.name))):
            return
        of: Json = {"spec": {"poolRef": key.reference}, "metadata": {"namespace": key.namespace}}
        offered, have = offered_by(pool), self.addresses_of(pool)
        assert pool["status"]["ipAddresses"] == {
            "total": len(offered),
            "free": len(offered - self.holders(of)),
            "used": len(have),
            "outOfRange": sum(not in_range(address, offered) for address in have),
        }
        if "deletionTimestamp" in pool["metadata"] and not is_paused(pool):
            assert have, "a pool is stuck in its deletion"
            assert PROTECT_POOL_FINALIZER in pool["metadata"]["finalizers"]


def condition(claim: Json, kind: str) -> str:
    """Return the status of a condition; empty if there is none."""
    found: list[Json] = claim.get("status", {}).get("conditions", [])
    return next((str(each["status"]) for each in found if each["type"] == kind), "")


def is_bound(claim: Json) -> bool:
    return bool(claim.get("status", {}).get("addressRef", {}).get("name"))


def is_paused(item: Json | None) -> bool:
    return bool(item) and PAUSED_ANNOTATION in item["metadata"].get("annotations", {})
