# SPDX-License-Identifier: Apache-2.0
"""Whatever lags, fails or dies in between: no address twice, none lost, nobody forgotten.

The machine has one API server, the process that leads, and the one that led before.  Nothing runs
by itself: a rule lets one worker go on to its next request, one request be applied, refused or
lost, or one cache hear of one more change.
"""

import json
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import builders
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from kube.errors import ApiError, ConflictError, KubeError, UnreachableError
from kube.meta import Key
from kube.resources import ApiResource
from kube.testing.fake import Json
from objects import pools
from objects.metadata import ADDRESS_ANNOTATION, MOVED_ANNOTATION, PAUSED_ANNOTATION

from .process import CLAIM_WORKERS, MANY, POOL_WORKERS, Process, known
from .steps import Clock, finished
from .wire import ADDRESSES, CLAIMS, CLUSTERS, DelayedError, Server, key_of
from .world import (
    BLUE,
    GLOBE,
    GREEN,
    OFFERS,
    POOLS,
    PREFIX_OFFERS,
    Pool,
    World,
    pool_namespace,
)

CLAIM_KEYS = [Key("one", "a"), Key("one", "b"), Key("one", "c"), Key("two", "a")]
GRACE_SECONDS = 30
HORIZON_SECONDS = 1000.0  # by then the slowest thing is over: five minutes, and a retry or two

claim_keys = st.sampled_from(CLAIM_KEYS)
HAND_KEYS = [Key("one", "by-hand"), Key("two", "by-hand")]
ip_pools = st.sampled_from([BLUE, BLUE, GLOBE])
some_pools = st.sampled_from([BLUE, BLUE, GLOBE, GREEN])
offers = st.sampled_from(list(OFFERS))
prefix_offers = st.sampled_from(list(PREFIX_OFFERS))
requests = st.sampled_from(
    ["", "", "", "10.0.0.1", "10.0.0.2", "10.0.0.9", "fd00::", "fd00:0:0:1::", "web.local"]
)
addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "web.local"])
networks = st.sampled_from(
    ["fd00::/0", "fd00::/62", "fd00::/63", "fd00::/64", "fd00::/65", "fd00::1/64", "fd00::1/128",
     "fd00:0:0:1::/64", "fd00:0:0:1::8/127", "fd00:0:0:2::/63", "10.0.0.1/8"]
)  # fmt: skip


# ---- a process, by hand ----


