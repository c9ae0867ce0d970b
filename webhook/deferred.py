# SPDX-License-Identifier: Apache-2.0
"""The application on the webhook port, most of which is imported after the port answers.

Clients of old versions cannot read while a process starts.  FastAPI and the pydantic models take
two thirds of that time, and conversion needs neither.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api import resources
from conversion import registry
from crdkit.webhook import ConversionApp
from crdkit.webhook.limits import Bodies
from crdkit.webhook.worker import Worker
from kube import imports

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from .cluster_reader import ClusterReader


class DeferredApp:
    """An ASGI application that converts at once, and answers the rest once `app.py` is imported.

    Guarantees:
        Reviews that are answered directly count against the same limits.
    """

    def __init__(self, cluster: ClusterReader | None = None, bodies: Bodies | None = None) -> None:
        """Prepare conversion; nothing else is imported, and nothing is connected.

        Args:
            cluster: Reads the cluster for admission; None serves conversion alone.
            bodies: The limits of requests.

        Raises:
            MissingPairError: a served version has no conversion.
        """
        self._cluster = cluster
        self._bodies = bodies or Bodies()
        self._worker = Worker()
        self._path = resources.WEBHOOK.path
        self._convert = ConversionApp(registry.REGISTRY, self._path, self._bodies, self._worker)
        self._loading: asyncio.Task[FastAPI] | None = None
        self.direct = self._convert.direct

    async def load(self) -> FastAPI:
        """Import the application once, and return it."""
        if self._loading is None:
            self._loading = asyncio.create_task(imports.run(self._create))
        return await asyncio.shield(self._loading)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_conversion = (scope["method"], scope["path"]) == ("POST", self._path)
        app = self._convert if is_conversion else await self.load()
        await app(scope, receive, send)

    def _create(self) -> FastAPI:
        from .app import create_app  # noqa: PLC0415 - FastAPI: see the module's docstring

        return create_app(self._convert, self._cluster, self._bodies, self._worker)
