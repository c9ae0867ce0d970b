# SPDX-License-Identifier: Apache-2.0
"""The open connections of a server, and which of them closes to make room for a new one.

Whoever reaches the port can keep connections open.  The one that has been idle for longest closes
for a new one, so an API server is served however many of them others hold.
"""

import logging
import time
from collections import OrderedDict
from typing import Protocol

CONNECTIONS = 800
"""Open at one time, after their TLS handshake."""

PEER_CONNECTIONS = 400
"""Open at one time from one address: half of all, so no single address can take all places.

Several API servers have one address behind NAT or konnectivity.  Each keeps at most 25 idle
connections for each of our ten webhooks (client-go's `idleConnsPerHost`), and opens more while
requests are under way.  Three of them so have room for over a hundred requests each at one time;
only idle connections beyond that close, and an API server opens a new one without an error.
"""

WARN_SECONDS = 60.0
"""Between two warnings: a flood of connections must not become a flood of log lines."""

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What the server needs to know of a connection."""

    @property
    def peer(self) -> str:
        """The address of the client."""
        ...

    def evict(self) -> None:
        """Close it, because a new connection takes its place."""
        ...


class Connections:
    """The open connections of one server.

    Guarantees:
        A connection is never closed for another one while it has a request under way, from the
        end of the request's headers to the end of its answer.  Headers that are not complete give
        no such right, or a client could hold its place with them.  Every step is O(1).
    """

    def __init__(self) -> None:
        self._all = _Group()
        self._peers: dict[str, _Group] = {}
        self._warned = float("-inf")

    def add(self, connection: Connection) -> bool:
        """Take in a new connection, which is idle at first.

        Flow:
            An address that has its share gives up its own longest idle connection, also where
            others have none to give.

        Returns:
            Whether there is a place: there is none while all have a request under way.
        """
        if not self._make_room(connection.peer):
            return False
        for group in (self._all, self._peers.setdefault(connection.peer, _Group())):
            group.add(connection)
        return True

    def touch(self, connection: Connection) -> None:
        """Count the idle time of a connection from now on."""
        if connection in self._all.idle:
            self.set_idle(connection)

    def set_idle(self, connection: Connection) -> None:
        """Let a connection close for another one, after all that are idle already."""
        if connection in self._all.open:
            for group in self._groups_of(connection):
                group.set_idle(connection)

    def set_busy(self, connection: Connection) -> None:
        """Keep a connection: it has a request under way."""
        if connection in self._all.open:
            for group in self._groups_of(connection):
                group.idle.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed, or about to be."""
        if connection not in self._all.open:
            return
        for group in self._groups_of(connection):
            group.remove(connection)
        if not self._peers[connection.peer].open:
            del self._peers[connection.peer]

    def _groups_of(self, connection: Connection) -> tuple["_Group", "_Group"]:
        return self._all, self._peers[connection.peer]

    def _make_room(self, peer: str) -> bool:
        for group, most in (
            (self._peers.get(peer, _NONE), PEER_CONNECTIONS),
            (self._all, CONNECTIONS),
        ):
            if len(group.open) < most:
                continue
            self._warn(peer)
            longest_idle = next(iter(group.idle), None)
            if longest_idle is None:
                return False
            self.remove(longest_idle)
            longest_idle.evict()
        return True

    def _warn(self, peer: str) -> None:
        """Say who holds the connections, now and then."""
        now = time.monotonic()
        if now - self._warned < WARN_SECONDS:
            return
        self._warned = now
        first = max(self._peers, key=lambda each: len(self._peers[each].open))
        _log.warning(
            "connections are closed to make room for one from %s: %d are open, %d of them from %s. "
            "If that is no API server, keep it away with a NetworkPolicy.",
            peer,
            len(self._all.open),
            len(self._peers[first].open),
            first,
        )


class _Group:
    """Some connections; those that are idle in the order in which they became so."""

    def __init__(self) -> None:
        self.open: set[Connection] = set()
        self.idle: OrderedDict[Connection, None] = OrderedDict()

    def add(self, connection: Connection) -> None:
        self.open.add(connection)
        self.idle[connection] = None

    def set_idle(self, connection: Connection) -> None:
        self.idle[connection] = None
        self.idle.move_to_end(connection)

    def remove(self, connection: Connection) -> None:
        self.open.discard(connection)
        self.idle.pop(connection, None)


_NONE = _Group()
"""Of an address without an open connection."""
