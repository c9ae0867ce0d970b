# SPDX-License-Identifier: Apache-2.0
"""The controller at work on a fake API server: whatever frees an address, no claim is forgotten."""

import asyncio
import contextlib
import gc
import ipaddress
import itertools
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import builders
import msgspec
import pytest
import running
from builders import BLUE, CONTRACT, POOLS
from typing_extensions import override

from controller import controller as controllers
from controller.controller import Controller
from controller.errors import AllocationError
from envtest import manifests
from ipam import pool_specs
from kube import tasks
from kube.deltas import Modified
from kube.errors import ApiError
from kube.resources import ApiResource
from kube.testing.fake import Json
from objects.informers import Informers, Scope
from objects.metadata import CLUSTER_NAME_LABEL, PAUSED_ANNOTATION, Annotations

FIRST = ipaddress.ip_address("10.0.0.1")
CROWD = 2000  # claims, each with its address


class Cluster(builders.Api):
    """A fake API server that can hold back, and then refuse, a write of one claim."""

    def __init__(self) -> None:
        super().__init__()
        self.held = ""
        self.arrived = asyncio.Event()
        self.refuse = asyncio.Event()

    @override
    async def before_patch(self, resource: ApiResource, name: str) -> None:
        if resource == CONTRACT.claims and name == self.held:
            self.arrived.set()
            await self.refuse.wait()
            self.held = ""
            raise ApiError(422, "Invalid", "no", "PATCH")

    def message(self, name: str) -> str:
        return str(self.condition(CONTRACT.claims, name).get("message", ""))

    def ready_of_pool(self) -> str:
        """Return the reason of the pool's Ready condition."""
        return str(self.condition(POOLS, "blue").get("reason", ""))

    def owner(self, *, paused: bool, **annotations: str) -> None:
        """Write the Cluster `c`."""
        self.cluster("c", paused=paused, annotations=annotations)

    def counts(self) -> Json:
        counts: Json = self.status_of(POOLS, "blue").get("ipAddresses", {})
        return counts


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    api = Cluster()
    api.pool("10.0.0.5")
    async with running.at_work(api):
        yield api


async def until(what: Callable[[], object]) -> None:
    """Wait for something that happens by itself; the limit is only for what never does."""
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)


async def test_what_a_refused_write_gave_up_goes_to_who_waits(cluster: Cluster) -> None:
    cluster.held = "old"
    cluster.claim("old", second=1)
    await cluster.arrived.wait()
    cluster.claim("young", second=2)
    await until(lambda: cluster.reason("young") == "PoolExhausted")

    cluster.change(CONTRACT.claims, "old", annotations={"cluster.x-k8s.io/paused": ""})
    cluster.refuse.set()

    await until(lambda: cluster.reason("young") == "AddressAllocated")


async def test_a_claim_of_a_missing_cluster_follows_what_becomes_of_the_cluster(
    cluster: Cluster,
) -> None:
    cluster.claim("web", labels={CLUSTER_NAME_LABEL: "c"})
    await until(lambda: "Cluster default/c does not exist" in cluster.message("web"))

    cluster.owner(paused=True, **{PAUSED_ANNOTATION: ""})
    await until(lambda: cluster.reason("web") == "Paused")
    assert "spec.paused" in cluster.message("web")
    assert PAUSED_ANNOTATION in cluster.message("web")

    cluster.owner(paused=False, **{PAUSED_ANNOTATION: ""})
    await until(lambda: "spec.paused" not in cluster.message("web"))

    cluster.owner(paused=False)
    await until(lambda: cluster.reason("web") == "AddressAllocated")


async def test_who_was_called_and_went_away_leaves_the_address_to_the_next(
    cluster: Cluster,
) -> None:
    for at, name in enumerate(("holder", "old", "young")):
        cluster.claim(name, second=at)
        await until(lambda name=name: cluster.reason(name))

    cluster.remove(CONTRACT.addresses, "default", "holder")
    cluster.remove(CONTRACT.claims, "default", "holder")
    cluster.remove(CONTRACT.claims, "default", "old")

    await until(lambda: cluster.reason("young") == "AddressAllocated")


async def test_a_claim_is_served_when_somebody_elses_address_of_its_name_goes(
    cluster: Cluster,
) -> None:
    meta: Json = {"name": "web", "namespace": "default"}
    cluster.put(CONTRACT.addresses, {"metadata": meta, "spec": {"claimRef": {"name": "other"}}})
    cluster.claim("web")
    await until(lambda: cluster.reason("web") == "AllocationFailed")

    cluster.remove(CONTRACT.addresses, "default", "web")

    await until(lambda: cluster.reason("web") == "AddressAllocated")


