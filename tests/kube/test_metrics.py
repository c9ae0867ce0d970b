# SPDX-License-Identifier: Apache-2.0
"""What is counted of requests and of leadership, as client-go counts it."""

import contextlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from kube import errors, lease, metrics
from kube.client import Client
from kube.connect import connect
from kube.meta import Key
from kube.resources import ApiResource
from kube.testing import fake
from objects import contracts

CLAIMS = contracts.V1Beta2("v1beta2").claims
SILENT = ApiResource("example.com", "v1", "Silent", "silent")


@pytest.fixture
async def host() -> AsyncGenerator[str]:
    """Run an API server that answers by the last part of the path, and return its host."""

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "silent":
            assert request.transport
            request.transport.abort()
        if "watch" in request.query:
            return web.json_response({"type": "BOOKMARK"})
        return web.json_response({}, status=404 if name == "missing" else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address, port = runner.addresses[0][:2]
    forget(f"{address}:{port}")
    yield f"{address}:{port}"
    await runner.cleanup()


def forget(host: str) -> None:
    """Forget what another test asked of a server that had the same port."""
    each: Any  # what a metric holds is not annotated
    for each in (metrics._REQUESTS, metrics._REQUEST_SECONDS):
        for labels in [labels for labels in each._metrics if host in labels]:
            each.remove(*labels)


@pytest.fixture
async def api(host: str, tmp_path: Path) -> AsyncGenerator[Client]:
    config = tmp_path / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://{host}"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                "users": [{"name": "c", "user": {}}],
                "current-context": "c",
            }
        )
    )
    connection = await connect(str(config), "test")
    yield Client(connection, sleep=no_time)
    await connection.close()


async def no_time(_seconds: float) -> None:
    """Stand in for the pauses between attempts."""


def counted(host: str) -> dict[tuple[str, str], float]:
    """Return how many requests a host got, by method and code."""
    (family,) = [each for each in REGISTRY.collect() if each.name == "rest_client_requests"]
    return {
        (sample.labels["method"], sample.labels["code"]): sample.value
        for sample in family.samples
        if sample.labels["host"] == host and sample.name.endswith("_total")
    }


def timed(host: str, verb: str) -> float:
    name = "rest_client_request_duration_seconds_count"
    return REGISTRY.get_sample_value(name, {"host": host, "verb": verb}) or 0.0


async def test_a_request_is_counted_by_its_answer_and_timed(api: Client, host: str) -> None:
    await api.get(CLAIMS, "default", "web")
    await api.patch(CLAIMS, "default", "web", b"{}")
    with pytest.raises(errors.NotFoundError):
        await api.get(CLAIMS, "default", "missing")
    with pytest.raises(errors.UnreachableError):
        await api.get(CLAIMS, "default", "silent")

    assert counted(host) == {
        ("GET", "200"): 1, ("PATCH", "200"): 1, ("GET", "404"): 1, ("GET", "<error>"): 5,
    }  # fmt: skip
    assert (timed(host, "GET"), timed(host, "PATCH")) == (2 + 5, 1)  # each attempt, as in client-go


async def test_a_watch_is_counted_when_it_is_answered_and_its_whole_life_is_no_latency(
    api: Client, host: str
) -> None:
    async with contextlib.aclosing(api.watch(CLAIMS)) as events:
        async for _ in events:
            assert counted(host) == {("GET", "200"): 1}

    assert timed(host, "GET") == 0


async def test_a_watch_without_an_answer_is_counted_as_an_error(api: Client, host: str) -> None:
    with pytest.raises(errors.UnreachableError):
        await anext(api.watch(SILENT))

    assert counted(host) == {("GET", "<error>"): 1}


def leading(name: str) -> float | None:
    return REGISTRY.get_sample_value("leader_election_master_status", {"name": name})


async def test_the_lease_says_who_leads() -> None:
    api = fake.FakeApi()
    candidate = lease.Lease(api, Key("system", "counted"), "first", 15, "example.com/note")
    assert leading("counted") == 0

    await candidate.acquire()
    assert leading("counted") == 1

    await candidate.release()
    assert leading("counted") == 0


def test_the_buckets_of_queues_are_rounded_as_in_go() -> None:
    assert metrics._QUEUE_BUCKETS[:5] == (
        1e-08, 1e-07, 1e-06, 9.999999999999999e-06, 9.999999999999999e-05,
    )  # fmt: skip
    assert len(metrics._QUEUE_BUCKETS) == 12
