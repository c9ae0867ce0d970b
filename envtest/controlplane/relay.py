# SPDX-License-Identifier: Apache-2.0
"""A TCP relay in front of a server on loopback, which can hold back what clients send.

It passes bytes on as they are, TLS included, and ends a connection when either side does: its
clients meet a server that dies as if there were no relay.  With several targets it is to them what
a Service is to its pods.
"""

import itertools
import socket
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Self

from ..pki import LOOPBACK

_CHUNK_BYTES = 4096  # two or three ConversionReviews: a hold comes close to where it should


class Relay:
    """Listens on `port` and passes on to one of `targets`, other ports, for the length of a block.

    The first target that accepts a connection gets it; with `spread`, each target in turn.  What is
    put into `targets` counts for new connections; without a target, each one ends at once.
    """

    def __init__(self, *targets: int, spread: bool = False) -> None:
        self.targets = targets
        self._turns = itertools.count() if spread else itertools.repeat(0)
        self._allowed: int | None = None
        self._waiting: list[int] = []
        self._upstream: dict[socket.socket, int] = {}
        self._forgotten: set[socket.socket] = set()
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def route(self, *targets: int) -> None:
        """Pass on to these targets, if any, and end the connections to all others."""
        self.targets = targets
        with self._changed:
            gone = [side for side, target in self._upstream.items() if target not in targets]
        for side in gone:
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Drop all that comes over the present connections, without closing them.

        A load balancer that has forgotten its connections does the same.  New connections work.
        """
        with self._changed:
            self._forgotten |= set(self._upstream)

    def forgot(self, side: socket.socket) -> bool:
        """Return whether the connection to a target is one to swallow."""
        with self._changed:
            return side in self._forgotten

    @contextmanager
    def connected(self) -> Generator[socket.socket]:
        """Connect to a target that accepts."""
        targets = self.targets
        turn = next(self._turns) % max(len(targets), 1)
        side, target = _first(targets[turn:] + targets[:turn])
        with side:
            with self._changed:
                self._upstream[side] = target
            try:
                yield side
            finally:
                with self._changed:
                    del self._upstream[side]
                    self._forgotten.discard(side)

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
            relay.connected() as upstream,
        ):
            for side in (self.request, upstream):  # or each review waits 40 ms for a delayed ACK
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=self._answers, args=(relay, upstream), daemon=True)
            answers.start()
            while chunk := self.request.recv(_CHUNK_BYTES):
                relay.await_turn(len(chunk))
                if not relay.forgot(upstream):
                    upstream.sendall(chunk)

    def _answers(self, relay: Relay, upstream: socket.socket) -> None:
        with suppress(OSError):
            while chunk := upstream.recv(_CHUNK_BYTES):
                if not relay.forgot(upstream):
                    self.request.sendall(chunk)
        with suppress(OSError):
            if not relay.forgot(upstream):
                self.request.shutdown(socket.SHUT_RDWR)


def _first(targets: tuple[int, ...]) -> tuple[socket.socket, int]:
    for target in targets:
        with suppress(ConnectionRefusedError):
            return socket.create_connection((LOOPBACK, target)), target
    raise ConnectionRefusedError
