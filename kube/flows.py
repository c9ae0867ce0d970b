# SPDX-License-Identifier: Apache-2.0
"""Find connections that are dead although neither end has closed them.

A load balancer or a firewall that forgets a connection drops its packets silently.  A request finds
out by its time-out.  A watch only listens, so the kernel must probe for it (keepalive), or the
failure of a request counts as a sign.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    import aiohttp

_AddressInfo = tuple[int, int, int, str, tuple[object, ...]]
"""What `getaddrinfo` says of one address."""

_IDLE_SECONDS = 15  # of silence until the kernel asks whether the other end is there
_INTERVAL_SECONDS = 5  # between its questions
_PROBES = 3  # that may stay unanswered
_UNACKNOWLEDGED_MS = 25_000
"""How long sent bytes may stay unacknowledged: keepalive does not run while they wait, and their
retransmission goes on for 15 minutes.  Where it is set, the kernel takes it instead of the number
of probes, too: less than 30 s leaves time to connect again within these."""

_CLOSE_SECONDS = 1.0  # to wait for the other ends of connections that are closed
_POLL_SECONDS = 0.001  # between two checks whether all sockets are closed

OPTIONS: tuple[tuple[int, int, int], ...] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
)
"""Level, name and value of each option of a socket."""


def kept_alive(info: _AddressInfo) -> socket.socket:
    """Return a new socket that detects within 25 seconds that its other end is gone."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    for level, option, value in OPTIONS:
        made.setsockopt(level, option, value)
    return made


class Sockets:
    """Makes sockets, and closes those that are still open.

    If a request is cancelled while it connects, aiohttp forgets the connection.  asyncio then waits
    for the other end before it closes the socket, and the program may end sooner.
    """

    def __init__(self) -> None:
        self._made = WeakSet[socket.socket]()

    def __call__(self, info: _AddressInfo) -> socket.socket:
        """Return a new socket."""
        made = kept_alive(info)
        self._made.add(made)
        return made

    async def close(self) -> None:
        """End all connections, and wait until asyncio has closed their sockets."""
        for each in self._made:
            with suppress(OSError):  # it is closed, or not connected yet
                each.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while any(each.fileno() >= 0 for each in self._made):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(_POLL_SECONDS)


class Flows:
    """The streams that are being read."""

    def __init__(self) -> None:
        self._reading: dict[asyncio.Timeout, float] = {}  # since when
        self._suspected = 0.0  # when `suspect` was called last

    async def read(self, stream: aiohttp.StreamReader, seconds: float) -> bytes:
        """Return the next bytes of a stream; empty at its end.

        Raises:
            TimeoutError: nothing arrived for so many seconds, or before `suspect` was called.
        """
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds) as limit:
                self._reading[limit] = began
                try:
                    return await stream.readany()
                finally:
                    del self._reading[limit]
        except TimeoutError as error:
            silent = asyncio.get_running_loop().time() - began
            raise TimeoutError(f"nothing heard for {silent:.0f} s") from error

    def suspect(self, since: float) -> bool:
        """Give up the streams on which nothing has come since a request that got no answer began.

        Returns:
            Whether that request is the first one that was sent since the last such call.

        Caveats:
            A request may be slow while all flows are well; what that costs is a new watch each.
        """
        now = asyncio.get_running_loop().time()
        for limit, began in self._reading.items():
            if began < since:
                limit.reschedule(now)
        first, self._suspected = since > self._suspected, now
        return first
