# SPDX-License-Identifier: Apache-2.0
"""Ports on loopback that stay free while the server they are meant for is not running."""

import random
import socket

from .pki import LOOPBACK

# Below Linux' ephemeral range (32768 and up): no outgoing connection takes the port of a server
# that is down for a moment.  Above the well-known servers that a developer may run.
RANGE = range(20000, 32768)


def free_port() -> int:
    """Return a port on which nothing listens now; at random, so that parallel runs rarely meet."""
    while True:
        port = random.choice(RANGE)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