async def test_who_asks_for_a_taken_address_gets_it_when_it_is_given_back(
    cluster: Cluster,
) -> None:
    cluster.pool("10.0.0.5-10.0.0.6")
    cluster.claim("holder")
    await until(lambda: cluster.reason("holder") == "AddressAllocated")
    cluster.claim("requesting", annotations={"ipam.cluster.x-k8s.io/address": "10.0.0.5"})
    await until(lambda: cluster.reason("requesting") == "AllocationFailed")

    cluster.change(CONTRACT.claims, "holder", deletionTimestamp="2026-01-01T00:01:00Z")

    await until(lambda: cluster.reason("requesting") == "AddressAllocated")


async def test_a_pools_counts_are_right_in_the_end(cluster: Cluster) -> None:
    cluster.claim("web")
    await until(lambda: cluster.counts().get("used") == 1)

    cluster.held = "web"
    cluster.change(CONTRACT.claims, "web", deletionTimestamp="2026-01-01T00:01:00Z")
    await until(lambda: cluster.counts().get("used") == 0)
    assert cluster.counts()["free"] == 0  # the claim still has it on record
    cluster.refuse.set()

    await until(lambda: cluster.counts() == {"total": 1, "free": 1, "used": 0, "outOfRange": 0})


async def test_a_shorter_grace_period_counts_at_once(cluster: Cluster) -> None:
    cluster.pool("10.0.0.5", addressReuseGracePeriodSeconds=60)
    cluster.claim("web")
    await until(lambda: cluster.reason("web") == "AddressAllocated")
    cluster.change(CONTRACT.claims, "web", deletionTimestamp="2999-01-01T00:00:00Z")
    cluster.claim("next")
    await until(lambda: cluster.reason("next") == "PoolExhausted")
    cluster.change(CONTRACT.claims, "web", deletionTimestamp="2026-01-01T00:00:00Z")
    cluster.pool("10.0.0.5", addressReuseGracePeriodSeconds=0)

    await until(lambda: cluster.reason("next") == "AddressAllocated")


async def test_a_pool_that_is_being_deleted_says_so_while_it_is_in_use(cluster: Cluster) -> None:
    cluster.claim("web")
    await until(lambda: cluster.reason("web") == "AddressAllocated")
    pool = cluster.read(POOLS, "default", "blue") or {}
    meta = {**pool["metadata"], "deletionTimestamp": "2026-01-01T00:00:01Z"}
    cluster.put(POOLS, {**pool, "metadata": meta})

    def reason() -> str:
        pool = cluster.read(POOLS, "default", "blue") or {}
        return str(pool["status"]["conditions"][0]["reason"])

    await until(lambda: reason() == "Deleting")
    cluster.change(CONTRACT.claims, "web", deletionTimestamp="2026-01-01T00:00:02Z")
    await until(lambda: cluster.read(POOLS, "default", "blue") is None)


async def test_many_bad_entries_make_no_message_that_the_api_server_refuses(
    cluster: Cluster,
) -> None:
    cluster.pool(*(f"host-{number}.example.com" for number in range(4000)))
    cluster.claim("web")

    await until(lambda: cluster.reason("web") == "PoolNotReady")

    claim = cluster.read(CONTRACT.claims, "default", "web") or {}
    message = claim["status"]["conditions"][0]["message"]
    assert len(message) < 1000
    assert "and 3995 more" in message


async def test_allocations_of_deleted_pools_do_not_pile_up() -> None:
    api = Cluster()
    api.pool("10.0.0.5")
    controller = Controller(api, Informers(api, CONTRACT, Scope()))
    task = asyncio.create_task(running.run(controller))
    try:
        api.claim("web")
        await until(lambda: api.reason("web") == "AddressAllocated")
        for resource, name in (
            (CONTRACT.addresses, "web"), (CONTRACT.claims, "web"), (POOLS, "blue"),
        ):  # fmt: skip
            api.remove(resource, "default", name)
        await until(lambda: not controller.state.allocations)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not controller.state.claims_of_pool


async def test_the_allocations_of_a_controller_that_ends_are_freed_at_once(
    cluster: Cluster,
) -> None:
    cluster.pool("10.0.0.5")
    gc.collect()
    gc.disable()  # it would free them too, but after the next controller has built its own
    try:
        async with running.at_work(cluster) as controller:
            cluster.claim("web")
            await until(lambda: cluster.reason("web") == "AddressAllocated")
            allocations = weakref.ref(controller.state.allocations[BLUE])
        assert allocations() is None
    finally:
        gc.enable()
    state = controller.state
    assert not state.claims_of_pool
    assert state._ages == {}


