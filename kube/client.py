# SPDX-License-Identifier: Apache-2.0
"""One request to the API server, as bytes in and bytes out."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp
import msgspec

from . import metrics
from .errors import ApiError, UnreachableError, from_response
from .objects import RawList, Struct

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from .connect import Connection
    from .resources import GroupVersionResource

REQUEST_SECONDS = 10.0
"""How long a request may take, here and at the server; less than a lease lasts."""

LIST_SECONDS = 60.0
"""How long one page of a list may take: a conversion webhook may be asked for each object."""

WATCH_SECONDS = 290
"""How long a watch is asked to last; servers end one after 5 to 10 minutes anyway."""

_WATCH_SILENCE_SECONDS = 95.0  # bookmarks come about once a minute, so then the connection is dead
_PAGE = "500"  # objects per page: what kubectl asks for, about 0.5 MB
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""asyncio's own is used: aiohttp's, which nests, takes a cancellation of the task that comes at the
same moment for its own, and the task then waits for ever for work that nobody gives it."""

_MERGE_PATCH = "application/merge-patch+json"
_JSON = "application/json"
_DISCOVERY = ",".join(
    (
        *(
            f"{_JSON};g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList"
            for v in ("v2", "v2beta1")
        ),
        _JSON,
    )
)
"""Aggregated discovery, of Kubernetes 1.30 and later, or of 1.26 and later; else the old one."""

S = TypeVar("S", bound=Struct)

_ERRORS = 400  # the first status code that is one


