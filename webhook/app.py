# SPDX-License-Identifier: Apache-2.0
"""The FastAPI application: which path answers which review."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from api import resources
from conversion import registry
from kube import pools

from . import admission_review, conversion_review
from .errors import RequestError
from .inuse import InUse
from .limits import Bodies

CONVERT_PATH = "/convert"

_Answer = Callable[[bytes], Awaitable[bytes]]
_Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(in_use: InUse | None = None, bodies: Bodies | None = None) -> FastAPI:
    """Build the application.

    Args:
        in_use: Whom admission asks; None leaves out admission, for conversion without a cluster.
        bodies: The limits of requests.

    Guarantees:
        Every answer is a review or a 4xx with a line of text.  Nothing is imported or connected
        here that conversion does not need.

    Raises:
        MissingPairError: a version is served that cannot be converted.
    """
    registry.check((pool.kind, version) for pool in resources.POOLS for version in pool.versions)
    bodies = bodies or Bodies()
    app = FastAPI(openapi_url=None)  # the paths are Kubernetes' contract, not an API of its own
    _post(app, CONVERT_PATH, _endpoint(conversion_review.convert, bodies))
    if in_use is None:
        return app
    for resource in resources.POOLS:
        validate, mutate = _admission(resource.kind, in_use)
        _post(app, resource.validating_path(pools.HUB), _endpoint(validate, bodies))
        _post(app, resource.mutating_path(pools.HUB), _endpoint(mutate, bodies))
    return app


def _post(app: FastAPI, path: str, endpoint: _Endpoint) -> None:
    app.add_api_route(path, endpoint, methods=["POST"], response_class=Response)


def _endpoint(answer: _Answer, bodies: Bodies) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            async with bodies.read(request) as body:
                review = await answer(body)
        except RequestError as error:
            return Response(f"{error}\n", error.status, media_type="text/plain")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return Response(review, media_type="application/json")

    return endpoint


def _admission(kind: str, in_use: InUse) -> tuple[_Answer, _Answer]:
    async def validate(body: bytes) -> bytes:
        return await admission_review.validate(body, kind, in_use)

    async def mutate(body: bytes) -> bytes:
        return admission_review.mutate(body, kind)

    return validate, mutate
