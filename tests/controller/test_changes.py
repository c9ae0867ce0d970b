# SPDX-License-Identifier: Apache-2.0
"""Pools at the bounds of their schema change while claims come: nobody waits long, or is misled."""

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, cast

import builders
import pytest
import running
from builders import BLUE, CONTRACT, POOLS

from controller.controller import Controller
from kube.testing.fake import Json
from objects import pools

ENTRIES = [f"10.{n // 16}.{n % 16 * 16}.0-10.{n // 16}.{n % 16 * 16}.254" for n in range(4096)]
EXCLUDED = [f"10.{n // 16}.{n % 16 * 16}.7" for n in range(4096)]
HOLDERS = 10_000
MANY_POOLS = 6000
HELD_SECONDS = 0.02
"""The bound, in CPU time of the event loop's thread, which a busy machine does not lengthen."""


class Cluster(builders.Api):
    """A pool, blue, and its claims."""

    def bounds(self, addresses: list[str], excluded: list[str], **metadata: object) -> None:
        """Write the pool."""
        spec = {"excludedAddresses": excluded, "prefix": 8}
        self.pool(*addresses, metadata=metadata, **spec)

    def given(self, name: str) -> str:
        address = self.read(CONTRACT.addresses, "default", name) or {}
        return str(address.get("spec", {}).get("address", ""))

    def counts(self) -> Json:
        """Return the pool's numbers, and for which generation of its spec they are right."""
        status = self.status_of(POOLS, "blue")
        seen = {"generation": status.get("observedGeneration")}
        return {**status.get("ipAddresses", {}), **seen}


@contextlib.asynccontextmanager
async def at_work(api: Cluster) -> AsyncGenerator[Controller]:
    async with running.at_work(api) as controller:
        await until(lambda: len(controller.state.claims._handlers) > 1)  # it leads
        yield controller


async def until(what: Callable[[], object]) -> None:
    """Wait for something that happens by itself; the limit is only for what never does."""
    async with asyncio.timeout(120):
        while not what():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)


class Watchdog:
    """Measures how much CPU time the event loop's thread takes in one turn of a callback."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._run = cast("Callable[[asyncio.Handle], None]", asyncio.Handle._run)

    @contextlib.contextmanager
    def watching(self, patch: pytest.MonkeyPatch) -> Generator[None]:
        loop_thread = threading.get_ident()

        def run(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            self._run(handle)
            if threading.get_ident() == loop_thread:
                self.longest = max(self.longest, time.thread_time() - began)

        gc.disable()  # it goes through the objects of all tests
        try:
            with patch.context() as patched:
                patched.setattr(asyncio.Handle, "_run", run)
                yield
        finally:
            gc.enable()


async def test_the_watchdog_sees_who_holds_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog()

    async def hold() -> None:
        until = time.thread_time() + 2 * HELD_SECONDS
        while time.thread_time() < until:
            pass

    with watchdog.watching(monkeypatch):
        await asyncio.create_task(hold())

    assert watchdog.longest >= 2 * HELD_SECONDS


@pytest.mark.parametrize(
    ("addresses", "excluded"), [(ENTRIES[:-1], EXCLUDED[1:]), (["10.0.0.0/12"], [])]
)
async def test_a_pool_with_many_holders_that_changes_never_holds_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], excluded: list[str]
) -> None:
    api, watchdog = Cluster(), Watchdog()
    api.bounds(ENTRIES, EXCLUDED, generation=1)
    for number in range(HOLDERS):
        at = number % len(ENTRIES)
        api.address(f"h-{number}", f"10.{at // 16}.{at % 16 * 16}.{1 + number // len(ENTRIES)}")
    async with at_work(api) as controller:
        await until(lambda: api.counts().get("used") == HOLDERS)
        with watchdog.watching(monkeypatch):
            api.bounds(addresses, excluded, generation=2)
            await until(lambda: api.counts()["generation"] == 2)
        allocations = controller.state.allocations_of(BLUE)

    offered = pools.address_set_of(await present(controller))
    outside = [
        each for each in allocations._objects.values() if not (each and offered.has_block(each))
    ]
    assert (allocations.address_set, allocations.counts.out_of_range) == (offered, len(outside))
    assert outside
    assert watchdog.longest < HELD_SECONDS


async def present(controller: Controller) -> pools.Pool:
    pool = controller.state.pool(BLUE)
    assert pool is not None
    return pool


async def test_an_ipaddress_that_may_be_of_any_pool_never_holds_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, watchdog = Cluster(), Watchdog()
    api.bounds(["10.0.0.5"], [])
    for number in range(MANY_POOLS):
        meta = {"name": f"pool-{number:04}", "namespace": "default"}
        spec = {"addresses": ["10.0.0.5"], "prefix": 8}
        api.put(POOLS, {"metadata": meta, "spec": spec})
    broken: Json = {"metadata": {"name": "broken", "namespace": "default"}, "spec": {"poolRef": 7}}
    async with at_work(api) as controller:
        await until(lambda: len(controller.state.allocations) > MANY_POOLS)
        api.claim("holder", second=1)
        api.claim("waits", second=2)
        await until(lambda: api.reason("waits") == "PoolExhausted")
        with watchdog.watching(monkeypatch):
            api.put(CONTRACT.addresses, broken)
            await until(lambda: api.reason("waits") == "PoolNotReady")
            api.remove(CONTRACT.addresses, "default", "broken")
            await until(lambda: api.reason("waits") == "PoolExhausted")

    assert watchdog.longest < HELD_SECONDS


# ---- what others see of a change that takes its time ----


class Gate:
    """Holds back what works out the offers of large pools."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.open = asyncio.Event()
        self.arrived = asyncio.Event()
        real = asyncio.to_thread

        async def late(*args: Any) -> Any:
            found = await real(*args)
            self.arrived.set()
            await self.open.wait()
            return found

        patch.setattr(asyncio, "to_thread", late)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