class Api(Protocol):
    """What the runtime needs of an API server: this client, a fenced one, or `kube.fake`."""

    async def get(self, resource: GroupVersionResource, namespace: str, name: str) -> bytes:
        """Read one object."""
        ...

    async def list(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """Read one page of a collection; all namespaces where none is given."""
        ...

    def watch(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Yield watch events, each as the bytes of its JSON."""
        ...

    async def create(self, resource: GroupVersionResource, namespace: str, body: bytes) -> bytes:
        """Write a new object."""
        ...

    async def patch(
        self,
        resource: GroupVersionResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        """Apply a JSON merge patch; a resourceVersion in it must be the present one."""
        ...

    async def delete(
        self, resource: GroupVersionResource, namespace: str, name: str, uid: str
    ) -> bytes:
        """Delete an object if it still is the one with this uid.

        Returns:
            The object where finalizers hold it, else a Status.
        """
        ...

    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        """Return what groups are served, and the ETag of that; None where it still is `etag`."""
        ...


async def pages(
    api: Api, resource: GroupVersionResource, namespace: str = "", name: str = ""
) -> AsyncGenerator[RawList]:
    """List a collection page by page, as etcd's quorum has it when the first one is asked for.

    With a `name`, only the object of that name: a list needs no right to get.

    Raises:
        KubeError: the API server refused or could not be reached.
    """
    selector = {"fieldSelector": f"metadata.name={name}"} if name else {}
    params = {"limit": _PAGE, **selector}
    while True:
        answer = await api.list(resource, namespace, params)
        page = decode(answer, RawList, f"LIST {resource.path(namespace)}")
        yield page
        if not page.metadata.continue_:
            return
        params = {"limit": _PAGE, "continue": page.metadata.continue_, **selector}


async def may_follow(api: Api, resource: GroupVersionResource) -> bool:
    """Tell whether we are allowed to list and watch a collection in all namespaces, by trying.

    Takes a second where there is nothing to be told of.

    Raises:
        KubeError: the API server refused for another reason, or could not be reached.
    """
    try:
        await api.list(resource, "", {"limit": "1"})
        async with aclosing(api.watch(resource, "", {"timeoutSeconds": "1"})) as events:
            await anext(events, None)
    except ApiError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return False
        raise
    return True


def decode(answer: bytes, kind: type[S], request: str) -> S:
    """Read what a request answered.

    Raises:
        UnreachableError: it is nothing that an API server answers; a proxy's page, for one.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise UnreachableError(request, f"an answer that cannot be read: {error}") from error


def _unfenced() -> float:
    return REQUEST_SECONDS


class Client:
    """Sends requests on an open connection.

    `write_seconds` says, before each write, how long it may take; it raises where none may be sent.

    Raises (every method):
        ApiError: the API server refused.
        UnreachableError: no answer, a late one, or an internal error of the server.
    """

    def __init__(
        self, connection: Connection, write_seconds: Callable[[], float] = _unfenced
    ) -> None:
        self._connection = connection
        self._write_seconds = write_seconds

    async def get(self, resource: GroupVersionResource, namespace: str, name: str) -> bytes:
        """Read one object."""
        return await self.send("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        """Read one page of a collection; all namespaces where none is given."""
        path = resource.path(namespace)
        return await self.send("GET", path, params=params, seconds=LIST_SECONDS)

    async def create(self, resource: GroupVersionResource, namespace: str, body: bytes) -> bytes:
        """Write a new object."""
        return await self.send("POST", resource.path(namespace), body)

    async def patch(
        self,
        resource: GroupVersionResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        """Apply a JSON merge patch; a resourceVersion in it must be the present one."""
        path = resource.path(namespace, name, subresource)
        return await self.send("PATCH", path, body, content_type=_MERGE_PATCH)

    async def delete(
        self, resource: GroupVersionResource, namespace: str, name: str, uid: str
    ) -> bytes:
        """Delete an object if it still is the one with this uid."""
        body = b'{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"%s"}}'
        return await self.send("DELETE", resource.path(namespace, name), body % uid.encode())

    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        """Return what groups are served, aggregated where the API server can, and its ETag."""
        headers = {"Accept": _DISCOVERY, **await self._connection.authorization()}
        headers |= {"If-None-Match": etag} if etag else {}
        host, request = self._connection.host, "GET /apis"
        code: int | str = metrics.NO_ANSWER
        try:
            async with (
                asyncio.timeout(REQUEST_SECONDS),
                self._connection.session.get(
                    f"{host}/apis", headers=headers, timeout=_NO_TIMEOUT
                ) as response,
            ):
                answer, code = await response.read(), response.status
        except TimeoutError as error:
            raise UnreachableError(request, f"no answer in {REQUEST_SECONDS:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(request, str(error) or type(error).__name__) from error
        finally:
            metrics.count_request(host, "GET", code)
        if response.status >= _ERRORS:
            raise from_response(response.status, answer, request)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return None
        return answer, response.headers.get("ETag", "")

    async def send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = _JSON,
        seconds: float = REQUEST_SECONDS,
    ) -> bytes:
        """Send one request and return the body of its answer.

        Flow:
            A write also asks the server to give up in time, so that it is not applied long after we
            stopped waiting for it.
        """
        headers = {"Content-Type": content_type, **await self._connection.authorization()}
        request = f"{method} {path}"
        if body is not None:
            seconds = self._write_seconds()  # nothing may take time between this and the request
            params = {**(params or {}), "timeout": f"{int(seconds)}s"}
        host, began = self._connection.host, time.perf_counter()
        code: int | str = metrics.NO_ANSWER
        try:
            async with (
                asyncio.timeout(seconds),
                self._connection.session.request(
                    method,
                    host + path,
                    data=body,
                    params=params,
                    headers=headers,
                    timeout=_NO_TIMEOUT,
                ) as response,
            ):
                answer, code = await response.read(), response.status
        except TimeoutError as error:
            raise UnreachableError(request, f"no answer in {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(request, str(error) or type(error).__name__) from error
        finally:
            metrics.count_request(host, method, code)
            metrics.time_request(host, method, time.perf_counter() - began)
        if response.status >= _ERRORS:
            raise from_response(response.status, answer, request)
        if response.content_type != _JSON:
            raise UnreachableError(request, f"answered with {response.content_type}, not JSON")
        return answer

    async def watch(
        self,
        resource: GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Yield watch events, each as the bytes of its JSON, until the server ends the watch."""
        path = resource.path(namespace)
        query = {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS), **(params or {})}
        request = f"WATCH {path}"
        try:
            async with await self._open(path, query) as response:
                if response.status >= _ERRORS:
                    raise from_response(response.status, await response.read(), request)
                if response.content_type != _JSON:
                    raise UnreachableError(request, f"answered with {response.content_type}")
                async for line in _lines(response.content):
                    yield line
        except TimeoutError as error:
            raise UnreachableError(request, "nothing heard, not even a bookmark") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(request, str(error) or type(error).__name__) from error

    async def _open(self, path: str, query: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Begin a watch, which is counted when it is answered, and not timed."""
        host, headers = self._connection.host, await self._connection.authorization()
        code: int | str = metrics.NO_ANSWER
        try:
            response = await self._connection.session.get(
                host + path,
                params=query,
                headers=headers,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=REQUEST_SECONDS, sock_read=_WATCH_SILENCE_SECONDS
                ),
            )
            code = response.status
        finally:
            metrics.count_request(host, "GET", code)
        return response


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length (the reader's own `readline` has a limit)."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        await asyncio.sleep(0)  # a burst of events must not keep everyone else waiting
