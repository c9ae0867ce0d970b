# SPDX-License-Identifier: Apache-2.0
"""`/metrics`, for Prometheus: only for those whom the API server allows to get that path."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import REGISTRY, exposition

from kube import access
from kube.errors import KubeError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from kube.client import Api

PATH = "/metrics"

_ASKED_AT_ONCE = 4  # strangers must not make us a burden to the API server
_BEARER = "bearer"
_TEXT = "text/plain; charset=utf-8"
_READING = ("GET", "HEAD")  # the server leaves the body of the latter out


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    content_type: str = _TEXT


class Diagnostics:
    """A small ASGI application.

    `api` is asked who may read; None lets everybody (`--insecure-diagnostics`).
    """

    def __init__(self, api: Api | None) -> None:
        self._api = api
        self._turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # no request has a body that matters
        found = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
        answer = await self._answer(scope["method"], scope["path"], found)
        headers = [(b"content-type", answer.content_type.encode())]
        if answer.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, method: str, path: str, headers: dict[str, str]) -> _Answer:
        if path != PATH:
            return _Answer(HTTPStatus.NOT_FOUND, b"paths: /metrics\n")
        if method not in _READING:
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n")
        if self._api is not None:
            async with self._turns:
                refused = await _refusal(self._api, headers.get("authorization", ""))
            if refused:
                return refused
        return _exposed(headers.get("accept", ""))


def _exposed(accept: str) -> _Answer:
    """Return all metrics, as plain text where `accept` names a version that is no version."""
    try:
        encode, content_type = exposition.choose_encoder(accept)
    except TypeError:  # prometheus_client compares such a version's text with numbers
        encode, content_type = exposition.choose_encoder("")
    return _Answer(HTTPStatus.OK, encode(REGISTRY), content_type)


async def _refusal(api: Api, authorization: str) -> _Answer | None:
    """Return why the bearer of a token may not read; None if they may."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != _BEARER or not token:
        return _Answer(HTTPStatus.UNAUTHORIZED, b"a bearer token is needed\n")
    try:
        user = await access.authenticate(api, token)
        if user is None:
            return _Answer(HTTPStatus.UNAUTHORIZED, b"the API server does not know this token\n")
        if await access.authorize(api, user, "get", PATH):
            return None
    except KubeError:
        return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"the API server does not say who may\n")
    text = f"{user.username} may not get {PATH}: bind a ClusterRole with that nonResourceURL\n"
    return _Answer(HTTPStatus.FORBIDDEN, text.encode())
