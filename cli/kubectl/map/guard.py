# SPDX-License-Identifier: Apache-2.0
"""Admit only a browser on this machine that knows the URL, with its token.

Flow:
    A request to another host name is refused.  Otherwise a web site whose name resolves to
    127.0.0.1 could read the answers (DNS rebinding).  Then the first part of the path has to be the
    token; it is compared in constant time, and the application sees the rest of the path.
"""

from __future__ import annotations

import hmac
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

from .pages import POLICY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TOKEN_BYTES = 24

HEADERS = {
    "content-security-policy": POLICY.format(style="'self'", script="'self'", connect="'self'"),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of each answer: nothing is kept, sent elsewhere, or shown inside another page."""


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Guard:
    """Lets requests through to an application, and adds `HEADERS` to its answers."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Wrap an application."""
        self._app, self._token = app, token.encode()
        self.hosts = frozenset[str]()
        """Host headers that are let through; the port is known only once it is open."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an ASGI request."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        app = self._app
        if refusal:
            app = PlainTextResponse(refusal.phrase + "\n", refusal)
        else:
            rest = scope["path"].removeprefix("/").partition("/")[2]
            scope = {**scope, "path": f"/{rest}", "raw_path": None}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> HTTPStatus | None:
        if Headers(scope=scope).get("host", "") not in self.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return HTTPStatus.METHOD_NOT_ALLOWED
        token, slash, _ = scope["path"].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token) or not slash:
            return HTTPStatus.NOT_FOUND
        return None


def hosts(port: int) -> frozenset[str]:
    """Return what a browser calls a port of this machine."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
