# SPDX-License-Identifier: Apache-2.0
"""What a request may cost: bytes, time, and memory for all requests together."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from .errors import DisconnectedError, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable

    from .asgi import Receive, Scope

BODY_BYTES = 8 * 1024 * 1024
"""Of one request.  An update's review holds two objects, each up to the 3 MiB of a request to the
API server, and its own envelope.
"""

ALL_BODIES_BYTES = 64 * 1024 * 1024
"""Of all requests and answers at one time; more get 429, so that memory stays bounded."""

BODY_SECONDS = 10.0
"""For sending a body, which the API server does at once."""

WRITE_BYTES = 64 * 1024
"""Of an answer that may wait in memory for its client to read."""

_JSON = "application/json"


class Bodies:
    """Reads bodies of requests within the limits."""

    def __init__(
        self,
        one: int = BODY_BYTES,
        together: int = ALL_BODIES_BYTES,
        seconds: float = BODY_SECONDS,
    ) -> None:
        self._one = one
        self._together = together
        self._seconds = seconds
        self._held = 0

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive) -> AsyncGenerator[bytes]:
        """Hold the body of a request, which counts against the common limit until it is released.

        Raises:
            RequestError: too large, too slow, too many at once, or not JSON by its header.
            DisconnectedError: the client has disconnected.
        """
        _check_type(_header(scope, b"content-type"))
        self._check_length(_header(scope, b"content-length"))
        chunks: list[bytes] = []
        try:
            await self._collect(receive, chunks)
            chunks[:] = [b"".join(chunks)]  # the pieces go: memory holds a body once
            yield chunks[0]
        finally:
            self._held -= sum(map(len, chunks))

    async def _collect(self, receive: Receive, chunks: list[bytes]) -> None:
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in _pieces(receive):
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    self._check(size)
        except TimeoutError as error:
            problem = f"the body did not arrive in {self._seconds:g} s"
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, problem) from error

    def fits(self, size: int) -> bool:
        """Return whether so many more bytes are within the common limit."""
        return self._held + size <= self._together

    @contextmanager
    def hold(self, size: int) -> Generator[None]:
        """Count an answer against the common limit until its client has it.

        Raises:
            RequestError: too many at once.
        """
        self._held += size
        try:
            self._check_together()
            yield
        finally:
            self._held -= size

    def _check_length(self, text: str) -> None:
        """Refuse by the header what would be refused by its length."""
        if text.isdigit():
            self._check(int(text))

    def _check(self, size: int) -> None:
        if size > self._one:
            problem = f"the body is larger than {self._one} bytes"
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        self._check_together()

    def _check_together(self) -> None:
        if self._held > self._together:
            problem = "too many requests at once; try again"
            raise RequestError(HTTPStatus.TOO_MANY_REQUESTS, problem)


async def _pieces(receive: Receive) -> AsyncGenerator[bytes]:
    """Yield the pieces of a body as they arrive."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _header(scope: Scope, name: bytes) -> str:
    """Return a header of the request; empty if it is missing."""
    found: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for header, value in found if header == name), "")


def _check_type(header: str) -> None:
    if header.partition(";")[0].strip().lower() != _JSON:
        problem = f"Content-Type is {header!r}; a review is {_JSON}"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem)
