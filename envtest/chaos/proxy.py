# SPDX-License-Identifier: Apache-2.0
"""A reverse proxy in front of the API server, which does to one client what networks do.

It ends TLS with a certificate of the control plane's own authority and passes the client's headers
on, its bearer token too, so the API server sees that client.  A request that is held back is never
passed on after its client has gone.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from ..controlplane.control_plane import ControlPlane
from ..pki import LOOPBACK
from .proxy_actions import Lost, Outcome, Refuse, Request, passing

_LOOK_SECONDS = 0.01  # between looks at whether a silent network speaks again
_SHUTDOWN_SECONDS = 0.1  # for a client that left without a word; asyncio gives it 30 s to speak
_CLOSE_SECONDS = 0.25  # in which TLS connections end: aiohttp does not wait for it
_HOP_BY_HOP = ("Connection", "Content-Length", "Host", "Transfer-Encoding")


@dataclass(frozen=True, slots=True)
class Write:
    """A request that may change something: when it was passed on, by `time.monotonic`."""

    seconds: float
    method: str
    path: str
    status: int
    """Of the API server's answer, also if the client did not get it."""


class Proxy:
    """Listens at the URL `server` for the length of a block.

    `decide` says what happens to each request; it is called in one thread, in order of arrival.
    """

    def __init__(self, plane: ControlPlane, folder: Path, name: str) -> None:
        self.silent = False
        """Whether nothing gets through, either way, while connections stay open."""
        self.refusing = False
        """Whether each request finds its connection reset."""
        self.delay = 0.0
        """Seconds by which each request and each piece of an answer is late."""
        self.decide: Callable[[Request], Outcome] = passing
        self.writes: list[Write] = []
        self.expired = 0
        """How many watches and lists were answered that their history is gone (410)."""
        self._target = plane.server
        self._upstream_tls = ssl.create_default_context(cafile=plane.folder / "ca.crt")
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(*plane.authority.server("proxy").write(folder, name))
        self._open: dict[Request, web.BaseRequest] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._loop = asyncio.new_event_loop()
            stack.callback(self._loop.close)
            thread = threading.Thread(target=self._loop.run_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)
            self._run(self._start())
            stack.callback(self._run_stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _run_stop(self) -> None:
        self._run(self._stop())

    @property
    def open(self) -> tuple[Request, ...]:
        """The requests that are neither answered nor given up, watches included."""
        return tuple(self._open)

    def heal(self) -> None:
        """Let everything through from now on."""
        self.silent = self.refusing = False
        self.delay = 0.0
        self.decide = passing

    def cut(self, *, watches_only: bool = False) -> int:
        """Reset connections on which a request is open; return how many."""
        return self._run(self._cut(watches_only=watches_only))

    def _run(self, work: Coroutine[Any, Any, int]) -> int:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> int:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._upstream_tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        server = web.Server(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        self._listener = await self._loop.create_server(
            server, LOOPBACK, 0, ssl=self._tls, ssl_shutdown_timeout=_SHUTDOWN_SECONDS
        )
        self.server = f"https://{LOOPBACK}:{self._listener.sockets[0].getsockname()[1]}"
        return 0

    async def _stop(self) -> int:
        self.refusing, self.silent = True, False
        await self._cut(watches_only=False)
        self._listener.close()
        await self._runner.cleanup()
        await self._session.close()
        await asyncio.sleep(_CLOSE_SECONDS)
        return 0

    async def _cut(self, *, watches_only: bool) -> int:
        chosen = [
            incoming
            for request, incoming in self._open.items()
            if request.watch or not watches_only
        ]
        for incoming in chosen:
            _reset(incoming)
        return len(chosen)

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Pass on one request; what goes wrong on the way is a reset for the client."""
        request = Request(incoming.method, incoming.raw_path, "watch" in incoming.query)
        self._open[request] = incoming
        try:
            return await self._pass_on(incoming, request)
        except (aiohttp.ClientError, OSError):
            _reset(incoming)
            return web.Response()
        finally:
            del self._open[request]

    async def _pass_on(self, incoming: web.BaseRequest, request: Request) -> web.StreamResponse:
        outcome = self.decide(request)
        await self._gate()
        body = await incoming.read()
        if isinstance(outcome, Refuse):
            if outcome.status is None:
                await asyncio.Event().wait()  # until the client goes
            return web.json_response(outcome.body, status=outcome.status or 0)
        began = time.monotonic()
        async with self._session.request(
            request.method,
            URL(self._target + request.path, encoded=True),
            headers={k: v for k, v in incoming.headers.items() if k not in _HOP_BY_HOP},
            data=body,
            allow_redirects=False,
        ) as answer:
            self._note(request, began, answer.status)
            if isinstance(outcome, Lost):
                await answer.read()  # so it was applied
                raise ConnectionResetError
            return await self._answer(incoming, request, answer)

    def _note(self, request: Request, began: float, status: int) -> None:
        if request.writes:
            self.writes.append(Write(began, request.method, request.path, status))
        self.expired += status == web.HTTPGone.status_code

    async def _answer(
        self, incoming: web.BaseRequest, request: Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {k: v for k, v in answer.headers.items() if k not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await self._gate()
        await response.prepare(incoming)
        async for chunk in answer.content.iter_any():
            await self._gate()
            self.expired += request.watch and b'"code":410' in chunk
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _gate(self) -> None:
        """Wait for as long as the network lets nothing through."""
        if self.delay:
            await asyncio.sleep(self.delay)
        while self.silent:  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(_LOOK_SECONDS)
        if self.refusing:
            raise ConnectionResetError


def _reset(incoming: web.BaseRequest) -> None:
    if incoming.transport is not None:
        incoming.transport.abort()
