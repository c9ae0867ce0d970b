# SPDX-License-Identifier: Apache-2.0
"""Informers that end are replaced, and until then it is said that the state is old."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from builders import BLUE, ServingApi
from snapshots import Objects
from typing_extensions import override

from cli.kubectl import snapshot, supervisor
from kube.errors import UnreachableError
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource

PATIENCE_SECONDS = 20.0


class Breaking(ServingApi):
    """An API server that does not always say which kinds it serves."""

    away = False

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if self.away and not resource.plural:
            raise UnreachableError("LIST", "no route")
        return await super().list(resource, options)


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.api = Breaking()
    found.pool("10.0.0.0/28")
    return found


@pytest.fixture
async def supervised(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[supervisor.InformerSupervisor]:
    for name in ("_PAUSE_SECONDS", "_RETRY_SECONDS"):
        monkeypatch.setattr(supervisor, name, 0.01)
    found = supervisor.InformerSupervisor(await snapshot.informers(objects.api, ""))
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def until_names(found: supervisor.InformerSupervisor, *names: str) -> None:
    """Wait until the claims have these names."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for state in found.snapshots():
            if [key.name for key in state.claims] == list(names):
                return


async def test_after_a_restore_of_etcd_the_restored_state_is_shown(
    objects: Objects, supervised: supervisor.InformerSupervisor
) -> None:
    backup = objects.api.backup()
    objects.claim("lost", BLUE)
    await until_names(supervised, "lost")

    objects.api.restore(backup)
    await until_names(supervised)
    objects.claim("new", BLUE)

    await until_names(supervised, "new")
    assert supervised.failure == ""


async def test_while_nothing_can_be_listed_the_reason_is_known(
    objects: Objects, supervised: supervisor.InformerSupervisor
) -> None:
    assert isinstance(objects.api, Breaking)
    backup = objects.api.backup()
    objects.claim("lost", BLUE)
    await until_names(supervised, "lost")

    objects.api.away = True
    objects.api.restore(backup)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "no route" not in supervised.failure:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.01)
    objects.api.away = False

    await until_names(supervised)
    assert supervised.failure == ""
