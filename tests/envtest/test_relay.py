# SPDX-License-Identifier: Apache-2.0
"""What the relay does to connections that it forgets."""

import socket
import socketserver
import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from envtest.controlplane.relay import Relay
from envtest.pki import LOOPBACK

SILENCE_SECONDS = 0.2  # in which an echo would have come


class Echo(socketserver.BaseRequestHandler):
    request: socket.socket

    def handle(self) -> None:
        while chunk := self.request.recv(100):
            self.request.sendall(chunk)


@pytest.fixture
def relay() -> Generator[Relay]:
    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Relay(server.server_address[1]) as relay:
            yield relay
        server.shutdown()


def connected(relay: Relay) -> socket.socket:
    return socket.create_connection((LOOPBACK, relay.port), timeout=10)


def test_a_forgotten_connection_is_silent_and_a_new_one_is_well(relay: Relay) -> None:
    with closing(connected(relay)) as old:
        old.sendall(b"before")
        assert old.recv(100) == b"before"

        relay.forget()
        old.sendall(b"after")
        old.settimeout(SILENCE_SECONDS)
        with pytest.raises(TimeoutError):  # neither an answer nor an end
            old.recv(100)

        with closing(connected(relay)) as new:
            new.sendall(b"new")
            assert new.recv(100) == b"new"


def test_without_a_target_each_connection_ends(
    relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    (target,) = relay.targets
    relay.route()
    with closing(connected(relay)) as refused:
        assert refused.recv(100) == b""

    relay.route(target)
    with closing(connected(relay)) as served:
        served.sendall(b"again")
        assert served.recv(100) == b"again"
    assert capsys.readouterr().err == ""
