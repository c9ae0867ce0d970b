# SPDX-License-Identifier: Apache-2.0
"""Revisions that go back: etcd was restored, and what a copy has learned since was undone."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from kube.errors import KubeError, RevisionError
from kube.informer import Informer
from kube.meta import Key
from kube.resources import ApiResource
from kube.testing import fake
from objects import clusterapi

CLUSTERS = ApiResource("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters")
A, B = Key("default", "a"), Key("default", "b")
BUMP = 1_000_000_000
LARGE = 600  # objects, which a page does not hold


def add(api: fake.FakeApi, name: str) -> None:
    api.put(CLUSTERS, {"metadata": {"name": name, "namespace": "default"}, "spec": {}})


def pause(api: fake.FakeApi, name: str) -> None:
    body = dict(api.read(CLUSTERS, "default", name) or {})
    api.put(CLUSTERS, {**body, "spec": {"paused": True}})


@dataclass
class World:
    """A copy that is followed, and a backup older than all that it learned last."""

    api: fake.FakeApi
    informer: Informer[clusterapi.Cluster]
    following: asyncio.Task[object]
    backup: fake.Backup

    async def ended(self) -> str:
        """Return why the following ended."""
        async with asyncio.timeout(5):
            with pytest.raises(RevisionError) as error:
                await self.following
        return str(error.value)


@pytest.fixture(params=[0, LARGE], ids=["small", "large"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    api = fake.FakeApi()
    for number in range(request.param):
        add(api, f"other-{number}")
    for name in ("a", "b"):
        add(api, name)
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    following = asyncio.create_task(informer.run())
    await asyncio.sleep(0)
    backup = api.backup()
    for _ in range(3):
        pause(api, "a")
    await asyncio.sleep(0.05)
    assert informer.revision > backup.revision
    yield World(api, informer, following, backup)
    following.cancel()
    with suppress(asyncio.CancelledError, KubeError):
        await following


async def test_a_watch_is_not_opened_again_at_a_server_whose_revisions_went_back(
    world: World,
) -> None:
    known = world.informer.revision

    world.api.restore(world.backup)

    why = await world.ended()
    assert f"revision {world.backup.revision} and has shown {known} before" in why


async def test_a_restart_of_the_api_server_alone_ends_no_copy(world: World) -> None:
    world.api.restore(world.api.backup())
    await asyncio.sleep(0.3)

    add(world.api, "c")
    await asyncio.sleep(0.3)

    assert not world.following.done()
    assert world.informer.get(Key("default", "c"))


async def test_catching_up_with_an_older_state_is_not_reported(world: World) -> None:
    world.following.cancel()
    world.api.restore(world.backup)

    with pytest.raises(RevisionError):
        await world.informer.catch_up()
    with pytest.raises(RevisionError):
        await world.informer.until_rollback()


async def test_an_object_that_is_older_than_before_ends_a_copy_though_revisions_go_on(
    world: World,
) -> None:
    world.api.restore(world.backup, BUMP)

    await world.ended()


async def test_an_object_that_comes_back_to_life_ends_a_copy_though_revisions_go_on(
    world: World,
) -> None:
    b = world.informer.get(B)
    assert b is not None
    await world.informer.delete(world.api, b)
    world.following.cancel()

    world.api.restore(world.backup, BUMP)

    with pytest.raises(RevisionError):
        await world.informer.sync()


async def _patch(world: World) -> object:
    b = world.informer.get(B)
    assert b is not None
    return await world.informer.patch(world.api, b, {"spec": {"paused": True}})


async def _create(world: World) -> object:
    body = {"metadata": {"name": "new", "namespace": "default"}, "spec": {}}
    return await world.informer.create(world.api, "default", json.dumps(body).encode())


async def _delete(world: World) -> object:
    a = world.informer.get(A)
    assert a is not None
    return await world.informer.delete(world.api, a)


async def _fetch(world: World) -> object:
    return await world.informer.get_live(world.api, A)


@pytest.mark.parametrize("request_", [_patch, _create, _fetch, _delete])
async def test_an_answer_that_is_older_than_what_was_known_ends_a_copy(
    world: World, request_: Callable[[World], Awaitable[object]]
) -> None:
    world.following.cancel()
    a = world.api.read(CLUSTERS, "default", "a")
    assert a is not None
    held = {**a["metadata"], "finalizers": ["example.com/held"]}  # so a deletion shows it
    world.backup.objects["clusters", "default", "a"]["metadata"]["finalizers"] = held["finalizers"]
    world.api.restore(world.backup)

    with pytest.raises(RevisionError):
        await request_(world)
    async with asyncio.timeout(1):
        with pytest.raises(RevisionError):
            await world.informer.until_rollback()


async def test_a_patch_that_changes_nothing_proves_nothing(world: World) -> None:
    b = world.informer.get(B)
    assert b is not None
    assert b.metadata.revision < world.informer.revision

    assert await world.informer.patch(world.api, b, {"spec": {}})

    assert not world.following.done()


async def test_an_answer_that_the_watch_has_overtaken_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = world.informer.get(B)
    assert b is not None
    patch = world.api.patch

    async def slow(*request: object) -> bytes:
        answer = await patch(*request)  # type: ignore[arg-type]  # passed on as they came
        pause(world.api, "a")
        await asyncio.sleep(0.05)
        return answer

    monkeypatch.setattr(world.api, "patch", slow)
    written = await world.informer.patch(world.api, b, {"spec": {"paused": True}})

    assert written.metadata.revision < world.informer.revision
    assert not world.following.done()
