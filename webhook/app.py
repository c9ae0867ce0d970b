# SPDX-License-Identifier: Apache-2.0
"""The FastAPI application: which path answers which review."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api import resources
from kube import pools

from . import admission_review, conversion_review, shape
from .errors import RequestError
from .inuse import InUse
from .limits import Bodies
from .protocol import WRITE_BYTES
from .worker import Worker

_Answer = Callable[[bytes], Awaitable[bytes]]


def create_app(in_use: InUse | None, bodies: Bodies) -> FastAPI:
    """Build the application, and load what its reviews need.

    Args:
        in_use: Whom admission asks; None leaves out admission, for conversion without a cluster.
        bodies: The limits of requests.

    Guarantees:
        Every answer is a review or a 4xx with a line of text.
    """
    worker = Worker()
    # The paths are Kubernetes' contract: not an API of its own, and no others are close enough.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    convert = conversion_review.Converter(worker).convert
    _post(app, conversion_review.PATH, _Endpoint(convert, bodies))
    if in_use is None:
        return app
    shape.load()
    for resource in resources.POOLS:
        validate, mutate = _admission(resource.kind, in_use, worker)
        _post(app, resource.validating_path(pools.HUB), _Endpoint(validate, bodies))
        _post(app, resource.mutating_path(pools.HUB), _Endpoint(mutate, bodies))
    return app


def _post(app: FastAPI, path: str, endpoint: ASGIApp) -> None:
    app.router.routes.append(Route(path, endpoint, methods=["POST"]))


class _Endpoint:
    """Reviews in, reviews out, at one path.

    An ASGI application, because the answer counts against the limits until its client has read it,
    and a FastAPI endpoint is over before.
    """

    def __init__(self, answer: _Answer, bodies: Bodies) -> None:
        self._answer = answer
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await self._review(Request(scope, receive), send)
        except RequestError as error:
            refusal = Response(f"{error}\n", error.status, media_type="text/plain")
            await refusal(scope, receive, send)
        except ClientDisconnect:  # nobody is there to read an answer
            await Response(status_code=HTTPStatus.BAD_REQUEST)(scope, receive, send)

    async def _review(self, request: Request, send: Send) -> None:
        async with self._bodies.read(request) as body:
            review = await self._answer(body)
            with self._bodies.hold(len(review)):
                await _send(review, send)


async def _send(review: bytes, send: Send) -> None:
    """Send an answer, and return when all but the last piece is on its way.

    Flow:
        In pieces, because TLS takes whatever is written at once, whether the client reads or not.
    """
    length = str(len(review)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    for begin in range(0, len(review), WRITE_BYTES):
        end = begin + WRITE_BYTES
        more = end < len(review)
        await send({"type": "http.response.body", "body": review[begin:end], "more_body": more})


def _admission(kind: str, in_use: InUse, worker: Worker) -> tuple[_Answer, _Answer]:
    async def validate(body: bytes) -> bytes:
        return await admission_review.validate(body, kind, in_use, worker)

    async def mutate(body: bytes) -> bytes:
        return await admission_review.mutate(body, kind, worker)

    return validate, mutate
