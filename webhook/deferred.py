# SPDX-License-Identifier: Apache-2.0
"""The application of the webhooks' port, whose larger part is imported after the port answers.

Old clients cannot read while a process starts, and FastAPI and the pydantic models take two thirds
of that time.  Small conversion reviews need neither (`direct.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api import resources
from conversion import registry
from kube import imports

from . import conversion_review
from .direct import Direct
from .limits import Bodies

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from .inuse import InUse


class DeferredApp:
    """An ASGI application that answers when `app.py` is imported; until then requests wait.

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
        self._loading: asyncio.Task[FastAPI] | None = None
        self.direct = Direct(conversion_review.PATH, conversion_review.convert, self._bodies)

    async def load(self) -> FastAPI:
        """Import the application, unless that is done, and return it."""
        if self._loading is None:
            self._loading = asyncio.create_task(imports.run(self._create))
        return await asyncio.shield(self._loading)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await self.load()
        await app(scope, receive, send)

    def _create(self) -> FastAPI:
        from .app import create_app  # noqa: PLC0415 - FastAPI: see the module's docstring

        return create_app(self._in_use, self._bodies)
