# SPDX-License-Identifier: Apache-2.0
"""Metrics for everybody; those for a few are in tests/apiserver, where somebody can be asked."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from controller import metrics
from kube import errors, fake
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


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)]
)
async def test_there_is_nothing_else(url: str, method: str, path: str, status: int) -> None:
    async with aiohttp.ClientSession(url) as session:
        response = await session.request(method, path)

    assert response.status == status
