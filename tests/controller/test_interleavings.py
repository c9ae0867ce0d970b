# SPDX-License-Identifier: Apache-2.0
"""Whatever lags, fails or dies in between: no address twice, none lost, nobody forgotten.

The machine has one API server, the process that leads, and the one that led before.  Nothing runs
by itself: a rule lets one worker go on to its next request, one request be applied, refused or
lost, or one cache hear of one more change.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from controller.controller import Controller
from controller.state import (
    PROTECT_ADDRESS_FINALIZER,
    PROTECT_POOL_FINALIZER,
    RELEASE_FINALIZER,
    Scope,
)
from kube import capi, metrics, pools, workers
from kube.cache import Cache
from kube.errors import (
    ApiError,
    ConflictError,
    GoneError,
    KubeError,
    NotLeaderError,
    UnreachableError,
)
from kube.fake import FakeApi, Json
from kube.objects import (
    ADDRESS_ANNOTATION,
    ADDRESS_FOR_ANNOTATION,
    MOVED_ANNOTATION,
    PAUSED_ANNOTATION,
    Key,
    PoolKey,
)
from kube.queue import Queue
from kube.resources import GroupVersionResource

CONTRACT = capi.V1Beta2("v1beta2")
CLAIMS, ADDRESSES, CLUSTERS = CONTRACT.claims, CONTRACT.addresses, CONTRACT.clusters

T = TypeVar("T")
K = TypeVar("K")


class Pool(NamedTuple):
    """One of the pools of which the rules tell."""

    kind: str
    namespace: str
    name: str

    @property
    def resource(self) -> GroupVersionResource:
        return pools.KINDS[self.kind]

    @property
    def reference(self) -> Json:
        return {"apiGroup": self.resource.group, "kind": self.kind, "name": self.name}


BLUE = Pool("InClusterIPPool", "one", "blue")
GLOBE = Pool("GlobalInClusterIPPool", "", "globe")
CLAIM_KEYS = [Key("one", "a"), Key("one", "b"), Key("one", "c"), Key("two", "a")]
OFFERS = {
    "10.0.0.1": {"10.0.0.1"},
    "10.0.0.1-10.0.0.2": {"10.0.0.1", "10.0.0.2"},
    "10.0.0.2-10.0.0.4": {"10.0.0.2", "10.0.0.3", "10.0.0.4"},
    "none of it": set[str](),
}
"""What may stand in a spec, and what that offers."""

CLAIM_WORKERS, POOL_WORKERS = 2, 1
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
GRACE_SECONDS = 30
LATEST_SECONDS = 20.0  # a client waits for 10, and then the server may work for 10
HORIZON_SECONDS = 1000.0  # by then the slowest thing is over: five minutes, and a retry or two
MANY = 2000  # steps in which everything comes to rest, or never does

claim_keys = st.sampled_from(CLAIM_KEYS)
some_pools = st.sampled_from([BLUE, BLUE, GLOBE])
offers = st.sampled_from(list(OFFERS))
requests = st.sampled_from(["", "", "", "10.0.0.1", "10.0.0.2", "10.0.0.9", "web.local"])
addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "web.local"])


# ---- a process, by hand ----


class Clock:
    """Time that passes when told so, and the timers that wait for it."""

    def __init__(self) -> None:
        self.seconds = START
        self._timers: list[Timer] = []

    def __call__(self) -> float:
        return self.seconds

    @property
    def stamp(self) -> str:
        return datetime.fromtimestamp(self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def next(self) -> float | None:
        """When the next timer is due."""
        self._timers = [timer for timer in self._timers if timer.call]
        return min((timer.due for timer in self._timers), default=None)

    def later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        timer = Timer(self.seconds + seconds, call)
        self._timers.append(timer)
        return cast("asyncio.TimerHandle", timer)

    def pass_(self, seconds: float) -> None:
        until = self.seconds + seconds
        while (due := self.next) is not None and due <= until:
            self.seconds = due
            for timer in [timer for timer in self._timers if timer.due <= due]:
                timer.fire()
        self.seconds = until

    def forget(self) -> None:
        """Drop the timers of a process that has died."""
        self._timers = []


class Timer:
    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def fire(self) -> None:
        if self.call:
            self.call()
        self.call = None


class Stop:
    """Where a worker waits for the machine, which may answer with an error."""

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind = kind  # idle, request (not sent yet), answer (on its way back), ended
        self.text = text

    def __await__(self) -> Generator["Stop", KubeError | None, KubeError | None]:
        return (yield self)


class Worker:
    """A worker of `kube.workers`, from one stop to the next."""

    def __init__(self, work: Coroutine[Stop, KubeError | None, NoReturn]) -> None:
        self._work = work
        self.at = work.send(None)

    def go(self, error: KubeError | None = None) -> None:
        if self.at.kind == "ended":
            return
        try:
            self.at = self._work.send(error)
        except NotLeaderError:
            self.at = Stop("ended")

    def end(self) -> None:
        self._work.close()
        self.at = Stop("ended")


class HandQueue(Queue[K]):
    """A queue whose workers wait for the machine before each key."""

    @override
    async def get(self) -> K:
        await Stop("idle")
        while not len(self):
            await Stop("idle")
        return await super().get()


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
    def now(self) -> str:  # type: ignore[override]
        return self.clock.stamp

    def all(self, resource: GroupVersionResource) -> list[Json]:
        return [item for (plural, _, _), item in self._objects.items() if plural == resource.plural]

    def find(self, resource: GroupVersionResource, key: Key) -> Json | None:
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
        self.list, self.watch = server.list, server.watch

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

    async def get(self, resource: GroupVersionResource, namespace: str, name: str) -> bytes:
        return await self._send(
            f"get {resource.plural} {namespace}/{name}",
            lambda: self.server.get(resource, namespace, name),
        )

    async def create(self, resource: GroupVersionResource, namespace: str, body: bytes) -> bytes:
        async def call() -> bytes:
            answer = await self.server.create(resource, namespace, body)
            self.server.ours.add(json.loads(answer)["metadata"]["uid"])
            return answer

        return await self._send(f"create {resource.plural} in {namespace}", call)

    async def patch(
        self,
        resource: GroupVersionResource,
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
                releases and resource == ADDRESSES,
                Key(namespace, name),
                self.server.patch(resource, namespace, name, body, subresource),
            ),
        )

    async def delete(
        self, resource: GroupVersionResource, namespace: str, name: str, uid: str
    ) -> bytes:
        return await self._send(
            f"delete {resource.plural} {namespace}/{name}",
            lambda: self._watched(
                resource == ADDRESSES,
                Key(namespace, name),
                self.server.delete(resource, namespace, name, uid),
            ),
        )

    async def _watched(self, release: bool, key: Key, write: Awaitable[bytes]) -> bytes:  # noqa: FBT001
        address = self.server.find(ADDRESSES, key) if release else None
        answer = await write
        if address and (owner := self.server.live_owner(address)):
            self.server.violations.append(f"the address of live claim {owner} was released")
        return answer


class Process:
    """A controller as `Controller.run` makes it, but that the machine moves it."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.server = server
        self.wire = Wire(server)
        self.defects: list[Exception] = []
        self.controller = made = hand_made(self.wire, clock)
        self.state = made.state
        self.caches: dict[str, Cache[Any]] = {
            cache.resource.plural: cache for cache in self.state.caches
        }
        for cache in self.caches.values():
            finished(cache.load())
        self.state.rebuild()
        made._watch()
        made._start()
        self.workers = [
            *(
                self._worker(made._claim_queue, made._reconcile, made._pool_of)
                for _ in range(CLAIM_WORKERS)
            ),
            *(
                self._worker(made._pool_queue, made._pools.reconcile, lambda _: None)
                for _ in range(POOL_WORKERS)
            ),
        ]

    def _worker(
        self,
        queue: Queue[K],
        reconcile: Callable[[K], Awaitable[workers.Outcome]],
        group: Callable[[K], Any],
    ) -> Worker:
        async def watched(key: K) -> workers.Outcome:
            try:
                return await reconcile(key)
            except KubeError:
                raise
            except Exception as error:
                self.defects.append(error)
                raise

        return Worker(
            cast("Any", workers._work(queue, watched, group, metrics.ReconcileMetrics("test")))
        )

    def hear(self, plural: str, most: int = MANY) -> int:
        """Let one cache hear of so many changes; returns of how many it did."""
        cache = self.caches[plural]
        heard = 0
        for event in self._unheard(cache):
            if heard == most:
                break
            cache._apply(event)
            heard += 1
        return heard

    def _unheard(self, cache: Cache[Any]) -> Iterator[bytes]:
        return iter(tuple(self.server.changes(cache.resource, "", cache._revision)))

    def lose_history(self, plural: str) -> None:
        cache = self.caches[plural]
        expired = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "old"}}
        with pytest.raises(GoneError):
            cache._apply(json.dumps(expired).encode())
        finished(cache.load())

    @property
    def waiting(self) -> int:
        """How many keys wait for a worker."""
        return len(self.controller._claim_queue) + len(self.controller._pool_queue)

    def rest(self) -> None:
        """Hear everything and finish everything, but for what waits for time to pass."""
        for _ in range(MANY):
            heard = sum(self.hear(plural) for plural in self.caches)
            for worker in self.workers:
                worker.go()
            idle = all(worker.at.kind in ("idle", "ended") for worker in self.workers)
            if idle and not heard and not self.waiting:
                return
        raise AssertionError("the controller does not come to rest")

    def end(self) -> None:
        for worker in self.workers:
            worker.end()


