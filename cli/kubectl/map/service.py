# SPDX-License-Identifier: Apache-2.0
"""The FastAPI application of the map: which path shows what."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from objects.pools import PoolKey

from . import pages, query, views
from .live import Live

_MOST_CHARACTERS = 253
"""Of a search: as many as the name of an object may have."""

_SILENCE_SECONDS = 15.0
"""After which the stream of changes sends something, so that a lost connection shows."""

_Text = Annotated[str, Query(max_length=_MOST_CHARACTERS)]


def _query(q: _Text = "", namespace: _Text = "", cluster: _Text = "") -> query.Query:
    return query.Query(q.strip(), namespace, cluster)


_Wanted = Annotated[query.Query, Depends(_query)]


def create_app(live: Live, base: str) -> FastAPI:
    """Build the application; `base` is the URL before the paths that it sees."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    links = pages.Links(base)

    @app.get("/", response_class=HTMLResponse)
    async def overview(wanted: _Wanted) -> str:
        return pages.overview(live.model, links, wanted)

    @app.get("/pools/{kind}/{scope}/{name}", response_class=HTMLResponse)
    async def pool(  # noqa: PLR0913, PLR0917 - FastAPI takes what a URL has as parameters
        kind: str,
        scope: str,
        name: str,
        wanted: _Wanted,
        block: _Text = "",
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> str:
        key = PoolKey(kind, "" if scope == "-" else scope, name)
        if key not in live.model.keys:
            raise HTTPException(404, f"there is no {key}")
        window = views.window_of(live.model, key, block)
        if block and window is None:
            raise HTTPException(404, f"{block} is not a block of {key}")
        view = views.pool(live.model, key, wanted, window, page)
        return pages.pool(live.model, links, wanted, view)

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(_stream(live), media_type="text/event-stream")

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in pages.STATIC:
            raise HTTPException(404)
        return PlainTextResponse(pages.static(name), media_type=pages.STATIC[name])

    _ = overview, pool, events, static  # FastAPI has them
    return app


async def _stream(live: Live) -> AsyncGenerator[str]:
    """Yield server-sent events: the generation of each model, and comments meanwhile."""
    async for generation in live.generations(_SILENCE_SECONDS):
        yield ":\n\n" if generation is None else f"event: generation\ndata: {generation}\n\n"
