# SPDX-License-Identifier: Apache-2.0
"""Receive a review and send the answer, at one path."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from .errors import DisconnectedError, RequestError
from .limits import WRITE_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .asgi import Receive, Scope, Send
    from .limits import Bodies

_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"


class Endpoint:
    """An ASGI application that answers reviews.

    It is no function of a web framework: those return before the client has read the answer, and
    the answer counts against the limits until then.
    """

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes]], bodies: Bodies) -> None:
        self._answer = answer
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._review(scope, receive, send)
        except RequestError as error:
            await refuse(send, error)
        except DisconnectedError:  # the client is gone
            return

    async def _review(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._bodies.read(scope, receive) as body:
            review = await self._answer(body)
            with self._bodies.hold(len(review)):
                await _send(send, HTTPStatus.OK, _JSON, review)


async def refuse(send: Send, error: RequestError) -> None:
    """Answer a request that is no review."""
    await _send(send, error.status, _TEXT, f"{error}\n".encode())


async def _send(send: Send, status: HTTPStatus, content_type: bytes, body: bytes) -> None:
    """Send an answer, and return when all but the last piece is on its way.

    Flow:
        It is sent in pieces: TLS buffers whatever is written, even if the client does not read.
    """
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for begin in range(0, len(body), WRITE_BYTES):
        end = begin + WRITE_BYTES
        more = end < len(body)
        await send({"type": "http.response.body", "body": body[begin:end], "more_body": more})
