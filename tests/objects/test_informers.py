# SPDX-License-Identifier: Apache-2.0
"""Each replica has one set of copies, whoever leads, and a new one when their versions change."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import builders
import pytest
from builders import CONTRACT, POOLS
from typing_extensions import override

from controller.controller import Controller
from controller.election import Election
from kube import errors
from kube.meta import Key
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from objects import contracts, informers
from objects.errors import StaleError
from objects.informers import Informers, InformerSupervisor, Scope

SERVED = ("IPAddressClaim", "IPAddress", "Cluster")


class Server(builders.Api):
    """An API server on which Cluster API serves one version, or (empty) is not installed."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "v1beta2"
        self.refused: set[str] = set()
        self.silent = False

    @override
    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        if self.silent:
            await asyncio.Event().wait()
        async with aclosing(super().watch(resource, options)) as events:
            async for event in events:
                yield event

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if resource.plural in self.refused:
            raise errors.UnreachableError("LIST", "cut off")
        if resource.kind != "APIResourceList":
            return await super().list(resource, options)
        if resource.version != self.version:
            raise errors.NotFoundError(404, "NotFound", "not served", "GET")
        return json.dumps({"resources": [{"kind": kind} for kind in SERVED]}).encode()


class Uses:
    """What the process does with loaded caches, noted."""

    def __init__(self) -> None:
        self.present: list[str] = []
        self.past: list[str] = []

    @asynccontextmanager
    async def __call__(self, loaded: Informers) -> AsyncGenerator[None]:
        self.present.append(loaded.contract.version)
        try:
            yield
        finally:
            self.past.append(self.present.pop())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informers, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(contracts, "_CHECK_SECONDS", 0.01)


@pytest.fixture
async def kept(quick: None) -> AsyncIterator[tuple[Server, InformerSupervisor, Uses]]:
    del quick
    api, uses = Server(), Uses()
    supervisor = InformerSupervisor(api, Scope(), uses)
    keeping = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        yield api, supervisor, uses
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    assert uses.present == []


Kept = tuple[Server, InformerSupervisor, Uses]


async def test_caches_are_used_from_when_they_are_loaded(kept: Kept) -> None:
    api, supervisor, uses = kept
    api.pool()

    loaded = await supervisor.current()

    assert uses.present == ["v1beta2"]
    assert await supervisor.current() is loaded
    await loaded.catch_up()
    assert [pool.key.name for pool in loaded.pools[POOLS.kind]] == ["blue"]


async def test_another_contract_gets_caches_of_its_own(kept: Kept) -> None:
    api, supervisor, uses = kept
    first = await supervisor.current()

    api.version = "v1beta1"
    with pytest.raises(StaleError):
        await supervisor.until_replaced(first)
    second = await supervisor.current()

    assert (second.contract.version, uses.present, uses.past) == (
        "v1beta1",
        ["v1beta1"],
        ["v1beta2"],
    )
    with pytest.raises(StaleError):
        await supervisor.until_replaced(first)


async def test_who_waits_for_caches_gets_them_once_cluster_api_is_there_and_answers(
    kept: Kept,
) -> None:
    api, supervisor, uses = kept
    api.version = ""
    api.refused = {"ipaddresses"}
    waiting = asyncio.create_task(supervisor.current())
    await asyncio.sleep(0.05)
    assert (waiting.done(), uses.present) == (False, [])

    api.version = "v1beta2"
    await asyncio.sleep(0.05)
    assert (waiting.done(), uses.present) == (False, [])

    api.refused = set()
    assert (await waiting).contract.version == "v1beta2"


def elected() -> Election:
    election = Election()
    election.win()
    return election


async def test_a_controller_that_ended_hears_nothing_any_more(kept: Kept) -> None:
    api, supervisor, _ = kept
    loaded = await supervisor.current()
    controller = Controller(api, loaded)
    leading = asyncio.create_task(controller.run(elected()))
    while len(loaded.claims._handlers) < 2:  # noqa: ASYNC110 - what is waited for is no event
        await asyncio.sleep(0.001)
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading

    assert [informer.resource.plural for informer in loaded.all if informer._handlers] == []


