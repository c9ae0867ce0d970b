# SPDX-License-Identifier: Apache-2.0
"""A TCP relay in front of a server on loopback, which can hold back what clients send.

It passes bytes on as they are, TLS included, and ends a connection when either side does: its
clients meet a server that dies as if there were no relay.
"""

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Self

from .pki import LOOPBACK

_CHUNK_BYTES = 4096  # two or three ConversionReviews: a hold comes close to where it should


class Relay:
    """Listens on `port` and passes on to `target`, another port, for the length of a block."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._allowed: int | None = None
        self._waiting: list[int] = []
        self._changed = threading.Condition()
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def hold_after(self, size: int) -> None:
        """Pass on about so many bytes more, of all clients together, then nothing."""
        with self._changed:
            self._allowed = size
            self._changed.notify_all()

    def release(self) -> None:
        """Pass everything on again."""
        with self._changed:
            self._allowed = None
            self._changed.notify_all()

    @property
    def held(self) -> int:
        """How many clients have sent what is held back."""
        with self._changed:
            return sum(not self._may_pass(size) for size in self._waiting)

    def await_turn(self, size: int) -> None:
        """Return when so many bytes of a client may be passed on."""
        with self._changed:
            self._waiting.append(size)
            self._changed.wait_for(lambda: self._may_pass(size))
            self._waiting.remove(size)
            if self._allowed is not None:
                self._allowed -= size

    def _may_pass(self, size: int) -> bool:
        return self._allowed is None or size <= self._allowed


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, relay: Relay) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.relay = relay


class _Connection(socketserver.BaseRequestHandler):
    """Passes on what one client sends; a thread beside it does the same for the answers."""

    request: socket.socket

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        relay = self.server.relay
        with (
            suppress(OSError),  # an end of either side, by whatever means, ends both
            socket.create_connection((LOOPBACK, relay.target)) as upstream,
        ):
            for side in (self.request, upstream):  # or each review waits 40 ms for a delayed ACK
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answers, args=(upstream,), daemon=True).start()
            while chunk := self.request.recv(_CHUNK_BYTES):
                relay.await_turn(len(chunk))
                upstream.sendall(chunk)

    def _answers(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while chunk := upstream.recv(_CHUNK_BYTES):
                self.request.sendall(chunk)
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
