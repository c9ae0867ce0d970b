# SPDX-License-Identifier: Apache-2.0
"""How long one claim waits for its address while nothing else happens, beside the bare writes.

Flow:
    Claims are made one at a time, in blocks: some that the manager serves, then some for which the
    three writes are sent from here while the manager is frozen.  One watch sees both bound.
    Ours counts from when the claim is known to exist (its creation is answered, or the watch shows
    it), bare from when the first write is sent.
"""

import asyncio
import json
import math
import signal
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import aclosing, contextmanager, suppress

import bare
import table
import uvloop
from setting import POOL, account, await_serving, cluster

from envtest import manifests
from envtest.client import Json
from envtest.controlplane.control_plane import ADMIN_GROUP
from envtest.controlplane.provider import Provider
from envtest.controlplane.tenants import Tenant
from kube.client import Client
from kube.connect import connect
from kube.options import ListOptions
from objects.contracts import V1Beta2

_BLOCK = 10  # claims of each kind in turn: frozen for 0.2 s, the manager's lease lasts
_PATIENCE_SECONDS = 60.0
_NAMESPACE = "latency"
_MOST = {50: 1.3, 99: 3.0}  # times the bare writes, by percentile
_CLAIMS = V1Beta2("v1beta2").claims


class Sight:
    """What a watch of the claims has shown so far, and when."""

    def __init__(self) -> None:
        self.exists: dict[str, float] = {}
        self.bound: defaultdict[str, asyncio.Future[float]] = defaultdict(asyncio.Future)

    async def follow(self, api: Client) -> None:
        """Watch until cancelled."""
        while True:
            async with aclosing(api.watch(_CLAIMS, ListOptions(_NAMESPACE))) as lines:
                async for line in lines:
                    self._see(json.loads(line)["object"])

    def _see(self, claim: Json) -> None:
        now, name = time.perf_counter(), claim["metadata"]["name"]
        self.exists.setdefault(name, now)
        if claim.get("status", {}).get("addressRef") and not self.bound[name].done():
            self.bound[name].set_result(now)


class Bench:
    """Makes claims as their user, and writes as the manager's service account."""

    def __init__(self, provider: Provider, user: Client, door: bare.Door) -> None:
        self.sight = Sight()
        self.user = user
        self._provider = provider
        self._door = door
        self._number = 0

    async def ours(self) -> float:
        """Return the seconds until the manager has served a new claim."""
        claim = await self._create(manifests.claim(self._name(), "pool"))
        answered, name = time.perf_counter(), claim["metadata"]["name"]
        bound = await self._bound(name)
        return bound - min(answered, self.sight.exists[name])

    async def raw(self, pool: Json) -> float:
        """Return the seconds that the three writes for a new claim take."""
        claim = await self._create(manifests.claim(self._name(), "pool"))
        writes = bare.allocation(claim, pool, 100_000 + self._number)
        began = time.perf_counter()
        await writes.send(self._door)
        return await self._bound(writes.name) - began

    async def turns(self, count: int) -> tuple[list[float], list[float]]:
        """Return the seconds of so many claims of each kind, in order."""
        pool = (await self._door.pools())["pool"]
        ours, raw = list[float](), list[float]()
        while len(ours) < count:
            await self.ours()  # so that the manager has heard of all that happened before
            ours += [await self.ours() for _ in range(_BLOCK)]
            with self._frozen():
                raw += [await self.raw(pool) for _ in range(_BLOCK)]
        return sorted(ours), sorted(raw)

    def _name(self) -> str:
        self._number += 1
        return f"claim-{self._number}"

    async def _create(self, claim: Json) -> Json:
        answer = await self.user.create(_CLAIMS, _NAMESPACE, json.dumps(claim).encode())
        created: Json = json.loads(answer)
        return created

    async def _bound(self, name: str) -> float:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self.sight.bound[name]

    @contextmanager
    def _frozen(self) -> Generator[None]:
        self._provider.manager.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._provider.manager.signal(signal.SIGCONT)


def figures(count: int, _turns: int) -> Iterator[table.Figure]:
    """Yield the latencies in milliseconds."""
    with cluster() as provider:
        tenant = Tenant(provider, provider.new_namespace(_NAMESPACE))
        tenant.pools().create(manifests.pool("pool", POOL))
        await_serving(provider)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ours, raw = runner.run(_measure(provider, count))
    for percent, most in _MOST.items():
        own, theirs = (1000 * percentile(times, percent) for times in (ours, raw))
        what = f"claim to bound, p{percent} of {len(ours)}"
        yield table.at_most(what, f"{own:.2f} ms", f"{theirs:.2f} ms", own / theirs, most)


async def _measure(provider: Provider, count: int) -> tuple[list[float], list[float]]:
    kubeconfig = provider.control_plane.kubeconfig("bench", [ADMIN_GROUP])
    user = await connect(str(kubeconfig), "bench")
    try:
        async with bare.door(account(provider), _NAMESPACE) as door:
            bench = Bench(provider, Client(user), door)
            watching = asyncio.create_task(bench.sight.follow(bench.user))
            try:
                return await bench.turns(count)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
    finally:
        await user.close()


def percentile(ordered: list[float], percent: int) -> float:
    """Return the value that so many percent do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
