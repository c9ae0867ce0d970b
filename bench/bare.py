# SPDX-License-Identifier: Apache-2.0
"""The raw limit: the writes that the manager makes for each claim, and nothing else.

usage: bare.py KUBECONFIG NAMESPACE allocate|release

Flow:
    Reads what is in the namespace and makes all bodies, says `ready`, waits for a line on standard
    input, sends the writes for as many claims at a time as the manager has workers, says `done`,
    and waits for the end of its input, so that its CPU time can be read.

Each body has the fields of the manager's, in JSON as compact, and each URL is the manager's.  That
is kept so by hand.  The client is the leanest that aiohttp can be, and none of the manager's code:
the limit must not move with it.
"""

import asyncio
import base64
import json
import re
import ssl
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import uvloop

from controller.controller import CLAIM_WORKERS

Json = dict[str, Any]

GROUP = "ipam.cluster.x-k8s.io"
ROOT = f"/apis/{GROUP}/v1beta2/namespaces"
CLUSTER_NAME = "cluster.x-k8s.io/cluster-name"

_TIMEOUT = "?timeout=10s"  # which the manager adds to each write
_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


class Door:
    """A namespace at the API server, for those who have their bodies ready."""

    def __init__(self, session: aiohttp.ClientSession, server: str, namespace: str) -> None:
        self._session = session
        self._url = f"{server}{ROOT}/{namespace}/"

    async def write(self, method: str, path: str, body: bytes, content_type: str = _JSON) -> bytes:
        """Send one write and return its answer."""
        headers, url = {"Content-Type": content_type}, self._url + path
        async with self._session.request(
            method, url + _TIMEOUT, data=body, headers=headers
        ) as response:
            answer = await response.read()
        if not response.ok:
            raise SystemExit(f"{method} {url}: {answer.decode()}")
        return answer

    async def patch(self, path: str, body: bytes) -> bytes:
        """Send a merge patch."""
        return await self.write("PATCH", path, body, _MERGE)

    async def items(self, plural: str) -> list[Json]:
        """Return all objects of a kind of Cluster API."""
        return await self._list(self._url + plural)

    async def pools(self) -> dict[str, Json]:
        """Return the namespace's pools by name."""
        found = await self._list(self._url.replace("v1beta2", "v1alpha2") + "inclusterippools")
        return {pool["metadata"]["name"]: pool for pool in found}

    async def _list(self, url: str) -> list[Json]:
        async with self._session.get(url) as response:
            answer: Json = await response.json()
        items: list[Json] = answer["items"]
        return items


@asynccontextmanager
async def door(kubeconfig: str, namespace: str) -> AsyncGenerator[Door]:
    """Open a door by a kubeconfig with a token, of one cluster and one user."""
    config = json.loads(Path(kubeconfig).read_bytes())  # noqa: ASYNC240 - nothing else runs yet
    place, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
    authority = base64.b64decode(place["certificate-authority-data"]).decode()
    tls = ssl.create_default_context(cadata=authority)
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(ssl=tls, limit=CLAIM_WORKERS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Door(session, place["server"], namespace)


class Allocation(NamedTuple):
    """The bodies for one claim; `status` lacks the version that the first write answers."""

    name: str
    record: bytes
    address: bytes
    status: bytes

    async def send(self, door: Door) -> None:
        """Send the three writes, one after the other."""
        answer = await door.patch(f"ipaddressclaims/{self.name}", self.record)
        await door.write("POST", "ipaddresses", self.address)
        status = self.status % version(answer)
        await door.patch(f"ipaddressclaims/{self.name}/status", status)


class Release(NamedTuple):
    """The bodies for one deleted claim; `address` lacks the version that its deletion answers."""

    name: str
    options: bytes
    address: bytes
    claim: bytes

    async def send(self, door: Door) -> None:
        """Send the three writes, one after the other."""
        answer = await door.write("DELETE", f"ipaddresses/{self.name}", self.options)
        await door.patch(f"ipaddresses/{self.name}", self.address % version(answer))
        await door.patch(f"ipaddressclaims/{self.name}", self.claim)


def version(answer: bytes) -> bytes:
    """Return the resourceVersion of an object."""
    found = _VERSION.search(answer)
    assert found is not None
    return found[1]


def allocation(claim: Json, pool: Json, number: int) -> Allocation:
    """Make the bodies; addresses are any, since nobody checks them here."""
    meta = claim["metadata"]
    given = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    record = {
        "finalizers": [f"{GROUP}/ReleaseAddress"],
        "annotations": {f"{GROUP}/address": given, f"{GROUP}/address-for": meta["uid"]},
        "labels": {"clusterctl.cluster.x-k8s.io/move": ""},
        "resourceVersion": meta["resourceVersion"],
    }
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "AddressAllocated",
        "message": f"address {given} is allocated",
        "lastTransitionTime": meta["creationTimestamp"],
        "observedGeneration": 1,
    }
    status = {"addressRef": {"name": meta["name"]}, "conditions": [ready]}
    bodies = (
        {"metadata": record},
        _address(claim, pool, given),
        {"metadata": {"resourceVersion": "%s"}, "status": status},
    )
    return Allocation(meta["name"], *(_encoded(body) for body in bodies))


