# SPDX-License-Identifier: Apache-2.0
"""What becomes of requests that get no answer, or a refusal, from a real server."""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web
from servers import Answer, kubeconfig, serving

from kube.client import Client, list_all, pages
from kube.connect import connect
from kube.errors import (
    ConflictError,
    GoneError,
    NotLeaderError,
    TooManyRequestsError,
    UnreachableError,
)
from kube.informer import Informer
from kube.meta import Object
from kube.resources import ApiResource
from objects import clusterapi, contracts

CLAIMS = contracts.V1Beta2("v1beta2").claims
CLUSTERS = ApiResource("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters")
SECONDS = 0.2


class Failure(NamedTuple):
    """An answer that is none; the status 0 stands for a connection that is reset."""

    status: int
    retry_after: str = ""

    def to(self, request: web.Request) -> web.StreamResponse:
        if not self.status:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.status < 400:
            return web.Response(text="<html>hello</html>", content_type="text/html")
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.json_response({"reason": "Test"}, status=self.status, headers=headers)


BUSY, RESET, A_PAGE = Failure(429, "1"), Failure(0), Failure(200)


class Server:
    """Fails in each of some ways, then answers with an empty object; keeps what it was asked."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = list(failures)
        self.asked: list[str] = []
        self.slept: list[float] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.query_string}".strip())
        if self.failures:
            return self.failures.pop(0).to(request)
        return web.json_response({})

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @asynccontextmanager
    async def client(
        self, folder: Path, write_seconds: Callable[[], float] = lambda: 10.0
    ) -> AsyncGenerator[Client]:
        async with serving(self.answer) as url:
            connection = await connect(kubeconfig(folder, url), "test")
            try:
                yield Client(connection, write_seconds, sleep=self.sleep)
            finally:
                await connection.close()


@pytest.mark.parametrize(
    "failure",
    [BUSY, RESET, A_PAGE, Failure(429), Failure(500), Failure(503, "1"), Failure(504)],
    ids=str,
)
async def test_a_read_that_failed_is_sent_again(tmp_path: Path, failure: Failure) -> None:
    server = Server(failure, failure)

    async with server.client(tmp_path) as api:
        assert await api.get(CLAIMS, "default", "web") == b"{}"

    assert server.failures == []
    assert server.slept


@asynccontextmanager
async def dated(folder: Path, date: str) -> AsyncGenerator[Client]:
    """Return the client of a server that refuses everything at a time."""

    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=403, headers={"Date": date})

    async with serving(refuse) as url:
        connection = await connect(kubeconfig(folder, url), "test")
        try:
            yield Client(connection)
        finally:
            await connection.close()


async def test_the_time_is_that_of_the_server_even_if_it_refuses(tmp_path: Path) -> None:
    async with dated(tmp_path, "Thu, 01 Jan 2026 00:00:07 GMT") as api:
        assert await api.time() == datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)


async def test_an_answer_without_a_date_is_an_error(tmp_path: Path) -> None:
    async with dated(tmp_path, "soon") as api:
        with pytest.raises(UnreachableError, match=r"GET /version.*without a date"):
            await api.time()


async def test_a_write_that_was_turned_away_is_sent_again_when_the_server_says(
    tmp_path: Path,
) -> None:
    server = Server(BUSY, BUSY)

    async with server.client(tmp_path) as api:
        await api.create(CLAIMS, "default", b"{}")

    assert server.asked == ["POST timeout=10s", "POST timeout=9s", "POST timeout=9s"]
    assert all(1.0 <= seconds <= 1.5 for seconds in server.slept)


@pytest.mark.parametrize("failure", [RESET, Failure(500), Failure(503, "1"), Failure(504)], ids=str)
async def test_a_write_that_may_have_been_applied_is_sent_once(
    tmp_path: Path, failure: Failure
) -> None:
    server = Server(failure)

    async with server.client(tmp_path) as api:
        with pytest.raises(UnreachableError) as caught:
            await api.create(CLAIMS, "default", b"{}")

    assert caught.value.maybe_applied
    assert len(server.asked) == 1


async def test_a_conflict_is_an_answer_and_not_sent_again(tmp_path: Path) -> None:
    server = Server(Failure(409, "1"))

    async with server.client(tmp_path) as api:
        with pytest.raises(ConflictError):
            await api.patch(CLAIMS, "default", "web", b"{}")

    assert len(server.asked) == 1


async def test_a_wait_longer_than_the_request_may_take_fails_at_once(
    tmp_path: Path,
) -> None:
    server = Server(Failure(429, "10"))

    async with server.client(tmp_path) as api:
        with pytest.raises(TooManyRequestsError) as caught:
            await api.get(CLAIMS, "default", "web")

    assert caught.value.retry_after == 10.0
    assert (len(server.asked), server.slept) == (1, [])


async def test_each_attempt_of_a_write_asks_whether_it_may_be_sent_and_for_how_long(
    tmp_path: Path,
) -> None:
    server = Server(BUSY, BUSY)
    left = [8.0, 3.5]

    def write_seconds() -> float:
        if not left:
            raise NotLeaderError("lost")
        return left.pop(0)

    async with server.client(tmp_path, write_seconds) as api:
        with pytest.raises(NotLeaderError):
            await api.create(CLAIMS, "default", b"{}")

    assert server.asked == ["POST timeout=8s", "POST timeout=3s"]


async def test_a_watch_that_is_turned_away_is_begun_when_the_server_says(tmp_path: Path) -> None:
    server = Server(BUSY, Failure(500))

    async with server.client(tmp_path) as api:
        with pytest.raises(UnreachableError, match=r"WATCH .*: 500"):  # who watches begins anew
            await anext(api.watch(CLAIMS))

    assert (len(server.asked), len(server.slept)) == (2, 1)


async def a_list(request: web.Request, size: int) -> web.Response:
    """Answer with a page of one object out of so many, as `continue` says which."""
    number = int(request.query.get("continue", "0"))
    names = range(size) if "limit" not in request.query else [number]
    more = {"continue": str(number + 1)} if len(names) == 1 and number + 1 < size else {}
    items = [{"metadata": {"name": str(name)}} for name in names]
    return web.json_response({"metadata": {"resourceVersion": "7", **more}, "items": items})


@asynccontextmanager
async def a_client(folder: Path, answer: Answer) -> AsyncGenerator[Client]:
    async def sleep(_seconds: float) -> None:
        """Take no time."""

    async with serving(answer) as url:
        connection = await connect(kubeconfig(folder, url), "test")
        try:
            yield Client(connection, sleep=sleep)
        finally:
            await connection.close()


async def loaded(api: Client, *, start_over: bool = False) -> tuple[list[str], int]:
    """Return the names in a list, and how many pages brought them."""
    names: list[str] = []
    count = 0
    async for page in pages(api, CLAIMS, start_over=names.clear if start_over else None):
        count += 1
        names += [json.loads(bytes(raw))["metadata"]["name"] for raw in page.items or ()]
    return names, count


PAGES = 200  # as 100,000 objects have


async def test_a_list_of_200_pages_loads_every_time_though_one_request_in_100_is_refused(
    tmp_path: Path,
) -> None:
    dice = random.Random(7)  # noqa: S311 - no secret, and the same each time
    refused = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal refused
        if dice.random() < 0.01:
            refused += 1
            return dice.choice([BUSY, Failure(503), RESET]).to(request)
        return await a_list(request, PAGES)

    wanted = [str(number) for number in range(PAGES)]
    async with a_client(tmp_path, answer) as api:
        found = await asyncio.gather(*(loaded(api) for _ in range(20)))

    assert [names == wanted for names, _ in found] == [True] * 20
    assert refused > 20


def forgetful(after: int) -> Answer:
    """Make a server whose history is compacted away after so many pages."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if int(request.query.get("continue", "0")) >= after:
            return web.json_response({"reason": "Expired", "code": 410}, status=410)
        return await a_list(request, 5)

    return answer


