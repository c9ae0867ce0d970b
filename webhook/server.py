# SPDX-License-Identifier: Apache-2.0
"""The port: uvicorn on the caller's event loop, without signal handlers of its own."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from .acceptor import Acceptor
from .connections import Connections
from .deferred import DeferredApp
from .protocol import CLOSE, BoundedProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from starlette.types import ASGIApp

    from crdkit.webhook.direct import Direct

_KEEP_ALIVE_SECONDS = 120
"""How long an idle connection stays open: longer than the 90 s after which the API server closes
its own, so that we never close one just as it sends a review.
"""

_BACKLOG = 1024  # connections that wait to be accepted
_DRAIN_SECONDS = 10  # at stop, for reviews under way: as long as the API server would wait


class Server:
    """Serves an application on one port, with TLS where a context is given."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> None:
        """Prepare it.

        Args:
            app: What answers.
            host: Address to listen on; empty for all of them.
            port: Port to listen on; 0 for any free one.
            context: The TLS context; None serves plain HTTP.
        """
        self._config = uvicorn.Config(
            app,
            access_log=False,
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            ws="none",
        )
        direct = app.direct if isinstance(app, DeferredApp) else None
        self._server = _Uvicorn(self._config, direct)
        self._address = host, port
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it really listens on."""
        return self._address[1]

    async def start(self) -> None:
        """Return when the port answers.

        Raises:
            OSError: the port is taken or not allowed.
        """
        _allow_files()
        listener = _listen(*self._address)
        self._address = self._address[0], listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([listener]), name="webhook server")
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait([self._task, up], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._task.done():
            await self._task

    def retire(self) -> None:
        """Have clients send their next requests on new connections, which may lead elsewhere.

        Flow:
            From now on, each answer has the header `connection: close`.  Without it, a request may
            be on its way when the connection is closed, and Go does not repeat a POST.
        """
        self._config.encoded_headers.append(
            CLOSE
        )  # uvicorn rebuilds its default headers from these
        state = self._server.server_state
        state.default_headers = [*state.default_headers, CLOSE]

    async def stop(self) -> None:
        """Stop listening, finish the reviews that have begun, and return."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the process, and reports when it serves."""

    def __init__(self, config: uvicorn.Config, direct: Direct | None) -> None:
        super().__init__(config)
        self._direct = direct
        self.up = asyncio.Event()
        self._connections = Connections()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections; uvicorn's own way has no bound on TLS handshakes."""
        acceptors = [
            Acceptor(listener, self._protocol, self.config.ssl) for listener in sockets or ()
        ]
        self.servers = acceptors  # type: ignore[assignment] # uvicorn closes them, and waits for it
        self.started = True
        self.up.set()

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(
            self.config,
            self.server_state,
            self.lifespan.state,
            self._connections,
            self._direct,
        )

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _allow_files() -> None:
    """Let the process have as many connections as it may, as Go programs do at start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; without a host for IPv6 and IPv4 alike, where there is IPv6."""
    dual = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
    listener = socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual
    )
    # Connections inherit it.  Without, an answer in two segments waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
