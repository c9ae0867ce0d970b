# SPDX-License-Identifier: Apache-2.0
"""Metrics over HTTP for everybody; those for a few are in `test_debug.py` and tests/apiserver."""

from collections.abc import AsyncGenerator
from typing import Any, NoReturn

import aiohttp
import pytest

from controller import metrics
from kube import errors
from kube.testing import fake
from manager import diagnostics
from webhook import server


@pytest.fixture
async def url() -> AsyncGenerator[str]:
    running = server.Server(diagnostics.Diagnostics(None), "127.0.0.1", 0)
    await running.start()
    yield f"http://127.0.0.1:{running.port}"
    await running.stop()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("application/openmetrics-text;version=abc", "text/plain"),
    ],
)
async def test_metrics_come_in_the_form_that_is_asked_for(
    url: str, accept: str, content_type: str
) -> None:
    metrics.STORED_IN_ONE_VERSION.labels("InClusterIPPool").set(1)

    async with aiohttp.ClientSession(url, headers={"Accept": accept}) as session:
        response = await session.get("/metrics")
        text = await response.text()

    assert (response.status, response.content_type) == (200, content_type)
    assert 'capi_ipam_in_cluster_stored_in_one_version{kind="InClusterIPPool"} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_nobody_is_let_in_while_the_api_server_cannot_be_asked() -> None:
    api = fake.FakeApi()
    api.fail = errors.UnreachableError("POST", "no answer in 10 s")
    running = server.Server(diagnostics.Diagnostics(api), "127.0.0.1", 0)
    await running.start()

    async with aiohttp.ClientSession(f"http://127.0.0.1:{running.port}") as session:
        response = await session.get("/metrics", headers={"Authorization": "Bearer good"})
        text = await response.text()
    await running.stop()

    assert response.status == 503
    assert "does not say who may" in text


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "bearer \t"])
async def test_a_bearer_of_nothing_is_not_let_in_and_no_api_server_is_asked(
    authorization: str,
) -> None:
    api = fake.FakeApi()

    sent = await answer(api, [(b"authorization", authorization.encode())])

    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b"Bearer") in sent[0]["headers"]
    assert api.writes == []


async def answer(api: fake.FakeApi, headers: list[tuple[bytes, bytes]]) -> list[Any]:
    """Ask without a server, which would strip what headers end with."""
    sent: list[Any] = []

    async def receive() -> NoReturn:
        raise AssertionError("nobody reads the body")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": headers}
    await diagnostics.Diagnostics(api)(scope, receive, send)
    return sent


async def test_head_is_answered_like_get_without_the_body(url: str) -> None:
    async with aiohttp.ClientSession(url) as session:
        got, head = await session.get("/metrics"), await session.head("/metrics")

        assert (head.status, head.content_type) == (got.status, got.content_type)
        assert await head.read() == b""
        assert (await session.get("/metrics")).status == 200  # on the same connection


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("HEAD", "/", 404),
        ("GET", "/debug/", 404),
        ("GET", "/debug/pprof", 404),
        ("POST", "/metrics", 405),
        ("PUT", "/metrics", 405),
        ("PUT", "/debug", 405),
        ("DELETE", "/debug/flags/v", 405),
    ],
)
async def test_there_is_nothing_else(url: str, method: str, path: str, status: int) -> None:
    async with aiohttp.ClientSession(url) as session:
        response = await session.request(method, path)

    assert response.status == status
