# SPDX-License-Identifier: Apache-2.0
"""The ASGI application that converts objects for the API server."""

from http import HTTPStatus

from ..conversion.registry import Registry
from .asgi import Receive, Scope, Send
from .conversion_review import Converter
from .direct import Direct
from .endpoint import Endpoint, refuse
from .errors import RequestError
from .limits import Bodies
from .worker import Worker


class ConversionApp:
    """Answers ConversionReviews at one path, within limits of bytes and time.

    Guarantees:
        Every answer is a review or a 4xx with a line of text.

    Caveats:
        Connections, TLS and the time for headers are the server's business.
    """

    def __init__(
        self,
        registry: Registry,
        path: str = "/convert",
        bodies: Bodies | None = None,
        worker: Worker | None = None,
    ) -> None:
        """Prepare it.

        Args:
            registry: The kinds, and how their versions convert.
            path: Where reviews come: the `path` of the kinds' `ConversionWebhook`.
            bodies: The limits of requests, for several applications together.
            worker: Runs large reviews in a thread.

        Raises:
            MissingPairError: a served version has no conversion.
        """
        registry.check()
        self._path = path
        bodies = bodies or Bodies()
        converter = Converter(registry, worker or Worker())
        self._endpoint = Endpoint(converter.convert, bodies)
        self.direct = Direct(path, converter.answer, bodies)
        """For a server that can answer small reviews without ASGI, three times as fast."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"{scope['type']} is not HTTP")  # ASGI's servers go on then
        if (scope["method"], scope["path"]) == ("POST", self._path):
            await self._endpoint(scope, receive, send)
        else:
            problem = f"POST a review to {self._path}"
            await refuse(send, RequestError(HTTPStatus.NOT_FOUND, problem))
