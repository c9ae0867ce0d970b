# SPDX-License-Identifier: Apache-2.0
"""The application of the webhooks' port, whose larger part is imported after the port answers.

Old clients cannot read while a process starts, and FastAPI and the pydantic models take two thirds
of that time.  Conversion needs neither.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api import resources
from conversion import registry
from kube import imports

from . import conversion_review
from .direct import Direct
from .endpoint import Endpoint
from .limits import Bodies
from .worker import Worker

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from .inuse import InUse


class DeferredApp:
    """An ASGI application that converts at once, and answers all else when `app.py` is imported.

    Guarantees:
        What answers directly shares its limits.
    """

    def __init__(self, in_use: InUse | None = None, bodies: Bodies | None = None) -> None:
        """Prepare it; nothing is imported or connected here that conversion does not need.

        Args:
            in_use: Whom admission asks; None leaves out admission, for conversion without a
                cluster.
            bodies: The limits of requests.

        Raises:
            MissingPairError: a version is served that cannot be converted.
        """
        pools = resources.POOLS
        registry.check((pool.kind, version) for pool in pools for version in pool.versions)
        self._in_use = in_use
        self._bodies = bodies or Bodies()
        self._worker = Worker()
        convert = conversion_review.Converter(self._worker).convert
        self._convert = Endpoint(convert, self._bodies)
        self._loading: asyncio.Task[FastAPI] | None = None
        self.direct = Direct(conversion_review.PATH, conversion_review.convert, self._bodies)

    async def load(self) -> FastAPI:
        """Import the application, unless that is done, and return it."""
        if self._loading is None:
            self._loading = asyncio.create_task(imports.run(self._create))
        return await asyncio.shield(self._loading)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_conversion = (scope["method"], scope["path"]) == ("POST", conversion_review.PATH)
        app = self._convert if is_conversion else await self.load()
        await app(scope, receive, send)

    def _create(self) -> FastAPI:
        from .app import create_app  # noqa: PLC0415 - FastAPI: see the module's docstring

        return create_app(self._convert, self._in_use, self._bodies, self._worker)
