# SPDX-License-Identifier: Apache-2.0
"""A service of the map on a fake API server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import pytest_asyncio
from builders import CONTRACT
from snapshots import Objects

from cli.kubectl import snapshot, supervisor
from cli.kubectl.map import guard, model, service, what_if
from cli.kubectl.map import live as lives
from webhook import server


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.pool("10.0.0.0/24")
    found.bound("web", "10.0.0.2")
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def live(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[lives.Live]:
    monkeypatch.setattr(supervisor, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(lives, "_RETRY_SECONDS", 0.01)
    informers = snapshot.Informers(objects.api, CONTRACT, "")
    await informers.sync()
    found = lives.Live(informers, model.Reader(objects.api, "https://example.com", ""))
    await found.load()
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture(scope="session")
def token() -> str:
    return guard.new_token()


@pytest_asyncio.fixture(loop_scope="module")
async def origin(objects: Objects, live: lives.Live, token: str) -> AsyncGenerator[str]:
    """Serve the map at this URL, which lacks the token."""
    site = service.Site(live, what_if.WhatIf(objects.api, ""))
    guarded = guard.Guard(service.create_app(site, f"/{token}"), token)
    serving = server.Server(guarded, "127.0.0.1", 0)
    await serving.start()
    guarded.hosts = guard.hosts(serving.port)
    yield f"http://127.0.0.1:{serving.port}"
    live.end()
    await serving.stop()
