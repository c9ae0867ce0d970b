# SPDX-License-Identifier: Apache-2.0
"""What a request may cost: bytes, time, and memory for all requests together."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Request

from .errors import RequestError

BODY_BYTES = 8 * 1024 * 1024
"""Of one request.  An update's review holds two objects, each up to the 3 MiB of a request to the
API server, and its own envelope.
"""

ALL_BODIES_BYTES = 64 * 1024 * 1024
"""Of all requests at one time: more are told to come back, so that memory stays bounded."""

BODY_SECONDS = 10.0
"""For sending a body, which the API server does at once."""

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
    async def read(self, request: Request) -> AsyncGenerator[bytes]:
        """Hold the body of a request, which counts against the common limit until it is let go.

        Raises:
            RequestError: too large, too slow, too many at once, or not JSON by its header.
            ClientDisconnect: the client is gone.
        """
        _check_type(request.headers.get("content-type", ""))
        self._check_length(request.headers.get("content-length", ""))
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    self._held += len(chunk)
                    chunks.append(chunk)
                    self._check(size)
            yield b"".join(chunks)
        except TimeoutError as error:
            problem = f"the body did not arrive in {self._seconds:g} s"
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, problem) from error
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
        if self._held > self._together:
            problem = "too many requests at once; try again"
            raise RequestError(HTTPStatus.TOO_MANY_REQUESTS, problem)


def _check_type(header: str) -> None:
    if header.partition(";")[0].strip().lower() != _JSON:
        problem = f"Content-Type is {header!r}; a review is {_JSON}"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem)
