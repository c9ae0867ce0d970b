# SPDX-License-Identifier: Apache-2.0
"""Connections whose other end is gone without a word: they are noticed and not used again."""

import asyncio
import base64
import gc
import subprocess
import sys
import time
import warnings
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import vanishing
from aiohttp import web
from servers import kubeconfig, server_tls, serving

from envtest.pki import Authority
from kube import client
from kube.client import Client
from kube.connect import Connection, connect
from kube.errors import UnreachableError
from objects import contracts

CLAIMS = contracts.V1Beta2("v1beta2").claims
NAMESPACES = ("unshare", "--user", "--map-root-user", "--net")
PATIENCE_SECONDS = 8.0  # less than a watch's own 130, and than a request's 10


def can_make_namespaces() -> bool:
    try:
        command = (*NAMESPACES, "ip", "link")
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_make_namespaces(), reason="needs iproute2 and user namespaces")
def test_a_watch_notices_by_itself_that_its_packets_vanish() -> None:
    done = subprocess.run(
        [*NAMESPACES, sys.executable, vanishing.__file__],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )

    # in production's proportions, which give 25 s there: a probe after 15, 20 and 25 s
    assert 3.0 <= float(done.stdout) < 4.5


class Network:
    """A server that can fall silent for the connections that it has, as a lost flow does."""

    def __init__(self) -> None:
        self.peers: list[object] = []
        self.forgotten: set[object] = set()
        self.news = asyncio.Event()

    def forget(self) -> None:
        self.forgotten = set(self.peers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        self.peers.append(peer)
        if peer in self.forgotten:
            await asyncio.Event().wait()
        if "watch" not in request.query:
            return web.json_response({})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"first": 1}\n')
        while True:
            await self.news.wait()
            self.news.clear()
            await response.write(b'{"more": 1}\n')

    @asynccontextmanager
    async def connection(self, folder: Path) -> AsyncGenerator[Connection]:
        authority = Authority.new()
        (folder / "ca.crt").write_bytes(authority.pem)
        async with serving(self.answer, server_tls(folder, authority.server())) as url:
            path = kubeconfig(folder, url, cluster={"certificate-authority": "ca.crt"})
            made = await connect(path, "test")
            try:
                yield made
            finally:
                await made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_SUSPECT_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("beside", [False, True])
async def test_watches_end_where_a_request_gets_no_answer_also_beside(
    tmp_path: Path, *, beside: bool
) -> None:
    network = Network()
    async with network.connection(tmp_path) as made:
        other = made.beside() if beside else made
        async with aclosing(Client(made).watch(CLAIMS)) as events:
            await anext(events)
            next_event = asyncio.ensure_future(anext(events))
            await Client(other).get(CLAIMS, "default", "web")
            network.forget()

            await given_up(Client(other), 0.3)

            async with asyncio.timeout(PATIENCE_SECONDS):
                with pytest.raises(UnreachableError, match=r"WATCH .*nothing heard for"):
                    await next_event
        if beside:
            await other.close()


@pytest.mark.usefixtures("impatient")
async def test_requests_after_one_without_an_answer_go_over_new_connections(
    tmp_path: Path,
) -> None:
    network = Network()
    async with network.connection(tmp_path) as made:
        api = Client(made)
        await asyncio.gather(*(api.get(CLAIMS, "default", "web") for _ in range(5)))
        network.forget()
        await given_up(api, 0.3)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(api.get(CLAIMS, "default", "web") for _ in range(5)))


@pytest.mark.usefixtures("impatient")
async def test_many_requests_without_an_answer_are_one_reason_for_new_connections(
    tmp_path: Path,
) -> None:
    network = Network()
    async with network.connection(tmp_path) as made:
        api = Client(made)
        await asyncio.gather(*(api.get(CLAIMS, "default", "web") for _ in range(2)))
        network.forget()
        first, last = (asyncio.create_task(given_up(api, seconds)) for seconds in (0.3, 0.6))
        await first
        between = (await made.access()).tls
        await last

        assert (await made.access()).tls is between


async def given_up(api: Client, seconds: float) -> None:
    """Send a request, and wait no longer than that."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await api.get(CLAIMS, "default", "web")


@pytest.mark.usefixtures("impatient")
async def test_a_watch_that_has_heard_something_since_goes_on(tmp_path: Path) -> None:
    network = Network()
    async with network.connection(tmp_path) as made:
        api = Client(made)
        async with aclosing(api.watch(CLAIMS)) as events:
            await anext(events)
            next_event = asyncio.ensure_future(anext(events))
            await api.get(CLAIMS, "default", "web")
            network.forget()
            slow = asyncio.create_task(given_up(api, 0.3))
            await asyncio.sleep(0.05)

            network.news.set()
            await next_event
            next_event = asyncio.ensure_future(anext(events))
            await slow
            network.news.set()

            assert await next_event == b'{"more": 1}'


async def test_a_caller_that_gives_up_early_raises_no_suspicion(tmp_path: Path) -> None:
    network = Network()
    async with network.connection(tmp_path) as made:
        api = Client(made)
        async with aclosing(api.watch(CLAIMS)) as events:
            await anext(events)
            next_event = asyncio.ensure_future(anext(events))
            await api.get(CLAIMS, "default", "web")

            network.forget()
            await given_up(api, 0.3)
            network.news.set()

            assert await next_event == b'{"more": 1}'


async def test_a_watch_that_is_silent_for_too_long_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_WATCH_SILENCE_SECONDS", 0.2)
    network = Network()
    async with (
        network.connection(tmp_path) as made,
        aclosing(Client(made).watch(CLAIMS)) as events,
    ):
        await anext(events)

        with pytest.raises(UnreachableError, match="nothing heard for 0 s"):
            await anext(events)


async def test_a_request_that_is_cancelled_while_it_connects_leaves_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = SSLProtocol._on_handshake_complete

    def complete_and_cancel(protocol: SSLProtocol, error: BaseException | None) -> None:
        complete(protocol, error)
        if not protocol._server_side:
            serving_loop.call_soon_threadsafe(time.sleep, 0.5)  # it answers the end late
            requests[0].cancel()

    async def connect_and_cancel() -> None:
        connection = await connect(path, "test")
        requests.append(asyncio.create_task(Client(connection).list(CLAIMS)))
        await asyncio.wait(requests)
        await connection.close()

    def unclosed() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(connect_and_cancel())
            gc.collect()
        return [str(each.message) for each in caught]

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    monkeypatch.setattr(SSLProtocol, "_on_handshake_complete", complete_and_cancel)
    requests, authority = list[asyncio.Task[bytes]](), Authority.new()
    serving_loop = asyncio.get_running_loop()
    tls = server_tls(tmp_path, authority.server("127.0.0.1"))
    async with serving(answer, tls) as url:
        ca = base64.b64encode(authority.pem).decode()
        path = kubeconfig(tmp_path, url, cluster={"certificate-authority-data": ca})
        left = await asyncio.to_thread(unclosed)

    assert requests[0].cancelled()
    assert left == []