FAILURES: dict[str, Callable[[], KubeError]] = {
    "409": lambda: ConflictError(409, "Conflict", "it has changed", "WRITE"),
    "429": lambda: ApiError(429, "TooManyRequests", "later", "WRITE"),
    "422": lambda: ApiError(422, "Invalid", "no", "WRITE"),
    "500": lambda: UnreachableError("WRITE", "500 InternalError: no"),
}
PLURALS = [
    CLAIMS.plural,
    ADDRESSES.plural,
    CLUSTERS.plural,
    *(p.plural for p in pools.RESOURCES.values()),
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
        self.standby = Process(self.server, self.clock, leads=False)
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

    def change(self, resource: ApiResource, key: Key, **parts: Json) -> None:
        """Merge into parts of an object, where it exists."""
        if found := self.server.find(resource, key):
            for part, changes in parts.items():
                found[part] = {**found.get(part, {}), **changes}
            self.server.put(resource, found)

    def delete(self, resource: ApiResource, key: Key) -> None:
        if found := self.server.find(resource, key):
            finished(self.server.delete(resource, *key, found["metadata"]["uid"]))

    def turn(self, resource: ApiResource, key: Key, annotation: str, value: str) -> None:
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
        meta: Json = {"namespace": key.namespace, "creationTimestamp": self.clock.stamp}
        if asks:
            meta["annotations"] = {ADDRESS_ANNOTATION: asks}
        claim = builders.claim(key.name, pool.name, kind=pool.kind, **meta)
        if cluster:
            claim["spec"]["clusterName"] = "c"
        self.server.put(CLAIMS, claim)

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

    @rule(pool=ip_pools, offer=offers, grace=st.sampled_from([0, 0, GRACE_SECONDS]))
    def a_pool_is_created(self, pool: Pool, offer: str, grace: int) -> None:
        if not self.server.find(pool.resource, Key(pool.namespace, pool.name)):
            meta = {"name": pool.name, "namespace": pool.namespace}
            self.server.put(pool.resource, {"metadata": meta, "spec": spec_of(pool, offer, grace)})

    @rule(pool=ip_pools, offer=offers, grace=st.sampled_from([0, 0, GRACE_SECONDS]))
    def a_pool_is_edited(self, pool: Pool, offer: str, grace: int) -> None:
        self.change(pool.resource, Key(pool.namespace, pool.name), spec=spec_of(pool, offer, grace))

    @rule(offer=prefix_offers)
    def a_prefix_pool_is_created(self, offer: str) -> None:
        self.a_pool_is_created(GREEN, offer, 0)

    @rule(offer=prefix_offers)
    def a_prefix_pool_is_edited(self, offer: str) -> None:
        self.a_pool_is_edited(GREEN, offer, 0)

    @rule(pool=some_pools)
    def a_pool_is_deleted(self, pool: Pool) -> None:
        self.delete(pool.resource, Key(pool.namespace, pool.name))

    @rule(pool=some_pools, paused=st.booleans())
    def a_pool_is_paused_or_resumed(self, pool: Pool, *, paused: bool) -> None:
        key = Key(pool.namespace, pool.name)
        self.turn(pool.resource, key, PAUSED_ANNOTATION, "true" if paused else "")

    @rule(namespace=st.sampled_from(["one", "one", "two"]), paused=st.booleans())
    def a_cluster_is_there_and_perhaps_paused(self, namespace: str, *, paused: bool) -> None:
        self.server.put(CLUSTERS, builders.cluster("c", paused=paused, namespace=namespace))

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
        key=st.sampled_from([*CLAIM_KEYS, *HAND_KEYS]),
        pool=some_pools, address=addresses, adoptable=st.booleans(),
    )  # fmt: skip
    def somebody_makes_an_address(
        self, key: Key, pool: Pool, address: Any, *, adoptable: bool, prefix: int = 24
    ) -> None:
        if not self.server.find(ADDRESSES, key):
            claim = key.name if adoptable and str(address)[0] in "1f" else "somebody"
            spec: Json = {"kind": pool.kind, "prefix": prefix, "claim_name": claim}
            made = builders.address(key.name, address, pool.name, **spec, namespace=key.namespace)
            self.server.put(ADDRESSES, made)

    @rule(key=st.sampled_from([*CLAIM_KEYS, *HAND_KEYS]), network=networks, adoptable=st.booleans())
    def somebody_makes_an_address_of_any_size(
        self, key: Key, network: str, *, adoptable: bool
    ) -> None:
        address, _, prefix = network.partition("/")
        self.somebody_makes_an_address(key, GREEN, address, adoptable=adoptable, prefix=int(prefix))

    @rule(key=st.sampled_from(HAND_KEYS), pool=some_pools)
    def somebody_makes_an_address_that_cannot_be_read(self, key: Key, pool: Pool) -> None:
        self.somebody_makes_an_address(key, pool, 7, adoptable=False)

    @rule(key=st.sampled_from(HAND_KEYS))
    def somebody_takes_an_address_away(self, key: Key) -> None:
        self.delete(ADDRESSES, key)

    @rule()
    def garbage_is_collected(self) -> None:
        known = {
            item["metadata"]["uid"]
            for resource in (CLAIMS, *(pool.resource for pool in POOLS))
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
        self._depose()
        self.process = Process(self.server, self.clock)

    @rule()
    def the_standby_takes_over(self) -> None:
        """The same, by a process that has followed all the while."""
        self._depose()
        self.process = self.standby
        self.process.lead()
        fresh = Process(self.server, self.clock, leads=False)
        finished(fresh.state.mark_records_in_flight())
        assert known(self.process) == known(fresh)
        self.standby = Process(self.server, self.clock, leads=False)

    def _depose(self) -> None:
        if self.former:
            self.former.end()
        self.clock.forget()
        self.former = self.process
        self.former.wire.lease_is_lost = True

    @rule(plural=st.sampled_from(PLURALS), most=st.integers(1, 4))
    def the_standby_hears_of_changes(self, plural: str, most: int) -> None:
        self.standby.hear(plural, most)

    @rule(plural=st.sampled_from(PLURALS))
    def the_standby_loses_history(self, plural: str) -> None:
        self.standby.lose_history(plural)

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
            world.check(claim)
        for pool in POOLS:
            world.check_counts(pool)

    def a_restart_changes_nothing(self) -> None:
        self.server.writes.clear()
        self.the_controller_is_replaced()
        self.process.rest()
        self.clock.pass_(1)
        self.process.rest()
        assert self.server.writes == []

    def nothing_is_left_when_all_claims_and_pools_are_deleted(self) -> None:
        for resource in (CLAIMS, *(pool.resource for pool in POOLS)):
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
        assert (state.allocations, state.in_flight) == ({}, {})
        assert (state.claims_of_pool, state.claims_of_cluster, state._ages) == ({}, {}, {})


def spec_of(pool: Pool, offer: str, grace: int) -> Json:
    if pool == GREEN:
        return {"prefixes": [offer]}
    return {"addresses": [offer], "prefix": 24, "addressReuseGracePeriodSeconds": grace}