async def test_a_start_with_many_claims_leaves_others_their_turns(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_PIECE_SECONDS", 0.0)
    cluster.pool("10.0.0.0/16")
    for number in range(CROWD):
        cluster.claim(f"claim-{number}")
        cluster.address(f"claim-{number}", str(FIRST + number))
    controller = Controller(cluster, Informers(cluster, CONTRACT, Scope()))
    await controller.state.informers.sync()

    assert await turns_during(controller.state.build()) >= 3 * CROWD
    assert await turns_during(controller.state.mark_records_in_flight()) >= CROWD
    assert await turns_during(controller._queue_waiting()) >= CROWD
    assert await turns_during(controller._queue_rest()) >= 2 * CROWD


async def turns_during(work: Coroutine[Any, Any, None]) -> int:
    """Return how often another task had its turn while one was at work."""
    turns = 0
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


@pytest.mark.parametrize("what", ["pauses", "gets another spec"])
async def test_a_pool_with_many_claims_that_changes_leaves_others_their_turns(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(tasks, "_PIECE_SECONDS", 0.0)
    cluster.pool("10.0.0.0/16")
    for number in range(CROWD):
        at = "2026-01-01T00:00:00Z"
        cluster.claim(f"claim-{number}", deletionTimestamp=at, finalizers=["x"])
    controller = Controller(cluster, Informers(cluster, CONTRACT, Scope()))
    await running.fill(controller.state)
    (old,) = controller.state.informers.pools[POOLS.kind]
    paused = msgspec.structs.replace(old.metadata, annotations=Annotations(paused=""))
    assert old.spec
    new = {
        "pauses": msgspec.structs.replace(old, metadata=paused),
        "gets another spec": msgspec.structs.replace(
            old, spec=msgspec.structs.replace(old.spec, address_reuse_grace_period_seconds=5)
        ),
    }[what]

    controller._on_pool(Modified(old, new))
    assert len(controller._claim_queue) == 0
    waking = asyncio.create_task(controller._run_batches())
    queued = list[int]()
    while len(controller._claim_queue) < CROWD:
        await asyncio.sleep(0)
        queued.append(len(controller._claim_queue))
    waking.cancel()

    assert max(after - before for before, after in itertools.pairwise([0, *queued])) <= 1


async def test_claims_that_all_can_be_served_at_once_are_called_in_pieces() -> None:
    api = Cluster()
    api.pool("10.0.0.5")
    api.claim("holder")
    for number in range(CROWD):
        api.claim(f"claim-{number}", second=1)
    controller = Controller(api, Informers(api, CONTRACT, Scope()))
    await running.fill(controller.state)
    with controller.state.following(), contextlib.ExitStack() as heard:
        allocations = controller.state.allocations_of(BLUE)
        for claim in controller.state.claims:
            with contextlib.suppress(AllocationError):
                allocations.choose(
                    claim.metadata.key, claim.metadata.age_order, None, replaceable=False
                )
        assert len(allocations.queue) == CROWD
        controller._watch(heard)

        allocations.update(
            pool_specs.ip_pool(["10.0.0.0/16"], 16, "", (), allocate_reserved=False), ""
        )
        controller._enqueue_pool(BLUE)
        assert len(controller._claim_queue) == controllers._BATCH_SIZE
        waking = asyncio.create_task(controller._run_batches())
        await until(lambda: len(controller._claim_queue) == CROWD)
        waking.cancel()


UNREADABLE = {
    "its address": {"poolRef": manifests.reference("blue")},
    "its pool": {"poolRef": 7},
}


@pytest.mark.parametrize("what", list(UNREADABLE))
@pytest.mark.parametrize("before", [False, True])
async def test_an_ipaddress_that_cannot_be_read_closes_its_pool_until_it_is_corrected(
    what: str, *, before: bool
) -> None:
    api = Cluster()
    api.pool("10.0.0.5-10.0.0.6")
    meta = {"name": "broken", "namespace": "default"}
    broken: Json = {"metadata": meta, "spec": UNREADABLE[what] | {"address": 5}}
    if before:
        api.put(CONTRACT.addresses, broken)
    async with running.at_work(api):
        if not before:
            api.claim("first")
            await until(lambda: api.reason("first") == "AddressAllocated")
            api.put(CONTRACT.addresses, broken)
            await until(lambda: api.ready_of_pool() == "UnreadableAddress")
        api.claim("web", second=2)
        await until(lambda: api.reason("web") == "PoolNotReady")
        assert "IPAddress default/broken cannot be read" in api.message("web")
        await until(lambda: api.ready_of_pool() == "UnreadableAddress")

        spec = UNREADABLE["its address"] | {"address": "10.0.0.6"}
        api.put(
            CONTRACT.addresses,
            (api.read(CONTRACT.addresses, "default", "broken") or {}) | {"spec": spec},
        )
        await until(
            lambda: api.reason("web") == ("AddressAllocated" if before else "PoolExhausted")
        )


async def test_claims_that_wait_in_a_full_pool_report_that_use_is_unknown(
    cluster: Cluster,
) -> None:
    cluster.claim("holder", second=1)
    cluster.claim("waits", second=2)
    await until(lambda: cluster.reason("waits") == "PoolExhausted")

    spec = UNREADABLE["its address"] | {"address": 5}
    meta = {"name": "broken", "namespace": "default"}
    cluster.put(CONTRACT.addresses, {"metadata": meta, "spec": spec})
    await until(lambda: cluster.reason("waits") == "PoolNotReady")

    cluster.remove(CONTRACT.addresses, "default", "broken")
    await until(lambda: cluster.reason("waits") == "PoolExhausted")
