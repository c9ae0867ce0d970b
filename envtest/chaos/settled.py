# SPDX-License-Identifier: Apache-2.0
"""What must hold once faults and traffic are over and everything had its time.

* Nothing is stuck in its deletion, and each IPAddress has its claim (no leak).
* Each claim has an address and says so, or says why not and that is true.
* Each pool's status is what the oracle counts.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..client import Json
from ..contract import RECORD
from .checker import Pool
from .oracle import offered


@dataclass(slots=True)
class Snapshot:
    """Everything that exists at one time."""

    claims: list[Json]
    addresses: list[Json]
    pools: dict[Pool, Json]
    plurals: dict[str, str] = field(default_factory=dict[str, str])
    """By kind."""
    slipped: frozenset[str] = frozenset()
    """Uids of claims that the API server removed past their finalizer, see `checker`."""

    def pool_of(self, body: Json) -> Pool:
        """Return which pool a claim or an IPAddress refers to."""
        reference = body["spec"]["poolRef"]
        scope = "" if reference["kind"].startswith("Global") else body["metadata"]["namespace"]
        return self.plurals[reference["kind"]], scope, reference["name"]


def faults(now: Snapshot) -> list[str]:
    """Return the problems, each as a sentence."""
    return [*_stuck(now), *_leaks(now), *_unserved(now), *_miscounted(now)]


def _stuck(now: Snapshot) -> Iterator[str]:
    """Find claims and pools; what is in use rightly stays: pools, IPAddresses of live claims."""
    idle = [pool for key, pool in now.pools.items() if not _in_use(now, key)]
    for body in (*now.claims, *idle):
        if _going(body):
            yield f"{_name(body)} is still being deleted: {body['metadata'].get('finalizers')}"


def _leaks(now: Snapshot) -> Iterator[str]:
    claims = {claim["metadata"]["uid"] for claim in now.claims}
    for address in now.addresses:
        owners = {owner["uid"] for owner in address["metadata"].get("ownerReferences", ())}
        if not owners & (claims | now.slipped):
            yield f"{_name(address)} has {address['spec']['address']} and its claim is gone"


def _unserved(now: Snapshot) -> Iterator[str]:
    addresses = {_place(address): address for address in now.addresses}
    free = _free(now)
    for claim in now.claims:
        status = claim.get("status", {})
        ready = _ready(claim)
        if ready.get("status") == "True":
            if status.get("addressRef", {}).get("name") != claim["metadata"]["name"]:
                yield f"{_name(claim)} is ready and names {status.get('addressRef')}"
            if _place(claim) not in addresses:
                yield f"{_name(claim)} is ready and has no IPAddress"
        elif not _excused(now, claim, ready.get("reason", ""), free):
            yield f"{_name(claim)} waits without a reason: {ready}; {free[now.pool_of(claim)]} free"


def _excused(now: Snapshot, claim: Json, reason: str, free: Counter[Pool]) -> bool:
    """Return whether a claim's reason for having no address is true."""
    pool = now.pool_of(claim)
    if reason == "PoolNotReady":
        return pool not in now.pools or _going(now.pools[pool])
    if reason == "PoolExhausted":
        return free[pool] == 0
    asked = claim["metadata"].get("annotations", {}).get(RECORD)
    if reason != "AllocationFailed" or asked is None or pool not in now.pools:
        return False
    number = int(ipaddress.ip_address(asked))
    return number in _in_use(now, pool) or number not in offered(now.pools[pool])


def _miscounted(now: Snapshot) -> Iterator[str]:
    for key, pool in now.pools.items():
        offer, used = offered(pool), _in_use(now, key)
        counts = {
            "total": len(offer),
            "free": len(offer - used),
            "used": len(used),
            "outOfRange": len(used - offer),
        }
        status = pool.get("status", {})
        reported = {name: status.get("ipAddresses", {}).get(name, 0) for name in counts}
        if reported != counts:
            yield f"{_name(pool)} says {reported}, the oracle counts {counts}"
        if status.get("observedGeneration") != pool["metadata"]["generation"]:
            yield f"{_name(pool)} has the status of a former generation"


def _going(body: Json) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _free(now: Snapshot) -> Counter[Pool]:
    return Counter({key: len(offered(pool) - _in_use(now, key)) for key, pool in now.pools.items()})


def _in_use(now: Snapshot, pool: Pool) -> set[int]:
    return {
        int(ipaddress.ip_address(address["spec"]["address"]))
        for address in now.addresses
        if now.pool_of(address) == pool
    }


def _ready(claim: Json) -> Json:
    status: Json = claim.get("status", {})
    conditions: list[Json] = status.get("v1beta2", status).get("conditions", [])  # v1beta1's place
    return next((item for item in conditions if item["type"] == "Ready"), Json())


def _place(body: Json) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _name(body: Json) -> str:
    meta = body["metadata"]
    return f"{body['kind']} {meta.get('namespace', '')}/{meta['name']}"
