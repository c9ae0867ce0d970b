# SPDX-License-Identifier: Apache-2.0
"""The FastAPI application: which path answers which review."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.routing import Route

from api import resources
from crdkit.webhook import ConversionApp
from crdkit.webhook.endpoint import Endpoint
from crdkit.webhook.limits import Bodies
from crdkit.webhook.worker import Worker

from . import admission_review, schema
from .cluster_reader import ClusterReader

_Answer = Callable[[bytes], Awaitable[bytes]]


def create_app(
    convert: ConversionApp, cluster: ClusterReader | None, bodies: Bodies, worker: Worker
) -> FastAPI:
    """Build the application, and load the models that its reviews need.

    Args:
        convert: Answers conversion reviews.
        cluster: Reads the cluster for admission; None serves conversion alone.
        bodies: The limits of requests.
        worker: Runs large reviews in a thread.

    Guarantees:
        Every answer is a review or a 4xx with a line of text.
    """
    # The paths are Kubernetes' contract: not an API of its own, and no others are close enough.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    _post(app, resources.WEBHOOK.path, convert)  # answers 405 to other methods than POST
    if cluster is None:
        return app
    schema.load()
    for resource in resources.POOLS:
        validate, mutate = _admission(resource.kind, cluster, worker)
        _post(app, resource.validating_path(resource.hub), Endpoint(validate, bodies))
        _post(app, resource.mutating_path(resource.hub), Endpoint(mutate, bodies))
    return app


def _post(app: FastAPI, path: str, endpoint: Endpoint | ConversionApp) -> None:
    app.router.routes.append(Route(path, endpoint, methods=["POST"]))


def _admission(kind: str, cluster: ClusterReader, worker: Worker) -> tuple[_Answer, _Answer]:
    async def validate(body: bytes) -> bytes:
        return await admission_review.validate(body, kind, cluster, worker)

    async def mutate(body: bytes) -> bytes:
        return await admission_review.mutate(body, kind, worker)

    return validate, mutate