def hand_made(wire: Wire, clock: Clock) -> Controller:
    async def made() -> Controller:
        return Controller(wire, CONTRACT, Scope(), clock)

    controller = asyncio.run(made())
    controller._claim_queue = HandQueue("test", clock.later, clock, controller._age_of)
    controller._pool_queue = HandQueue("test", clock.later, clock)
    return controller


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what work gives that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    raise AssertionError("it waits")


def key_of(item: Json) -> Key:
    meta = item["metadata"]
    return Key(meta.get("namespace", ""), meta["name"])


# ---- the machine ----

FAILURES: dict[str, Callable[[], KubeError]] = {
    "409": lambda: ConflictError(409, "Conflict", "it has changed", "WRITE"),
    "422": lambda: ApiError(422, "Invalid", "no", "WRITE"),
    "500": lambda: UnreachableError("WRITE", "500 InternalError: no"),
}
PLURALS = [
    CLAIMS.plural,
    ADDRESSES.plural,
    CLUSTERS.plural,
    *(p.plural for p in pools.KINDS.values()),
]
WORKERS = st.integers(0, CLAIM_WORKERS + POOL_WORKERS - 1)


class Interleavings(RuleBasedStateMachine):
    """Users, an API server, a controller and its predecessor, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.patch = pytest.MonkeyPatch()
        self._use_clock()
        self.server = Server(self.clock)
        self.process = Process(self.server, self.clock)
        self.former: Process | None = None
        self.lost: dict[Key, Json] = {}

    def _use_clock(self) -> None:
        """Let the controller's modules read our clock wherever they ask for the time."""
        clock = SimpleNamespace(
            time=self.clock, monotonic=self.clock, gmtime=time.gmtime, strftime=time.strftime
        )
        for name, module in tuple(sys.modules.items()):
            if name.startswith("controller.") and getattr(module, "time", None) is time:
                self.patch.setattr(module, "time", clock)

    def change(self, resource: GroupVersionResource, key: Key, **parts: Json) -> None:
        """Merge into parts of an object, where it exists."""
        if found := self.server.find(resource, key):
            for part, changes in parts.items():
                found[part] = {**found.get(part, {}), **changes}
            self.server.put(resource, found)

    def delete(self, resource: GroupVersionResource, key: Key) -> None:
        if found := self.server.find(resource, key):
            finished(self.server.delete(resource, *key, found["metadata"]["uid"]))

    def turn(self, resource: GroupVersionResource, key: Key, annotation: str, value: str) -> None:
        """Set an annotation, or take it away if the value is empty."""
        if found := self.server.find(resource, key):
            annotations = found["metadata"].setdefault("annotations", {})
            annotations.pop(annotation, None)
            if value:
                annotations[annotation] = value
            self.server.put(resource, found)

    # -- users --

    @initialize(pool=offers, claims=st.integers(0, 4))
    def there_are_a_pool_and_some_claims(self, pool: str, claims: int) -> None:
        self.a_pool_is_created(BLUE, pool, 0)
        for key in CLAIM_KEYS[:claims]:
            self.a_claim_is_created(key, BLUE, "", cluster=False)

    @rule(
        key=claim_keys,
        pool=some_pools,
        asks=requests,
        cluster=st.sampled_from([False, False, True]),
    )
    def a_claim_is_created(self, key: Key, pool: Pool, asks: str, *, cluster: bool) -> None:
        if self.server.find(CLAIMS, key):
            return
        meta: Json = {
            "name": key.name,
            "namespace": key.namespace,
            "creationTimestamp": self.clock.stamp,
        }
        if asks:
            meta["annotations"] = {ADDRESS_ANNOTATION: asks}
        spec: Json = {"poolRef": pool.reference} | ({"clusterName": "c"} if cluster else {})
        self.server.put(CLAIMS, {"metadata": meta, "spec": spec})

    @rule(key=claim_keys)
    def a_claim_is_deleted(self, key: Key) -> None:
        self.delete(CLAIMS, key)

    @rule(key=claim_keys, asks=requests)
    def a_claim_asks_for_something_else(self, key: Key, asks: str) -> None:
        self.turn(CLAIMS, key, ADDRESS_ANNOTATION, asks)

    @rule(key=claim_keys)
    def a_claim_is_lost(self, key: Key) -> None:
        if found := self.server.find(CLAIMS, key):
            self.lost[key] = found
            self.server.remove(CLAIMS, *key)

    @rule(key=claim_keys)
    def a_lost_claim_is_restored(self, key: Key) -> None:
        if key in self.lost and not self.server.find(CLAIMS, key):
            claim = self.lost.pop(key)
            for name in ("uid", "resourceVersion", "deletionTimestamp"):
                claim["metadata"].pop(name, None)
            claim["metadata"]["creationTimestamp"] = self.clock.stamp
            claim.pop("status", None)
            self.server.put(CLAIMS, claim)

    @rule(key=claim_keys)
    def a_claim_is_moved_to_another_cluster(self, key: Key) -> None:
        if self.server.find(CLAIMS, key):
            self.turn(CLAIMS, key, MOVED_ANNOTATION, "true")
            self.server.remove(CLAIMS, *key)

    @rule(key=claim_keys, paused=st.booleans())
    def a_claim_is_paused_or_resumed(self, key: Key, *, paused: bool) -> None:
        self.turn(CLAIMS, key, PAUSED_ANNOTATION, "true" if paused else "")

    @rule(pool=some_pools, offer=offers, grace=st.sampled_from([0, 0, GRACE_SECONDS]))
    def a_pool_is_created(self, pool: Pool, offer: str, grace: int) -> None:
        if not self.server.find(pool.resource, Key(pool.namespace, pool.name)):
            meta = {"name": pool.name, "namespace": pool.namespace}
            self.server.put(pool.resource, {"metadata": meta, "spec": spec_of(offer, grace)})

    @rule(pool=some_pools, offer=offers, grace=st.sampled_from([0, 0, GRACE_SECONDS]))
    def a_pool_is_edited(self, pool: Pool, offer: str, grace: int) -> None:
        self.change(pool.resource, Key(pool.namespace, pool.name), spec=spec_of(offer, grace))

    @rule(pool=some_pools)
    def a_pool_is_deleted(self, pool: Pool) -> None:
        self.delete(pool.resource, Key(pool.namespace, pool.name))

    @rule(pool=some_pools, paused=st.booleans())
    def a_pool_is_paused_or_resumed(self, pool: Pool, *, paused: bool) -> None:
        key = Key(pool.namespace, pool.name)
        self.turn(pool.resource, key, PAUSED_ANNOTATION, "true" if paused else "")

    @rule(namespace=st.sampled_from(["one", "one", "two"]), paused=st.booleans())
    def a_cluster_is_there_and_perhaps_paused(self, namespace: str, *, paused: bool) -> None:
        meta = {"name": "c", "namespace": namespace}
        self.server.put(CLUSTERS, {"metadata": meta, "spec": {"paused": paused}})

    @rule(namespace=st.sampled_from(["one", "two"]))
    def a_cluster_goes(self, namespace: str) -> None:
        self.delete(CLUSTERS, Key(namespace, "c"))

    # -- hands in the addresses --

    @rule(key=claim_keys)
    def somebody_deletes_an_address(self, key: Key) -> None:
        self.delete(ADDRESSES, key)

    @rule(
        key=claim_keys, names=st.sets(st.sampled_from(["finalizers", "ownerReferences", "labels"]))
    )
    def somebody_takes_parts_of_an_address_away(self, key: Key, names: set[str]) -> None:
        if found := self.server.find(ADDRESSES, key):
            for name in names:
                found["metadata"].pop(name, None)
            self.server.put(ADDRESSES, found)

    @rule(
        key=st.sampled_from([*CLAIM_KEYS, Key("one", "by-hand"), Key("two", "by-hand")]),
        pool=some_pools, address=addresses, adoptable=st.booleans(),
    )  # fmt: skip
    def somebody_makes_an_address(
        self, key: Key, pool: Pool, address: str, *, adoptable: bool
    ) -> None:
        if not self.server.find(ADDRESSES, key):
            meta = {"name": key.name, "namespace": key.namespace}
            spec = {
                "claimRef": {"name": key.name if adoptable and address[0] == "1" else "somebody"},
                "poolRef": pool.reference, "address": address, "prefix": 24,
            }  # fmt: skip
            self.server.put(ADDRESSES, {"metadata": meta, "spec": spec})

    @rule()
    def garbage_is_collected(self) -> None:
        known = {
            item["metadata"]["uid"]
            for resource in (CLAIMS, BLUE.resource, GLOBE.resource)
            for item in self.server.all(resource)
        }
        for address in self.server.all(ADDRESSES):
            owners: list[Json] = address["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner["uid"] in known]
            if owners and not left:
                self.delete(ADDRESSES, key_of(address))
            elif len(left) < len(owners):
                self.change(ADDRESSES, key_of(address), metadata={"ownerReferences": left})

    # -- time, news, work --

    @rule(seconds=st.sampled_from([0.1, 1, 31, 301]))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_(seconds)

    @rule(plural=st.sampled_from(PLURALS), most=st.integers(1, 4))
    def one_cache_hears_of_changes(self, plural: str, most: int) -> None:
        self.process.hear(plural, most)

    @rule(plural=st.sampled_from([CLAIMS.plural, ADDRESSES.plural]))
    def one_cache_hears_of_all_changes(self, plural: str) -> None:
        self.process.hear(plural)

    @rule(plural=st.sampled_from(PLURALS))
    def a_watch_loses_history(self, plural: str) -> None:
        self.process.lose_history(plural)

    @rule(number=WORKERS, steps=st.integers(1, 4))
    def a_worker_goes_some_steps(self, number: int, steps: int) -> None:
        for _ in range(steps):
            self.process.workers[number].go()

    @rule(number=WORKERS, steps=st.integers(1, 8))
    def news_of_claims_get_a_worker_going(self, number: int, steps: int) -> None:
        self.process.hear(CLAIMS.plural)
        self.a_worker_goes_some_steps(number, steps)

    @rule(number=WORKERS)
    def a_worker_finishes_what_it_has(self, number: int) -> None:
        worker = self.process.workers[number]
        worker.go()
        for _ in range(MANY):
            if worker.at.kind == "idle":
                return
            worker.go()
        raise AssertionError("a worker never finishes")

    @rule(number=WORKERS, failure=st.sampled_from(list(FAILURES)))
    def a_request_fails(self, number: int, failure: str) -> None:
        worker = self.process.workers[number]
        if worker.at.kind == "request":
            worker.go(FAILURES[failure]())

    @rule(number=WORKERS)
    def a_create_is_given_up_while_it_is_on_its_way(self, number: int) -> None:
        worker = self.process.workers[number]
        if worker.at.kind == "request" and worker.at.text.startswith("create ipaddresses"):
            worker.go(DelayedError("WRITE", "no answer"))

    @rule()
    def what_was_on_its_way_arrives(self) -> None:
        delayed, self.server.delayed = self.server.delayed, []
        for until, call in delayed:
            if self.clock() < until:
                with suppress(KubeError):
                    finished(cast("Coroutine[Any, Any, bytes]", call()))

    @rule(number=WORKERS)
    def an_answer_is_lost(self, number: int) -> None:
        worker = self.process.workers[number]
        if worker.at.kind == "answer":
            worker.go(UnreachableError("WRITE", "the connection broke"))

    @rule()
    def the_controller_is_replaced(self) -> None:
        """Another one leads from here on; what the former one has sent may still arrive."""
        if self.former:
            self.former.end()
        self.clock.forget()
        self.former = self.process
        self.former.wire.lease_is_lost = True
        self.process = Process(self.server, self.clock)

    @precondition(lambda self: self.former is not None)
    @rule(number=WORKERS, steps=st.integers(1, 4))
    def a_worker_of_the_former_controller_goes_on(self, number: int, steps: int) -> None:
        assert self.former is not None
        for _ in range(steps):
            self.former.workers[number].go()

    @rule()
    def everything_comes_to_rest(self) -> None:
        self.process.rest()

    # -- what always is so --

    @invariant()
    def no_address_is_given_twice(self) -> None:
        given = [
            (
                json.dumps(address["spec"]["poolRef"]),
                pool_namespace(address),
                address["spec"]["address"],
            )
            for address in self.server.all(ADDRESSES)
            if address["metadata"]["uid"] in self.server.ours
        ]
        assert len(set(given)) == len(given), given

    @invariant()
    def no_address_of_a_live_claim_is_released(self) -> None:
        assert not self.server.violations

    @invariant()
    def the_controller_has_no_defect(self) -> None:
        for process in (self.process, self.former):
            if process and process.defects:
                raise process.defects[0]

    # -- what is so in the end --

    @override
    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.everybody_is_served_or_waits_for_a_reason()
                self.a_restart_changes_nothing()
                self.nothing_is_left_when_all_claims_and_pools_are_deleted()
        finally:
            self.patch.undo()
            for process in (self.process, self.former):
                if process:
                    process.end()

    def settle(self) -> None:
        """Let everything happen that happens without users."""
        until = self.clock() + HORIZON_SECONDS
        self.process.rest()
        while (due := self.clock.next) is not None and due <= until:
            self.clock.pass_(max(due - self.clock(), 0))
            self.process.rest()
        self.no_address_is_given_twice()
        self.no_address_of_a_live_claim_is_released()
        self.the_controller_has_no_defect()

    def everybody_is_served_or_waits_for_a_reason(self) -> None:
        self.settle()
        world = World(self.server, self.process)
        for claim in self.server.all(CLAIMS):
            if not world.left_alone(claim):
                assert world.verdict(claim) == world.expected(claim), claim
        for pool in (BLUE, GLOBE):
            world.check_counts(pool)

    def a_restart_changes_nothing(self) -> None:
        self.server.writes.clear()
        self.the_controller_is_replaced()
        self.process.rest()
        self.clock.pass_(1)
        self.process.rest()
        assert self.server.writes == []

    def nothing_is_left_when_all_claims_and_pools_are_deleted(self) -> None:
        for resource in (CLAIMS, BLUE.resource, GLOBE.resource):
            for item in self.server.all(resource):
                self.turn(resource, key_of(item), PAUSED_ANNOTATION, "")
                self.delete(resource, key_of(item))
        for namespace in ("one", "two"):
            self.delete(CLUSTERS, Key(namespace, "c"))
        self.settle()
        for address in self.server.all(ADDRESSES):  # what others made is theirs to delete
            meta = address["metadata"]
            assert meta["uid"] not in self.server.ours or not meta.get("finalizers"), address
            self.server.remove(ADDRESSES, *key_of(address))
        self.settle()
        assert self.server._objects == {}
        state = self.process.state
        assert (state.books, state.unsettled) == ({}, {})
        assert (state.claims_of_pool, state.claims_of_cluster, state._ages) == ({}, {}, {})


def spec_of(offer: str, grace: int) -> Json:
    return {"addresses": [offer], "prefix": 24, "addressReuseGracePeriodSeconds": grace}


def pool_namespace(item: Json) -> str:
    return item["metadata"]["namespace"] if item["spec"]["poolRef"]["kind"] == BLUE.kind else ""


class World:
    """What is stored, and what that should have led to: the contract, said once more and slowly."""

    def __init__(self, server: Server, process: Process) -> None:
        self.server = server
        self.process = process

    @property
    def shared(self) -> bool:
        """Whether anybody's hands have made an address that another one has."""
        have = [
            (json.dumps(item["spec"]["poolRef"]), pool_namespace(item), item["spec"]["address"])
            for item in self.server.all(ADDRESSES)
        ]
        return len(set(have)) < len(have)

    def pool(self, item: Json) -> Json | None:
        reference = item["spec"]["poolRef"]
        resource = pools.KINDS[reference["kind"]]
        return self.server.find(resource, Key(pool_namespace(item), reference["name"]))

    def cluster(self, claim: Json) -> Json | None:
        name = claim["spec"].get("clusterName", "")
        return self.server.find(CLUSTERS, Key(claim["metadata"]["namespace"], name))

    def left_alone(self, claim: Json) -> bool:
        """Say whether nothing at all is to be done to a claim."""
        cluster, deleting = self.cluster(claim), "deletionTimestamp" in claim["metadata"]
        missing = bool(claim["spec"].get("clusterName")) and not cluster
        paused = is_paused(claim) or is_paused(self.pool(claim))
        return paused or (missing and not deleting) or bool(cluster and cluster["spec"]["paused"])

    def verdict(self, claim: Json) -> str:
        """Say what has become of a claim: nothing, why it waits, or Ready if all of it is."""
        conditions = claim.get("status", {}).get("conditions", [])
        reason = conditions[0]["reason"] if conditions else "nothing"
        if reason != "Ready":
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
        return "Ready"

    def expected(self, claim: Json) -> str:
        assert "deletionTimestamp" not in claim["metadata"], "a claim is stuck in its deletion"
        address = self.server.find(ADDRESSES, key_of(claim))
        if address:
            mine = address["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
            return "Ready" if mine and self.same_pool(address, claim) else "AllocationFailed"
        return self.reason_to_wait(claim)

    def reason_to_wait(self, claim: Json) -> str:
        pool = self.pool(claim)
        offered = OFFERS[pool["spec"]["addresses"][0]] if pool else set[str]()
        asked = claim["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION)
        if asked == "web.local":
            return "AllocationFailed"
        if not pool or "deletionTimestamp" in pool["metadata"] or not offered:
            return "PoolNotReady"
        if asked and not self.chosen_by_us(claim):
            held = asked in self.holders(claim, but=key_of(claim))
            assert asked not in offered or held, "a claim does not get the free address it asks for"
            return "AllocationFailed"
        assert offered <= self.holders(claim, but=key_of(claim)), (
            "a claim waits though there is room"
        )
        return "PoolExhausted"

    def chosen_by_us(self, claim: Json) -> bool:
        made_for = claim["metadata"]["annotations"].get("ipam.cluster.x-k8s.io/address-for")
        bound = claim.get("status", {}).get("addressRef", {}).get("name")
        return made_for == claim["metadata"]["uid"] and not bound

    def holders(self, of: Json, but: Key | None = None) -> set[str]:
        """Return the addresses of the same pool that somebody has, or has on record."""
        held = {
            item["spec"]["address"]
            for item in self.server.all(ADDRESSES)
            if self.same_pool(item, of)
        }
        book = self.process.state.book(self.pool_key(of))
        unsure = {str(address) for key, address in book._pending.items() if key != but}
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
        offered = OFFERS[pool["spec"]["addresses"][0]]
        have = [
            item["spec"]["address"]
            for item in self.server.all(ADDRESSES)
            if self.same_pool(item, of)
        ]
        assert pool["status"]["ipAddresses"] == {
            "total": len(offered),
            "free": len(offered - self.holders(of)),
            "used": len(have),
            "outOfRange": sum(address not in offered for address in have),
        }
        if "deletionTimestamp" in pool["metadata"] and not is_paused(pool):
            assert have, "a pool is stuck in its deletion"
            assert PROTECT_POOL_FINALIZER in pool["metadata"]["finalizers"]


def is_paused(item: Json | None) -> bool:
    return bool(item) and PAUSED_ANNOTATION in item["metadata"].get("annotations", {})


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = hypothesis.settings(stateful_step_count=60)


# ---- single stories, each of which one careless line would spoil ----


@pytest.fixture
def story() -> Iterator[Interleavings]:
    made = Interleavings()
    made.there_are_a_pool_and_some_claims("10.0.0.1-10.0.0.2", 2)  # one/a and one/b
    yield made
    made.teardown()


A, B = CLAIM_KEYS[:2]


def given(story: Interleavings, key: Key) -> str:
    address = story.server.find(ADDRESSES, key)
    return str(address["spec"]["address"]) if address else ""


def recorded(story: Interleavings, key: Key) -> str:
    claim = story.server.find(CLAIMS, key) or {}
    return str(claim["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION, ""))


def test_a_record_whose_answer_was_lost_is_nobody_elses_address(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 2)  # the record of a is stored
    story.an_answer_is_lost(0)

    story.a_worker_finishes_what_it_has(1)

    assert (recorded(story, A), given(story, B)) == ("10.0.0.1", "10.0.0.2")


def test_a_late_record_of_the_former_controller_is_refused(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 1)  # the record of a is on its way
    story.a_claim_is_paused_or_resumed(A, paused=True)
    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    story.a_worker_of_the_former_controller_goes_on(0, 4)

    assert (recorded(story, A), given(story, B)) == ("", "10.0.0.1")


def test_an_address_that_exists_counts_more_than_an_older_claims_record(
    story: Interleavings,
) -> None:
    story.a_claim_is_paused_or_resumed(A, paused=True)
    story.everything_comes_to_rest()
    uid = (story.server.find(CLAIMS, A) or {})["metadata"]["uid"]
    late = {ADDRESS_ANNOTATION: "10.0.0.1", ADDRESS_FOR_ANNOTATION: uid}
    story.change(CLAIMS, A, metadata={"annotations": late, "finalizers": [RELEASE_FINALIZER]})

    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    assert (given(story, A), given(story, B)) == ("10.0.0.2", "10.0.0.1")


def test_a_bound_claim_whose_address_somebody_took_gets_no_other(story: Interleavings) -> None:
    story.everything_comes_to_rest()
    story.a_claim_is_deleted(B)
    story.everything_comes_to_rest()
    story.somebody_takes_parts_of_an_address_away(A, {"finalizers"})
    story.somebody_deletes_an_address(A)
    story.somebody_makes_an_address(Key("one", "by-hand"), BLUE, "10.0.0.1", adoptable=False)

    story.the_controller_is_replaced()
    story.everything_comes_to_rest()

    claim = story.server.find(CLAIMS, A) or {}
    assert claim["status"]["conditions"][0]["reason"] == "AllocationFailed"
    assert given(story, A) == ""


def takes_the_record_away(story: Interleavings) -> None:
    story.a_claim_asks_for_something_else(A, "")


def takes_the_claim_away(story: Interleavings) -> None:
    story.a_claim_is_lost(A)


@pytest.mark.parametrize("act", [takes_the_record_away, takes_the_claim_away])
@pytest.mark.parametrize("sent", [False, True])
def test_an_address_that_may_be_on_its_way_is_nobody_elses(
    story: Interleavings, act: Callable[[Interleavings], None], *, sent: bool
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 4 if sent else 3)  # a: its record is stored, and then?
    act(story)
    story.process.hear(CLAIMS.plural)
    if sent:
        story.an_answer_is_lost(0)

    for number in (1, 1, 0):
        story.a_worker_finishes_what_it_has(number)

    assert given(story, B) == "10.0.0.2"


def test_a_request_that_changes_after_a_lost_answer_finds_what_was_made(
    story: Interleavings,
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 4)
    story.an_answer_is_lost(0)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")

    story.settle()

    assert (given(story, A), recorded(story, A)) == ("10.0.0.1", "10.0.0.1")


def test_a_request_that_changes_after_a_create_that_never_was_gets_what_it_asks_for(
    story: Interleavings,
) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 3)
    story.a_request_fails(0, "500")
    story.a_claim_is_deleted(B)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")

    story.settle()

    assert given(story, A) == "10.0.0.2"


def test_a_conflict_with_our_own_record_keeps_it(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 2)  # the record of a is stored
    story.an_answer_is_lost(0)
    story.clock.pass_(1)  # and it is tried again, before the watch has told
    for number in (0, 1, 1, 1):
        story.a_worker_finishes_what_it_has(number)

    assert (recorded(story, A), given(story, B)) == ("10.0.0.1", "10.0.0.2")


def sends_a_create_that_is_delayed(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 3)
    story.a_create_is_given_up_while_it_is_on_its_way(0)


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("gone", [False, True])
def test_what_a_deleted_claim_has_sent_for_is_nobody_elses_until_it_cannot_arrive(
    story: Interleavings, *, replaced: bool, gone: bool
) -> None:
    sends_a_create_that_is_delayed(story)
    if gone:
        story.a_claim_is_lost(A)
    else:
        story.a_claim_is_deleted(A)
    if replaced:
        story.the_controller_is_replaced()
    story.clock.pass_(0.1)
    story.everything_comes_to_rest()
    assert given(story, B) == ("10.0.0.1" if gone and replaced else "10.0.0.2")

    if not (gone and replaced):  # nothing is left that a new process could know of
        story.what_was_on_its_way_arrives()
    story.settle()

    assert given(story, B)


def test_a_wish_that_changes_while_a_create_is_on_its_way_counts(story: Interleavings) -> None:
    sends_a_create_that_is_delayed(story)
    story.a_claim_is_deleted(B)
    story.a_claim_asks_for_something_else(A, "10.0.0.2")
    story.clock.pass_(0.1)
    story.everything_comes_to_rest()
    assert given(story, A) == "10.0.0.2"

    story.what_was_on_its_way_arrives()
    story.settle()

    assert (given(story, A), recorded(story, A)) == ("10.0.0.2", "10.0.0.2")


def test_an_address_that_somebody_makes_by_hand_meanwhile_is_theirs(story: Interleavings) -> None:
    story.process.hear(BLUE.resource.plural)
    story.process.hear(CLAIMS.plural)
    story.a_worker_goes_some_steps(0, 1)  # a: chosen, and its record fails
    story.a_request_fails(0, "500")
    story.somebody_makes_an_address(Key("one", "by-hand"), BLUE, "10.0.0.1", adoptable=False)
    story.process.hear(ADDRESSES.plural)

    story.settle()

    assert sorted((given(story, A), given(story, B))) == ["", "10.0.0.2"]


def test_a_claim_that_waits_for_what_another_holds_is_called_when_that_goes(
    story: Interleavings,
) -> None:
    story.everything_comes_to_rest()
    story.a_claim_is_deleted(A)
    story.everything_comes_to_rest()
    story.server.put(
        CLAIMS,
        {
            "metadata": {
                "name": "a",
                "namespace": "one",
                "annotations": {ADDRESS_ANNOTATION: given(story, B)},
                "finalizers": [RELEASE_FINALIZER],
            },
            "spec": {"poolRef": BLUE.reference},
        },
    )
    story.everything_comes_to_rest()
    assert given(story, A) == ""

    story.a_claim_is_deleted(B)
    story.everything_comes_to_rest()

    assert given(story, A) == "10.0.0.2"
