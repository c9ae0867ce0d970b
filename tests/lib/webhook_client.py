# SPDX-License-Identifier: Apache-2.0
"""A client of the webhook server that sees each byte, and a review to send."""

import asyncio
import copy
import functools
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

from webhook import server

GROUP = "ipam.cluster.x-k8s.io"

REVIEW = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {
        "uid": "u-1",
        "desiredAPIVersion": f"{GROUP}/v1alpha2",
        "objects": [
            {
                "apiVersion": f"{GROUP}/v1alpha1",
                "kind": "InClusterIPPool",
                "metadata": {"name": "blue"},
                "spec": {"subnet": "10.9.0.0/24"},
            }
        ],
    },
}


def review_with_status(status: str) -> bytes:
    """Return a review of one object that is mostly status."""
    body: Any = copy.deepcopy(REVIEW)
    body["request"]["objects"][0]["status"] = status
    return json.dumps(body).encode()


@functools.cache
def trusting() -> ssl.SSLContext:
    """Return a client's context that trusts anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def connect(
    running: server.Server, receive_bytes: int = 0, source: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a TLS connection that trusts anything, without a server name."""
    client = socket.socket()
    client.bind((source, 0))
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.setblocking(False)  # noqa: FBT003 - as the standard library has it
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", running.port))
    return await asyncio.open_connection(sock=client, ssl=trusting(), server_hostname="")


async def until(reached: Callable[[], bool]) -> None:
    """Wait for something that nobody tells."""
    async with asyncio.timeout(30):
        while not reached():  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.01)


async def send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes
) -> tuple[int, bytes]:
    """Send any body on an open connection; return the status and the answer's body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = int(headers.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(headers.split()[1]), await reader.readexactly(length)
