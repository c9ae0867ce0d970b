# SPDX-License-Identifier: Apache-2.0
"""Accepts connections for a server, with a bound on those that have not finished their handshake.

asyncio's own server has no such bound: 10,000 clients that say nothing would take half a gigabyte.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

from .connections import Connections

HANDSHAKE_SECONDS = 10.0
"""For TLS; asyncio gives a silent client 60."""

SHUTDOWN_SECONDS = 10.0
"""For the client to read the rest of an answer and TLS's goodbye; asyncio gives 30."""

_RETRY_SECONDS = 1.0  # before the next try where the process has no file left for a connection

_log = logging.getLogger(__name__)


class Acceptor:
    """Takes connections from one listening socket.

    Guarantees:
        As many connections may shake hands at one time as may be open, of one address and in all.
        The longest of them makes room for a new one.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext | None,
    ) -> None:
        """Start to accept.

        Args:
            listener: Listens already.
            protocol: Makes the protocol of each connection.
            context: For TLS; None speaks none.
        """
        self._listener = listener
        self._protocol = protocol
        self._context = context
        self._handshakes = Connections()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        listener.setblocking(False)  # noqa: FBT003 - as the standard library has it
        self._listen()

    def close(self) -> None:
        """Accept no more, and end the handshakes that go on."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener)
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when no handshake goes on any more."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept one connection; the event loop calls again while there are more."""
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            _log.warning("no connection can be accepted: %s", error)
            self._loop.remove_reader(self._listener)
            self._retry = self._loop.call_later(_RETRY_SECONDS, self._listen)
            return
        connection.setblocking(False)  # noqa: FBT003 - as above
        task = self._loop.create_task(self._connect(connection, str(address[0])))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, peer: str) -> None:
        """Shake hands; from then on the connection is its protocol's."""
        task = asyncio.current_task()
        assert task is not None
        handshake = _Handshake(peer, task)
        self._handshakes.add(handshake)  # there is always room: any other may go for it
        seconds = HANDSHAKE_SECONDS if self._context else None
        goodbye = SHUTDOWN_SECONDS if self._context else None
        try:
            with contextlib.suppress(OSError):  # the client is gone, or speaks no TLS of ours
                await self._loop.connect_accepted_socket(
                    self._protocol,
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=seconds,
                    ssl_shutdown_timeout=goodbye,
                )
        finally:
            self._handshakes.remove(handshake)


class _Handshake:
    """A connection that is not open yet."""

    def __init__(self, peer: str, task: asyncio.Task[None]) -> None:
        self.peer = peer
        self._task = task

    def evict(self) -> None:
        """End it, because a new one takes its place."""
        self._task.cancel()
