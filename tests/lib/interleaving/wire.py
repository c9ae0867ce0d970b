# SPDX-License-Identifier: Apache-2.0
"""The API server, and a process's connection to it, on which each request waits to be let on."""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from builders import CONTRACT
from msgspec import convert

from kube.errors import KubeError, NotLeaderError, UnreachableError
from kube.meta import Key
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects.metadata import PROTECT_ADDRESS_FINALIZER
from objects.pools import PREFIX_KINDS
from objects.references import TypedReference, pool_of

from .steps import Clock, Stop

if TYPE_CHECKING:
    from objects import clusterapi

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CLAIMS, ADDRESSES, CLUSTERS = CONTRACT.claims, CONTRACT.addresses, CONTRACT.clusters
LATEST_SECONDS = 20.0  # a client waits for 10, and then the server may work for 10


class DelayedError(UnreachableError):
    """A request is given up that is still on its way."""


class Server(FakeApi):
    """The API server, which also sees that none of our writes does what must never happen."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.ours: set[str] = set()
        """uids of the IPAddress objects that we made."""
        self.violations: list[str] = []
        self.delayed: list[tuple[float, Callable[[], Awaitable[bytes]]]] = []
        """Requests of which nobody has heard yet, and until when they may still arrive."""

    @property
    def now(self) -> str:  # type: ignore[override] # the clock moves
        return self.clock.stamp

    def all(self, resource: ApiResource) -> list[Json]:
        return [item for (plural, _, _), item in self._objects.items() if plural == resource.plural]

    def find(self, resource: ApiResource, key: Key) -> Json | None:
        found = self.read(resource, *key)
        return json.loads(json.dumps(found)) if found else None

    def live_owner(self, address: Json) -> str:
        """Return the claim to which an IPAddress belongs and that is not being deleted, if any."""
        owners = {owner["uid"] for owner in address["metadata"].get("ownerReferences") or ()}
        for claim in self.all(CLAIMS):
            meta = claim["metadata"]
            if meta["uid"] in owners and "deletionTimestamp" not in meta:
                return str(key_of(claim))
        return ""


class Wire:
    """A process's connection: each request waits to be sent, and each answer to be heard."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lease_is_lost = False
        self.known: Iterable[clusterapi.IPAddress] = ()
        """The process's copy of the IPAddresses."""
        self.list, self.watch = server.list, server.watch
        self.discover = server.discover

    async def _send(self, text: str, call: Callable[[], Awaitable[bytes]]) -> bytes:
        if error := await Stop("request", text):
            if isinstance(error, DelayedError):
                self.server.delayed.append((self.server.clock() + LATEST_SECONDS, call))
            raise error
        if self.lease_is_lost and not text.startswith("patch"):
            raise NotLeaderError(text)  # a patch may have been on its way: its version protects us
        answer: bytes | KubeError
        try:
            answer = await call()
        except KubeError as refusal:
            answer = refusal
        if error := await Stop("answer", text):
            raise error
        if isinstance(answer, KubeError):
            raise answer
        return answer

    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        return await self._send(
            f"get {resource.plural} {namespace}/{name}",
            lambda: self.server.get(resource, namespace, name),
        )

    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        if resource == ADDRESSES:
            self._check_room(json.loads(body), namespace)

        async def call() -> bytes:
            answer = await self.server.create(resource, namespace, body)
            self.server.ours.add(json.loads(answer)["metadata"]["uid"])
            return answer

        return await self._send(f"create {resource.plural} in {namespace}", call)

    def _check_room(self, address: Json, namespace: str) -> None:
        """Note an IPAddress that is sent for though another one is known to overlap it."""
        new = network_of(address)
        assert new
        pool = pool_of(convert(address["spec"]["poolRef"], TypedReference), namespace)
        for known in self.known:
            spec = {"address": known.spec.address, "prefix": known.spec.prefix}
            other = network_of({"spec": spec | {"poolRef": {"kind": known.spec.pool_ref.kind}}})
            if known.pool == pool and other and overlap(new, other):
                self.server.violations.append(f"{new} is given, and {other} is in use")

    async def patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        finalizers = json.loads(body)["metadata"].get("finalizers")
        releases = finalizers is not None and PROTECT_ADDRESS_FINALIZER not in finalizers
        return await self._send(
            f"patch {resource.plural} {namespace}/{name} {subresource}",
            lambda: self._watched(
                Key(namespace, name),
                self.server.patch(resource, namespace, name, body, subresource),
                release=releases and resource == ADDRESSES,
            ),
        )

    async def delete(self, resource: ApiResource, namespace: str, name: str, uid: str) -> bytes:
        return await self._send(
            f"delete {resource.plural} {namespace}/{name}",
            lambda: self._watched(
                Key(namespace, name),
                self.server.delete(resource, namespace, name, uid),
                release=resource == ADDRESSES,
            ),
        )

    async def _watched(self, key: Key, write: Awaitable[bytes], *, release: bool) -> bytes:
        address = self.server.find(ADDRESSES, key) if release else None
        answer = await write
        if address and (owner := self.server.live_owner(address)):
            self.server.violations.append(f"the address of live claim {owner} was released")
        return answer


def network_of(address: Json) -> Network | None:
    """Return what an IPAddress has: in an IP pool its prefix length is only that of the subnet."""
    spec = address["spec"]
    prefix = f"/{spec['prefix']}" if spec["poolRef"]["kind"] in PREFIX_KINDS else ""
    try:
        return ipaddress.ip_network(f"{spec['address']}{prefix}", strict=False)
    except ValueError:
        return None


def overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def key_of(item: Json) -> Key:
    meta = item["metadata"]
    return Key(meta.get("namespace", ""), meta["name"])
