# SPDX-License-Identifier: Apache-2.0
"""The FastAPI application of the map: which path shows what."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated, NamedTuple
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from kube.errors import KubeError
from objects.pools import PoolKey

from . import pages, query, views
from .live import Live
from .model import Model
from .overlay import Manifest
from .what_if import WhatIf

_MOST_CHARACTERS = 253
"""Of a search: as many as the name of an object may have."""

_SILENCE_SECONDS = 15.0
"""After which the stream of changes sends something, so that a lost connection shows."""

_MOST_BYTES = 2 * 1024 * 1024
"""Of a form with a manifest: more than the API server can store."""

_TOO_LARGE = (
    "The manifest is larger than 2 MiB. Go back, save the text as a file, and run: "
    "kubectl ipam map -f FILE\n"
)

_Text = Annotated[str, Query(max_length=_MOST_CHARACTERS)]


def _query(q: _Text = "", namespace: _Text = "", cluster: _Text = "") -> query.Query:
    return query.Query(q.strip(), namespace, cluster)


_Wanted = Annotated[query.Query, Depends(_query)]


class Site(NamedTuple):
    """What is served: the cluster, and what manifests would change in it."""

    live: Live
    what_if: WhatIf

    async def model(self, plan: str) -> Model:
        """Return the present state, or the state that a manifest would make.

        Raises:
            HTTPException: the manifest is not known.
            KubeError: the pools cannot be read.
        """
        if not plan:
            return self.live.model
        manifest = self.what_if.find(plan)
        if manifest is None:
            raise HTTPException(
                404, f"the command no longer keeps the manifest {plan}: submit the form again"
            )
        return await self.what_if.changed(self.live.model, manifest)


def create_app(site: Site, base: str) -> FastAPI:
    """Build the application; `base` is the URL before the paths that it sees."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(KubeError, _unreadable)
    app.add_exception_handler(HTTPException, _refused)
    _add_pages(app, site, base)
    _add_form(app, site, base)

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(_stream(site.live), media_type="text/event-stream")

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in pages.STATIC:
            raise HTTPException(404)
        return PlainTextResponse(pages.static(name), media_type=pages.STATIC[name])

    _ = events, static  # FastAPI has them
    return app


def _add_pages(app: FastAPI, site: Site, base: str) -> None:
    @app.get("/", response_class=HTMLResponse)
    async def overview(wanted: _Wanted, plan: _Text = "") -> str:
        return pages.overview(await site.model(plan), pages.Links(base, plan), wanted)

    @app.get("/pools/{kind}/{scope}/{name}", response_class=HTMLResponse)
    async def pool(  # noqa: PLR0913, PLR0917 - FastAPI takes what a URL has as parameters
        kind: str,
        scope: str,
        name: str,
        wanted: _Wanted,
        plan: _Text = "",
        block: _Text = "",
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> str:
        found = await site.model(plan)
        key = PoolKey(kind, "" if scope == "-" else scope, name)
        if key not in found.keys:
            raise HTTPException(404, f"{key} does not exist, or you may not read it")
        window = views.window_of(found, key, block)
        if block and window is None:
            raise HTTPException(404, f"{block} is not a block of {key}")
        view = views.pool(found, key, wanted, window, page)
        return pages.pool(found, pages.Links(base, plan), wanted, view)

    _ = overview, pool  # FastAPI has them


def _add_form(app: FastAPI, site: Site, base: str) -> None:
    @app.post("/")
    @app.post("/pools/{kind}/{scope}/{name}")
    async def what_if(request: Request) -> Response:
        text = await _manifest(request)
        if text is None:
            return PlainTextResponse(_TOO_LARGE, 413)
        manifest = await asyncio.to_thread(Manifest.read, text)
        site.what_if.keep(manifest)
        return RedirectResponse(pages.Links(base, manifest.name).to(request.url.path), 303)

    _ = what_if  # FastAPI has it


async def _manifest(request: Request) -> str | None:
    """Return the manifest of a form; None if it is too large."""
    body, size = bytearray(), 0
    async for piece in request.stream():  # to its end, because a browser shows no answer before
        size += len(piece)
        if size <= _MOST_BYTES:
            body += piece
    if size > _MOST_BYTES:
        return None
    fields = parse_qs(body.decode(errors="replace"))
    return fields.get("manifest", [""])[0].replace("\r\n", "\n")


async def _refused(_request: Request, error: Exception) -> Response:
    """Say in a sentence, not as JSON, what does not exist."""
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code)


async def _unreadable(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"the pools cannot be read: {error}", 503)


async def _stream(live: Live) -> AsyncGenerator[str]:
    """Yield server-sent events: the generation of each model or a failure, and comments."""
    async for state in live.states(_SILENCE_SECONDS):
        yield ":\n\n" if state is None else f"event: state\ndata: {json.dumps(state._asdict())}\n\n"