async def test_a_list_whose_history_is_compacted_away_comes_whole_as_in_client_go(
    tmp_path: Path,
) -> None:
    async with a_client(tmp_path, forgetful(after=3)) as api:
        names, count = await loaded(api, start_over=True)

    assert names == ["0", "1", "2", "3", "4"]
    assert count == 3 + 1


async def test_all_objects_are_listed_once_though_history_is_compacted_away(
    tmp_path: Path,
) -> None:
    async with a_client(tmp_path, forgetful(after=3)) as api:
        found = await list_all(api, CLAIMS, Object)

    assert [each.metadata.name for each in found] == ["0", "1", "2", "3", "4"]


async def test_a_reader_that_cannot_start_over_gets_the_gone_error(tmp_path: Path) -> None:
    async with a_client(tmp_path, forgetful(after=3)) as api:
        with pytest.raises(GoneError):
            await loaded(api)


async def test_a_first_page_that_is_gone_is_an_error(tmp_path: Path) -> None:
    async with a_client(tmp_path, forgetful(after=0)) as api:
        with pytest.raises(GoneError):
            await loaded(api, start_over=True)


async def test_a_copy_loaded_in_such_a_moment_has_nothing_that_is_gone(tmp_path: Path) -> None:
    def page(name: str, **more: str) -> web.Response:
        items = [{"metadata": {"name": name, "uid": name, "resourceVersion": "5"}}]
        return web.json_response({"metadata": {"resourceVersion": "7", **more}, "items": items})

    async def answer(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return web.json_response({"reason": "Expired"}, status=410)
        return page("gone", **{"continue": "x"}) if "limit" in request.query else page("there")

    async with a_client(tmp_path, answer) as api:
        copy = Informer(api, CLUSTERS, clusterapi.Cluster)
        await copy.sync()

    assert [item.metadata.name for item in copy] == ["there"]


@asynccontextmanager
async def silent(folder: Path) -> AsyncGenerator[Client]:
    """A client of a server that takes requests and never answers."""

    served = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = await connect(kubeconfig(folder, f"http://127.0.0.1:{port}"), "test")
    yield Client(connection, lambda: SECONDS)
    await connection.close()
    await served.wait()
    server.close()


async def test_a_write_without_an_answer_may_have_been_applied(tmp_path: Path) -> None:
    async with silent(tmp_path) as api:
        with pytest.raises(UnreachableError, match=r"no answer in 0\.2 s") as caught:
            await api.create(CLAIMS, "default", b"{}")

    assert caught.value.maybe_applied


async def test_a_cancellation_counts_though_the_time_of_the_request_is_up_just_then(
    tmp_path: Path,
) -> None:
    async def worker(api: Client) -> None:
        with pytest.raises(UnreachableError):
            await api.create(CLAIMS, "default", b"{}")
        await asyncio.Event().wait()  # for the next piece of work

    async with silent(tmp_path) as api:
        task = asyncio.create_task(worker(api))
        asyncio.get_running_loop().call_later(SECONDS, task.cancel)
        await asyncio.sleep(SECONDS / 2)

        time.sleep(SECONDS)  # noqa: ASYNC251 - the process is frozen, so both are due when it goes on

        done, _ = await asyncio.wait([task], timeout=5)
        assert done
