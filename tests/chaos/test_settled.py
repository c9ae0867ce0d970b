# SPDX-License-Identifier: Apache-2.0
"""What the end of a run must look like, and how the oracle counts."""

import ipaddress
from typing import Any

import pytest

from envtest import manifests
from envtest.chaos import oracle, settled
from envtest.contract import RECORD

Json = dict[str, Any]
KEY = ("inclusterippools", "east", "blue")
NOW = "2026-01-01T12:00:00Z"
GIVEN = "AddressAllocated"


def pool(**counts: int) -> Json:
    """A pool of two addresses, of which one is in use."""
    spec = {"addresses": ["10.0.0.1-10.0.0.2"], "prefix": 24}
    body = manifests.pool("blue", spec, namespace="east", generation=1)
    said = {"total": 2, "free": 1, "used": 1, "outOfRange": 0} | counts
    return {**body, "status": {"ipAddresses": said, "observedGeneration": 1}}


def claim(name: str, reason: str = GIVEN, pool: str = "blue", **annotations: str) -> Json:
    body = manifests.claim(name, pool)
    meta = {"namespace": "east", "uid": f"uid-of-{name}", "annotations": annotations}
    body["metadata"] |= meta
    ready = {"type": "Ready", "status": "True" if reason == GIVEN else "False", "reason": reason}
    status: Json = {"conditions": [ready]}
    if reason == GIVEN:
        status["addressRef"] = {"name": name}
    return {**body, "status": status}


def address(name: str, text: str, pool: str = "blue") -> Json:
    owners = [{"kind": "IPAddressClaim", "uid": f"uid-of-{name}"}]
    return manifests.address(name, text, pool, namespace="east", ownerReferences=owners)


def now(
    claims: list[Json] | None = None,
    addresses: list[Json] | None = None,
    pools: list[Json] | None = None,
) -> settled.Snapshot:
    """A cluster with one claim on a pool of two, but for what is given."""
    return settled.Snapshot(
        [claim("web")] if claims is None else claims,
        [address("web", "10.0.0.1")] if addresses is None else addresses,
        dict.fromkeys([KEY], pool()) if pools is None else dict(zip([KEY], pools, strict=False)),
        manifests.POOL_PLURALS,
    )


FULL = pool(free=0, used=2)
BOTH = [address("web", "10.0.0.1"), address("other", "10.0.0.2")]
TWO = [claim("web"), claim("other")]
ASKING = {RECORD: "10.0.0.1"}
ELSEWHERE = {RECORD: "10.9.9.9"}
FREE = {RECORD: "10.0.0.2"}


def going(body: Json) -> Json:
    metadata = {**body["metadata"], "deletionTimestamp": NOW}
    return {**body, "metadata": metadata}


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(now(), id="one-is-served"),
        pytest.param(now([*TWO, claim("more", "PoolExhausted")], BOTH, [FULL]), id="full"),
        pytest.param(now([claim("web", "PoolNotReady")], [], []), id="no-pool"),
        pytest.param(now(pools=[going(pool())]), id="pool-in-use"),
        pytest.param(now(addresses=[going(address("web", "10.0.0.1"))]), id="deleted-by-hand"),
        pytest.param(now([claim("web"), claim("more", "AllocationFailed", **ASKING)]), id="taken"),
        pytest.param(
            now([claim("web"), claim("more", "AllocationFailed", **ELSEWHERE)]), id="foreign"
        ),
    ],
)
def test_nothing_is_wrong(snapshot: settled.Snapshot) -> None:
    assert settled.faults(snapshot) == []


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        pytest.param(now([going(claim("web"))]), "still being deleted", id="claim-stuck"),
        pytest.param(
            now([], [going(address("web", "10.0.0.1"))]), "claim is gone", id="address-stuck"
        ),
        pytest.param(
            now([], [], [going(pool(free=2, used=0))]), "still being deleted", id="pool-stuck"
        ),
        pytest.param(now(TWO[:1], BOTH, [FULL]), "10.0.0.2 and its claim is gone", id="leak"),
        pytest.param(
            now([claim("web"), claim("more", "PoolExhausted")]), "waits without", id="not-full"
        ),
        pytest.param(
            now([claim("web"), claim("more", "PoolNotReady")]), "waits without", id="pool-is-there"
        ),
        pytest.param(
            now([claim("web"), claim("more", "AllocationFailed", **FREE)]),
            "waits without",
            id="asked-for-and-free",
        ),
        pytest.param(
            now([claim("web"), claim("more", "AllocationFailed")]), "waits without", id="asked-not"
        ),
        pytest.param(now([*TWO]), "ready and has no IPAddress", id="no-address"),
        pytest.param(now(pools=[pool(free=2)]), "the oracle counts", id="free"),
        pytest.param(now(pools=[pool(used=0)]), "the oracle counts", id="used"),
        pytest.param(now(pools=[pool(outOfRange=1)]), "the oracle counts", id="out-of-range"),
    ],
)
def test_one_thing_is_wrong(snapshot: settled.Snapshot, words: str) -> None:
    (fault,) = settled.faults(snapshot)

    assert words in fault


def test_a_status_of_a_former_generation_is_found() -> None:
    body = pool()
    body["metadata"]["generation"] = 2

    assert "former generation" in "".join(settled.faults(now(pools=[body])))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"addresses": ["10.0.0.0/30"], "prefix": 24}, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        ),
        pytest.param({"addresses": ["10.0.0.0/30"], "prefix": 30}, ["10.0.0.1", "10.0.0.2"]),
        pytest.param(
            {"addresses": ["10.0.0.0/31"], "prefix": 31, "allocateReservedIPAddresses": True},
            ["10.0.0.0", "10.0.0.1"],
        ),
        pytest.param(
            {"addresses": ["10.0.0.5-10.0.0.7", "10.0.0.9"], "prefix": 24, "gateway": "10.0.0.6"},
            ["10.0.0.5", "10.0.0.7", "10.0.0.9"],
        ),
        pytest.param(
            {"addresses": ["fd00::/127"], "prefix": 64, "excludedAddresses": []}, ["fd00::1"]
        ),
        pytest.param(
            {
                "addresses": ["10.0.0.1-10.0.0.9"],
                "prefix": 24,
                "excludedAddresses": ["10.0.0.0/29"],
            },
            ["10.0.0.8", "10.0.0.9"],
        ),
        pytest.param(
            {"prefixes": ["fd00::/63"], "excludedPrefixes": ["fd00:0:0:1::5"]}, ["fd00::"]
        ),
        pytest.param(
            {"prefixes": ["fd00::/47"], "allocationPrefixLength": 48}, ["fd00::", "fd00:0:1::"]
        ),
    ],
)
def test_the_oracle(spec: Json, expected: list[str]) -> None:
    found = sorted(oracle.offered({"spec": spec}))

    assert found == [int(ipaddress.ip_address(text)) for text in expected]