async def test_claims_wait_for_a_large_pool_in_order_and_report_nothing_wrong(gate: Gate) -> None:
    api = Cluster()
    async with at_work(api) as controller:
        api.bounds(ENTRIES, EXCLUDED)
        await gate.arrived.wait()
        api.claim("young", second=2)
        await until(lambda: len(controller.state.allocations_of(BLUE).queue) == 1)
        api.claim("old", second=1)
        await until(lambda: len(controller.state.allocations_of(BLUE).queue) == 2)
        assert [each for each in api.writes if each[1] == CONTRACT.claims.plural] == []

        gate.open.set()
        await until(lambda: api.given("young"))

    assert (api.given("old"), api.given("young")) == ("10.0.0.1", "10.0.0.2")


async def test_nothing_is_given_by_a_spec_that_is_replaced(gate: Gate) -> None:
    api = Cluster()
    api.bounds(["10.0.0.0/24"], [])
    async with at_work(api) as controller:
        api.claim("before")
        await until(lambda: api.given("before"))
        api.bounds(ENTRIES, [*EXCLUDED, "10.0.0.2"])
        await gate.arrived.wait()
        api.claim("during")
        await until(lambda: len(controller.state.allocations_of(BLUE).queue) == 1)

        gate.open.set()
        await until(lambda: api.given("during"))

    assert (api.given("before"), api.given("during")) == ("10.0.0.1", "10.0.0.3")


async def test_a_status_never_counts_by_a_former_spec(gate: Gate) -> None:
    api = Cluster()
    api.bounds(["10.0.0.0/24"], [], generation=1)
    async with at_work(api):
        await until(lambda: api.counts().get("generation") == 1)
        api.bounds(ENTRIES, EXCLUDED, generation=2)
        await gate.arrived.wait()
        api.address("other", "10.0.0.9")
        await asyncio.sleep(1.1)  # by then a status may be written again
        assert api.counts()["generation"] == 1

        gate.open.set()
        await until(lambda: api.counts()["generation"] == 2)

    assert api.counts()["total"] == len(ENTRIES) * 254 - 1  # 10.0.0.0 is reserved


@pytest.mark.parametrize("last", ["small", "large", "deleted"])
async def test_a_change_that_comes_meanwhile_counts(gate: Gate, last: str) -> None:
    api = Cluster()
    api.bounds(["10.0.0.0/24"], [], generation=1)
    async with at_work(api) as controller:
        await until(lambda: api.counts().get("generation") == 1)
        api.bounds(ENTRIES, EXCLUDED, generation=2)
        await gate.arrived.wait()
        if last == "deleted":
            api.remove(POOLS, "default", "blue")
            await until(lambda: BLUE not in controller.state.allocations)
        else:
            api.bounds(["10.9.0.0/24"] if last == "small" else ENTRIES[1:], [], generation=3)
            await until(lambda: controller.state.pool(BLUE).metadata.generation == 3)  # type: ignore[union-attr] # it is there
        gate.open.set()
        await controller.state.changes.until_done()

        assert BLUE not in controller.state.changes
        if last == "deleted":
            assert BLUE not in controller.state.allocations
            assert controller.state.informers.address_sets._known == {}
        else:
            pool = await present(controller)
            assert controller.state.allocations_of(BLUE).address_set == pools.address_set_of(pool)


async def test_that_a_pool_is_being_deleted_counts_before_its_spec_is_read(gate: Gate) -> None:
    api = Cluster()
    async with at_work(api) as controller:
        at = "2026-01-01T00:00:00Z"
        api.bounds(ENTRIES, EXCLUDED, deletionTimestamp=at, finalizers=["x"])
        await gate.arrived.wait()

        assert controller.state.allocations_of(BLUE).not_ready == "is being deleted"
        gate.open.set()


async def test_the_address_set_of_a_deleted_pool_is_not_kept() -> None:
    api = Cluster()
    api.bounds(["10.0.0.0/24"], [])
    async with at_work(api) as controller:
        known = controller.state.informers.address_sets._known
        assert BLUE in known
        api.remove(POOLS, "default", "blue")
        await until(lambda: BLUE not in known)
