# SPDX-License-Identifier: Apache-2.0
"""`/metrics`, for Prometheus, and `/debug`, for people.

Only for those whom the API server allows to get (or put) that very path.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import structlog
from prometheus_client import REGISTRY, disable_created_metrics, exposition
from prometheus_client.registry import Collector
from typing_extensions import override

from . import debug, logs
from .reviews import Reviews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric
    from starlette.types import Receive, Scope, Send

    from kube.client import Api

log = structlog.get_logger(__name__)

METRICS = "/metrics"
PATHS = (METRICS, *debug.PATHS, debug.LEVEL)

_BODY_BYTES = 16  # of a number
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_READING = ("GET", "HEAD")  # the server leaves the body of the latter out


disable_created_metrics()  # type: ignore[no-untyped-call] # the package has no annotation for it
"""A third more series, of which no dashboard makes use."""


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT


_CLOSED = _Answer(HTTPStatus.FORBIDDEN, b"nothing is changed here with --insecure-diagnostics\n")


class Diagnostics:
    """A small ASGI application.

    `api` is asked who may read; None lets everybody read, and nobody change anything
    (`--insecure-diagnostics`).
    """

    def __init__(self, api: Api | None) -> None:
        self._reviews = Reviews(api) if api else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
        answer = await self._answer(scope["method"], scope["path"], found, receive)
        headers = [(b"content-type", answer.content_type.encode())]
        if answer.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], receive: Receive
    ) -> _Answer:
        if path not in PATHS:
            return _Answer(HTTPStatus.NOT_FOUND, f"paths: {' '.join(PATHS)}\n".encode())
        methods = (*_READING, "PUT") if path == debug.LEVEL else _READING
        if method not in methods:
            allowed = f"only {', '.join(methods)}\n"
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, allowed.encode())
        verb = "get" if method in _READING else "put"
        if refused := await self._refusal(verb, path, headers.get("authorization", "")):
            return refused
        if verb == "put":
            return _level_set(await _body(receive))
        return await _page(path, headers.get("accept", ""))

    async def _refusal(self, verb: str, path: str, authorization: str) -> _Answer | None:
        if self._reviews is None:
            return _CLOSED if verb == "put" else None
        if refusal := await self._reviews.refusal(verb, path, authorization):
            return _Answer(refusal.status, f"{refusal.text}\n".encode())
        return None


async def _page(path: str, accept: str) -> _Answer:
    if path == METRICS:
        return await _exposed(accept)
    if path == debug.LEVEL:
        return _Answer(HTTPStatus.OK, b"%d\n" % logs.verbosity())
    return _Answer(HTTPStatus.OK, debug.page(path), _JSON)


class _Moment(Collector):
    """All metrics as they are now."""

    def __init__(self) -> None:
        self._found = tuple(REGISTRY.collect())

    @override
    def collect(self) -> Iterable[Metric]:
        return self._found


async def _exposed(accept: str) -> _Answer:
    """Return all metrics, as plain text where `accept` names a version that is no version.

    Flow:
        Figures are read here, where nothing changes meanwhile, and written down in a thread: a
        thousand pools take a tenth of a second, for which no webhook shall wait.
    """
    try:
        encode, content_type = exposition.choose_encoder(accept)
    except TypeError:  # prometheus_client compares such a version's text with numbers
        encode, content_type = exposition.choose_encoder("")
    body = await asyncio.to_thread(encode, _Moment())
    return _Answer(HTTPStatus.OK, body, content_type)


def _level_set(body: bytes) -> _Answer:
    """Set the log level to the verbosity in the body."""
    text = body.strip()
    if not text.isdigit() or int(text) > logs.MOST:
        return _Answer(HTTPStatus.BAD_REQUEST, b"the body is no number such as 4\n")
    logs.set_verbosity(int(text))
    log.info("verbosity is set", verbosity=logs.verbosity())
    return _Answer(HTTPStatus.OK, b"successfully set verbosity to %d\n" % logs.verbosity())


async def _body(receive: Receive) -> bytes:
    """Read a body; nothing is what goes on after all that can be a number.

    Caveats:
        The server's protocol limits the time.
    """
    body, more = b"", True
    while more and len(body) <= _BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""  # half a number is another number
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body if len(body) <= _BODY_BYTES else b""