async def test_a_new_leader_has_what_was_written_before_it_came_to_lead(kept: Kept) -> None:
    api, supervisor, _ = kept
    api.silent = True  # so that no watch tells
    loaded = await supervisor.current()
    controller = Controller(api, loaded)
    api.pool(name="late")

    leading = asyncio.create_task(controller.run(elected()))
    while not controller.state.allocations:  # noqa: ASYNC110 - what is waited for is no event
        await asyncio.sleep(0)
    known = [key.name for key in controller.state.allocations]
    leading.cancel()
    with suppress(asyncio.CancelledError):
        await leading

    assert known == ["late"]


async def test_a_new_leader_lists_what_its_watch_does_not_bring_in_time(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del quick
    monkeypatch.setattr(informers, "_CATCH_UP_SECONDS", 0.01)
    api = Server()
    for number in range(501):
        api.claim(f"c-{number}")
    loaded = Informers(api, CONTRACT, Scope())
    await loaded.sync()
    api.silent = True
    following = [asyncio.create_task(informer.run()) for informer in loaded.all]
    api.claim("late")

    async with asyncio.timeout(10):
        await loaded.catch_up()

    assert loaded.claims.get(Key("default", "late"))
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


@asynccontextmanager
async def silent_informers(count: int) -> AsyncGenerator[tuple[Server, Informers]]:
    """Give caches with so many claims whose watches tell nothing."""
    api = Server()
    for number in range(count):
        api.claim(f"c-{number}")
    loaded = Informers(api, CONTRACT, Scope())
    await loaded.sync()
    api.silent = True
    following = [asyncio.create_task(informer.run()) for informer in loaded.all]
    try:
        async with asyncio.timeout(10):
            yield api, loaded
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def test_what_the_predecessor_had_is_enough_though_revisions_went_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(informers, "_CATCH_UP_SECONDS", 60.0)
    async with silent_informers(501) as (api, loaded):
        newest = dict(loaded.newest)
        api.claim("late")

        await loaded.catch_up(newest)

        assert loaded.claims.get(Key("default", "late")) is None


async def test_what_the_predecessor_had_and_no_watch_brings_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(informers, "_CATCH_UP_SECONDS", 0.01)
    async with silent_informers(501) as (api, loaded):
        api.claim("late")

        late = loaded.newest["ipaddressclaims"] + 1
        await loaded.catch_up({**loaded.newest, "ipaddressclaims": late})

        assert loaded.claims.get(Key("default", "late"))


async def test_a_predecessor_that_had_more_than_there_is_now_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(informers, "_CATCH_UP_SECONDS", 60.0)
    async with silent_informers(501) as (_, loaded):
        await loaded.catch_up({**loaded.newest, "ipaddressclaims": 10_000})


async def test_revisions_that_went_back_are_noticed_whatever_the_predecessor_had() -> None:
    async with silent_informers(501) as (_, loaded):
        loaded.claims._revision = 10_000

        with pytest.raises(ExceptionGroup) as raised:
            await loaded.catch_up(loaded.newest)

        assert raised.group_contains(errors.RevisionError)


async def test_how_far_copies_are_counts_objects_and_our_own_writes() -> None:
    api = Server()
    api.claim("first")
    api.address("other", "10.0.0.5")
    loaded = Informers(api, CONTRACT, Scope())
    await loaded.sync()
    found = loaded.claims.get(Key("default", "first"))
    assert found
    assert (loaded.newest["ipaddressclaims"], loaded.newest["clusters"]) == (
        found.metadata.revision,
        0,
    )

    await loaded.claims.patch(api, found, {"metadata": {"finalizers": ["x"]}})

    assert loaded.newest["ipaddressclaims"] == loaded.newest["ipaddresses"] + 1


async def test_how_far_copies_are_is_known_though_they_are_followed_no_more(kept: Kept) -> None:
    api, supervisor, _ = kept
    api.claim("first")
    assert supervisor.newest == {}
    loaded = await supervisor.current()
    api.version = ""
    with pytest.raises(StaleError):
        await supervisor.until_replaced(loaded)

    assert supervisor.newest == loaded.newest
    assert supervisor.newest["ipaddressclaims"] > 0
