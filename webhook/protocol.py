# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 with bounds on connections, and on the time and bytes of each request.

uvicorn has none of them, and anyone who reaches the port can open connections.
`crdkit.webhook.limits` counts the bytes of bodies.  This module bounds the rest: headers, trailers,
silence, and answers that nobody reads.
"""

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from crdkit.webhook.direct import Direct
from crdkit.webhook.limits import WRITE_BYTES

from .connections import Connections

HEAD_BYTES = 64 * 1024
"""Of a request's first line and headers; the API server sends less than 1 KiB.  As much may come in
one piece that is no body, such as trailers.
"""

HEAD_SECONDS = 10.0
"""From the connection, or from a request's first byte, to the end of its headers."""

REST_SECONDS = 20.0
"""From there to the end of the request: more than a body may take, so that a slow one is answered
before its connection is closed.
"""

WRITE_SECONDS = 10.0
"""For the client to read what is being sent."""

CLOSE_SECONDS = 1.0
"""For TLS to say goodbye to the client whose connection closes for another one.  With the goodbye
a client in Go sends its request again on a new connection; without, the request fails.
"""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"the headers are larger than %d bytes\n"
)


CLOSE = (b"connection", b"close")
"""The header of the last answer on a connection."""

_OK = b"HTTP/1.1 200 OK\r\n"
_LENGTH = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _deadline: asyncio.TimerHandle | None = None
    _write_deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _since_body = 0
    """Bytes that came since the last piece of a body, or since the request began."""
    _seconds: float | None = None
    """What the request under way may still take, where no deadline holds it to that yet."""
    _pieces: list[bytes] | None = None
    """Of the body, while the request may be answered directly."""
    _may_answer = False
    """Whether the bytes that came last may be answered directly: one request of them may, so that
    other connections have their turn.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        places: Connections,
        direct: Direct | None = None,
    ) -> None:
        """Prepare it.

        Args:
            config: uvicorn's.
            state: uvicorn's, of the server.
            app_state: What uvicorn gives to each request.
            places: The open connections of the server.
            direct: What answers some requests without the application.
        """
        super().__init__(config, state, app_state)
        self._places = places
        self._direct = direct

    @property
    def peer(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else ""

    def evict(self) -> None:
        """Close it, because a new connection takes its place."""
        self.transport.close()
        self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # always TCP
        super().connection_made(transport)
        transport.set_write_buffer_limits(WRITE_BYTES)
        if self._places.add(self):
            self._close_in(HEAD_SECONDS)
        else:
            transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._places.remove(self)
        self._cancel_deadline()
        super().connection_lost(exc)
        self._cancel_write_deadline()

    @override
    def data_received(self, data: bytes) -> None:
        self._since_body += len(data)
        self._may_answer = self._direct is not None
        super().data_received(data)
        if self._pieces is not None:
            self._hand_over()
        self._watch()
        if self._since_body <= HEAD_BYTES or self.transport.is_closing():
            return
        if self._in_head:
            self.transport.write(_TOO_LARGE % HEAD_BYTES)
            self.transport.close()
        else:
            self.transport.abort()  # endless trailers, after whose request an answer is under way

    @override
    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._in_head = True
        self._allow(HEAD_SECONDS)

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        self._since_body = 0
        self._allow(REST_SECONDS)
        self._pieces = []
        if not self._is_direct():
            self._hand_over()

    @override
    def on_body(self, body: bytes) -> None:
        self._since_body = 0
        if self._pieces is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    @override
    def on_message_complete(self) -> None:
        self._since_body = 0
        self._allow(None)
        if self._pieces is not None:
            if self._answer_directly(b"".join(self._pieces)):
                return
            self._hand_over()
        super().on_message_complete()

    def _is_direct(self) -> bool:
        """Return whether the request whose headers are complete may be answered directly.

        Flow:
            The connection must have nothing else to do: no request under way, no answer that its
            client does not read, and no end in sight.
        """
        parser: Any = self.parser  # None once the connection is lost, and then nothing comes
        return (
            self._may_answer
            and self._direct is not None
            and self._is_idle()
            and not self.flow.write_paused
            and CLOSE not in self.server_state.default_headers
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and self._direct.admits(parser.get_method(), self.url, self.headers)
        )

    def _answer_directly(self, body: bytes) -> bool:
        """Answer a request with a whole body in one write; return whether there is an answer."""
        assert self._direct is not None
        answer = self._direct.answer(body)
        if answer is None:
            return False
        self._pieces, self._may_answer = None, False
        lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(b"".join((_OK, *lines, _LENGTH % len(answer), answer)))
        self.on_response_complete()
        return True

    def _hand_over(self) -> None:
        """Give the request to the application, with as much of its body as there is."""
        pieces, self._pieces = self._pieces or [], None
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        self._places.set_busy(self)
        super().on_message_begin()  # makes the scope, which a direct answer does not need
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()
        for piece in pieces:
            super().on_body(piece)

    @override
    def on_response_complete(self) -> None:
        if not self.pipeline:  # else the next request is under way from here on
            self._places.set_idle(self)
        super().on_response_complete()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    @override
    def resume_writing(self) -> None:
        self._cancel_write_deadline()
        super().resume_writing()

    def _watch(self) -> None:
        """Hold what is under way to its time, once for each of its stages.

        Flow:
            After the bytes that came together: a request that came whole needs no timer.  An idle
            connection has one that uvicorn set, unless bytes that begin no request took it away.
        """
        if self._deadline is not None:
            return
        if self._seconds is not None:
            self._places.touch(self)
            self._close_in(self._seconds)
        elif self.timeout_keep_alive_task is None and self._is_idle():
            self._close_in(HEAD_SECONDS)

    def _is_idle(self) -> bool:
        cycle: Any = self.cycle  # None until the application had a request, which no type says
        return cycle is None or bool(cycle.response_complete)

    def _allow(self, seconds: float | None) -> None:
        """Give the next stage of a request its time; None: it has all come."""
        self._cancel_deadline()
        self._seconds = seconds

    def _close_in(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.close)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
