# SPDX-License-Identifier: Apache-2.0
"""The raw limit: the three writes of an allocation for each claim, and nothing else.

usage: bare.py KUBECONFIG NAMESPACE

Writes what the manager would write, from bodies made beforehand, with as many requests at a time as
it has workers.  Prints the seconds that took.  `claims.py` runs it as a process of its own.
"""

import asyncio
import json
import sys
import time
from typing import Any, NamedTuple

import aiohttp
import uvloop

from controller.controller import CLAIM_WORKERS
from kube.connect import Connection, connect

GROUP = "/apis/ipam.cluster.x-k8s.io/v1beta2"
MERGE = {"Content-Type": "application/merge-patch+json"}
CREATE = {"Content-Type": "application/json"}


class Writes(NamedTuple):
    """The bodies for one claim."""

    name: str
    record: bytes
    address: bytes
    status: bytes


def prepare(claim: dict[str, Any], number: int) -> Writes:
    """Make the bodies; addresses are any, since nobody checks them here."""
    meta, pool = claim["metadata"], claim["spec"]["poolRef"]
    given = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    record = {
        "finalizers": ["ipam.cluster.x-k8s.io/ReleaseAddress"],
        "annotations": {"ipam.cluster.x-k8s.io/address": given},
        "labels": {"clusterctl.cluster.x-k8s.io/move": ""},
    }
    owner = {"apiVersion": claim["apiVersion"], "kind": claim["kind"], "name": meta["name"]}
    address = {
        "apiVersion": claim["apiVersion"],
        "kind": "IPAddress",
        "metadata": {
            "name": meta["name"],
            "finalizers": ["ipam.cluster.x-k8s.io/ProtectAddress"],
            "ownerReferences": [owner | {"uid": meta["uid"], "blockOwnerDeletion": True}],
        },
        "spec": {
            "claimRef": {"name": meta["name"]},
            "poolRef": pool,
            "address": given,
            "prefix": 8,
            "gateway": "10.0.0.1",
        },
    }
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": f"address {given} is allocated",
        "lastTransitionTime": meta["creationTimestamp"],
        "observedGeneration": 1,
    }
    status = {"addressRef": {"name": meta["name"]}, "conditions": [ready]}
    bodies = ({"metadata": record}, address, {"status": status})
    return Writes(meta["name"], *(json.dumps(body).encode() for body in bodies))


async def allocate(session: aiohttp.ClientSession, url: str, writes: Writes) -> None:
    """Send the three writes of one claim, one after the other."""
    claim = f"{url}/ipaddressclaims/{writes.name}"
    for method, target, body, headers in (
        ("PATCH", claim, writes.record, MERGE),
        ("POST", f"{url}/ipaddresses", writes.address, CREATE),
        ("PATCH", f"{claim}/status", writes.status, MERGE),
    ):
        async with session.request(method, target, data=body, headers=headers) as response:
            answer = await response.read()
            if not response.ok:
                raise SystemExit(f"{method} {target}: {answer.decode()}")


async def work(connection: Connection, namespace: str) -> float:
    """Allocate for all claims of a namespace; returns seconds."""
    session, url = connection.session, f"{connection.host}{GROUP}/namespaces/{namespace}"
    session.headers.update(await connection.authorization())
    async with session.get(f"{url}/ipaddressclaims") as response:
        claims = (await response.json())["items"]
    queue = [prepare(claim, number) for number, claim in enumerate(claims, start=2)]

    async def worker() -> None:
        while queue:
            await allocate(session, url, queue.pop())

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CLAIM_WORKERS)))
    return time.perf_counter() - began


async def main(kubeconfig: str, namespace: str) -> None:
    """Connect, work, print."""
    connection = await connect(kubeconfig, "bare")
    try:
        print(await work(connection, namespace))
    finally:
        await connection.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
