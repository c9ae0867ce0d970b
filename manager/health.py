# SPDX-License-Identifier: Apache-2.0
"""`/healthz` and `/readyz`, for the kubelet."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kube import pod

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Health:
    """A small ASGI application.

    `/healthz` answers while the event loop turns.  `/readyz` says that certificates are loaded and
    the webhooks answer, and nothing about caches or leadership: filling a cache may need our own
    conversion webhook, which gets no traffic before the pod is ready.  While the process stops it
    says no, though they answer for a while: traffic is to go elsewhere.
    """

    def __init__(self) -> None:
        self.ready = False
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # no request has a body that matters
        path = scope.get("path")
        if path == pod.ALIVE or (path == pod.READY and self.ready):
            status, text = HTTPStatus.OK, b"ok"
        elif path == pod.READY:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            text = b"stopping" if self.stopping else b"the webhooks do not answer yet"
        else:
            status, text = HTTPStatus.NOT_FOUND, f"paths: {pod.ALIVE} {pod.READY}".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})