def _address(claim: Json, pool: Json, given: str) -> Json:
    meta = claim["metadata"]
    labels = {name: text for name, text in meta.get("labels", {}).items() if name == CLUSTER_NAME}
    meta = {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "finalizers": [f"{GROUP}/ProtectAddress"],
        "ownerReferences": [_owner(claim, controller=True), _owner(pool, controller=False)],
    }
    return {
        "apiVersion": claim["apiVersion"],
        "kind": "IPAddress",
        "metadata": meta | ({"labels": labels} if labels else {}),
        "spec": {
            "claimRef": {"name": meta["name"]},
            "poolRef": claim["spec"]["poolRef"],
            "address": given,
            "prefix": pool["spec"]["prefix"],
            "gateway": pool["spec"]["gateway"],
        },
    }


def _owner(owner: Json, *, controller: bool) -> Json:
    names = {name: owner["metadata"][name] for name in ("name", "uid")}
    kind = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    return kind | names | {"controller": controller, "blockOwnerDeletion": True}


def release(claim: Json, address: Json) -> Release:
    """Make the bodies that give an address back."""
    kind = {"kind": "DeleteOptions", "apiVersion": "v1"}
    preconditions = {"preconditions": {"uid": address["metadata"]["uid"]}}
    free = {"finalizers": list[str](), "resourceVersion": "%s"}
    gone = free | {"resourceVersion": claim["metadata"]["resourceVersion"]}
    bodies = (kind | preconditions, {"metadata": free}, {"metadata": gone})
    return Release(claim["metadata"]["name"], *(_encoded(body) for body in bodies))


def _encoded(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def allocations(door: Door) -> list[Allocation]:
    """Make the bodies for all claims of a namespace."""
    pools = await door.pools()
    return [
        allocation(claim, pools[claim["spec"]["poolRef"]["name"]], number)
        for number, claim in enumerate(await door.items("ipaddressclaims"), start=2)
    ]


async def releases(door: Door) -> list[Release]:
    """Make the bodies for all claims of a namespace, which must be deleted and bound."""
    addresses = {item["metadata"]["name"]: item for item in await door.items("ipaddresses")}
    claims = await door.items("ipaddressclaims")
    return [release(claim, addresses[claim["metadata"]["name"]]) for claim in claims]


PREPARE: dict[str, Callable[[Door], Awaitable[list[Allocation] | list[Release]]]] = {
    "allocate": allocations,
    "release": releases,
}


async def main(kubeconfig: str, namespace: str, what: str) -> None:
    """Connect, prepare, wait for the word, send."""
    async with door(kubeconfig, namespace) as opened:
        queue = (await PREPARE[what](opened))[::-1]

        async def worker() -> None:
            while queue:
                await queue.pop().send(opened)

        print("ready", flush=True)
        sys.stdin.readline()
        await asyncio.gather(*(worker() for _ in range(CLAIM_WORKERS)))
        print("done", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
