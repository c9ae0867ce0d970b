# SPDX-License-Identifier: Apache-2.0
"""`/healthz` and `/readyz`, for the kubelet."""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import structlog

from kube.liveness import LIVENESS

from . import pod

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 4.0  # less than the probe's `timeoutSeconds` of 5, so that the answer says why
_LOOPBACK = "127.0.0.1"


class Target(NamedTuple):
    """Where the webhooks listen; an empty host is all interfaces."""

    host: str
    port: int


class Health:
    """A small ASGI application.

    `/healthz` says that the event loop turns and that no job is lost (`kube.liveness`).  `/readyz`
    says that certificates are loaded and the webhooks answer, and nothing about caches or
    leadership: filling a cache may need our own conversion webhook, which gets no traffic before
    the pod is ready.  A probe that arrives during the start waits until the webhooks answer: the
    kubelet's next one would come a second later.  During the stop it fails although the webhooks
    still answer, so that traffic goes elsewhere.
    """

    def __init__(self) -> None:
        self._stopping = False
        self._settled = asyncio.Event()
        self._webhooks: Target | None = None

    def set_ready(self, webhooks: Target | None) -> None:
        """Become ready; `webhooks` is the address to dial, or None if webhooks are off."""
        self._webhooks = webhooks
        self._settled.set()

    def set_stopping(self) -> None:
        """Stop being ready."""
        self._stopping = True
        self._settled.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # no request has a body that matters
        status, text = await self._answer(scope.get("path"))
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    async def _answer(self, path: str | None) -> tuple[HTTPStatus, str]:
        if path not in (pod.ALIVE, pod.READY):
            return HTTPStatus.NOT_FOUND, f"paths: {pod.ALIVE} {pod.READY}"
        problem = _lost() if path == pod.ALIVE else await self._not_ready()
        return (HTTPStatus.SERVICE_UNAVAILABLE, problem) if problem else (HTTPStatus.OK, "ok")

    async def _not_ready(self) -> str:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._settled.wait()
                if self._stopping:
                    return "stopping"
                return await _dial(self._webhooks) if self._webhooks else ""
        except TimeoutError:
            return _silent(self._webhooks)


def _lost() -> str:
    """Return which jobs are lost, and leave it in the log: the kubelet shows no body."""
    problems = LIVENESS.problems()
    if problems:
        log.error("not alive; the kubelet is to restart this container", problems=problems)
    return "\n".join(problems)


def _silent(target: Target | None) -> str:
    if target is None:
        return "the webhooks do not answer yet"
    return f"the webhooks at port {target.port} do not answer within {_ANSWER_SECONDS:g} s"


async def _dial(target: Target) -> str:
    """Make a TLS handshake with the webhooks; return why that fails, or nothing.

    Raises:
        TimeoutError: the caller's time is over.
    """
    try:
        host = target.host or _LOOPBACK
        _, writer = await asyncio.open_connection(host, target.port, ssl=_any_certificate())
    except TimeoutError:
        raise
    except OSError as error:
        return f"the webhooks at port {target.port} do not answer: {error}"
    writer.transport.abort()
    return ""


def _any_certificate() -> ssl.SSLContext:
    """Return a context that trusts all: who answers at this port is ourselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
