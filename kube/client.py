# SPDX-License-Identifier: Apache-2.0
"""One request to the API server, as bytes in and bytes out."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp
import msgspec
import structlog

from . import metrics, retry
from .errors import (
    ApiError,
    GoneError,
    KubeError,
    UnauthorizedError,
    UnreachableError,
    from_response,
)
from .meta import RawList
from .options import EVERYTHING, ListOptions
from .structs import Struct

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from .connect import Access, Connection
    from .flows import Flows
    from .resources import ApiResource

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 10.0
"""How long a request may take with all its attempts, here and at the server.  It is less than a
lease lasts."""

LIST_SECONDS = 60.0
"""The same for one page of a list: a conversion webhook may be asked for each object."""

WATCH_SECONDS = 290
"""How long a watch is asked to last; servers end one after 5 to 10 minutes anyway."""

_WATCH_SILENCE_SECONDS = 135.0  # two bookmarks have not come: at the server itself something hangs
_SUSPECT_SECONDS = 2.0  # without an answer, for a caller that gives up: then a flow may be gone
_LEAST_SECONDS = 1.0  # of an attempt: the API server counts time-outs in whole seconds
_PAGE = 500  # objects per page: what kubectl asks for, about 0.5 MB
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""asyncio's own is used: aiohttp's, which nests, takes a cancellation of the task that comes at the
same moment for its own, and the task then waits for ever for work that never comes."""

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
A = TypeVar("A")

_ERRORS = 400  # the first status code that is one
_NO_ANSWER = (aiohttp.ClientError, OSError, UnicodeError)
"""What is raised where nobody answers; a host that is no name at all cannot even be encoded."""


class Api(Protocol):
    """An API server, as the runtime uses it: this client, a fenced one, or the fake."""

    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        """Read one object."""
        ...

    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        """Read one page of a collection."""
        ...

    def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        """Yield watch events, each as the bytes of its JSON."""
        ...

    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        """Write a new object."""
        ...

    async def patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        """Apply a JSON merge patch; a resourceVersion in it must be the present one."""
        ...

    async def delete(self, resource: ApiResource, namespace: str, name: str, uid: str) -> bytes:
        """Delete an object if it still has this uid.

        Returns:
            The object if finalizers hold it, else a Status.
        """
        ...

    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        """Return the groups that are served and their ETag; None if that is still `etag`."""
        ...


async def pages(
    api: Api,
    resource: ApiResource,
    namespace: str = "",
    name: str = "",
    start_over: Callable[[], None] | None = None,
) -> AsyncGenerator[RawList]:
    """List a collection page by page, in its state in etcd's quorum at the first request.

    With a `name`, only the object of that name: a list needs no right to get.

    Flow:
        Where history is compacted away between two pages, `start_over` is called, which must drop
        what the pages so far have brought; then the whole list follows as one page, as client-go's
        pager does it.  Such a list can't be overtaken by the next compaction.

    Raises:
        GoneError: history is compacted away, and there is no `start_over`.
        KubeError: the API server refused or could not be reached.
    """
    selector = f"metadata.name={name}" if name else ""
    options = ListOptions(namespace, selector, _PAGE)
    while True:
        try:
            answer = await api.list(resource, options)
        except GoneError:
            if start_over is None or not options.continue_:
                raise
            start_over()
            options = ListOptions(namespace, selector)
            continue
        page = decode(answer, RawList, f"LIST {resource.path(namespace)}")
        yield page
        if not page.metadata.continue_:
            return
        options = ListOptions(namespace, selector, _PAGE, page.metadata.continue_)


async def may_follow(api: Api, resource: ApiResource) -> bool:
    """Return whether we may list and watch a resource in all namespaces, by trying it.

    Takes a second if nothing changes meanwhile.

    Raises:
        KubeError: the API server refused for another reason, or could not be reached.
    """
    try:
        await api.list(resource, ListOptions(limit=1))
        await try_watch(api, resource, ListOptions(timeout_seconds=1))
    except ApiError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return False
        raise
    return True


async def list_all(
    api: Api, resource: ApiResource, kind: type[S], namespace: str = "", name: str = ""
) -> list[S]:
    """Return all objects of a collection, decoded; with a `name`, only the object of that name.

    Raises:
        KubeError: the API server refused or could not be reached.
    """
    found, request = list[S](), f"LIST {resource.path(namespace)}"
    async for page in pages(api, resource, namespace, name, start_over=found.clear):
        found += [decode(raw, kind, request) for raw in page.items or ()]
    return found


async def try_watch(api: Api, resource: ApiResource, options: ListOptions) -> None:
    """Open a watch, and end it after its first event.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    async with aclosing(api.watch(resource, options)) as events:
        await anext(events, None)


def decode(answer: bytes, kind: type[S], request: str) -> S:
    """Decode the response to a request.

    Raises:
        UnreachableError: it is not from an API server, but a proxy's page, for example.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise UnreachableError(request, f"an answer that cannot be read: {error}") from error


def _unfenced() -> float:
    return REQUEST_SECONDS


@dataclass(frozen=True, slots=True)
class _Request:
    """A request without credentials; `reads` says that it changes nothing."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] | None = None
    content_type: str = _JSON
    watch: bool = False
    headers: Mapping[str, str] | None = None

    @property
    def reads(self) -> bool:
        return self.body is None

    def __str__(self) -> str:
        return f"{'WATCH' if self.watch else self.method} {self.path}"


class Client:
    """Sends requests on an open connection.

    `write_seconds` says, before each write, how long it may take; it raises where none may be sent.
    `sleep` waits between attempts.

    Flow:
        What may be sent again is (see `retry`), for as long as the request has time; after a 401
        once with other credentials, where there are some.

    Raises (every method):
        ApiError: the API server refused.
        CredentialsError: there is nothing at present to be let in with.
        UnreachableError: no answer, a late one, or an internal error of the server.
    """

    def __init__(
        self,
        connection: Connection,
        write_seconds: Callable[[], float] = _unfenced,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._write_seconds = write_seconds
        self._sleep = sleep

    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        """Read one object."""
        return await self.send("GET", resource.path(namespace, name))

    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        """Read one page of a collection."""
        path = resource.path(options.namespace)
        return await self.send("GET", path, params=options.query, seconds=LIST_SECONDS)

    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        """Write a new object."""
        return await self.send("POST", resource.path(namespace), body)

    async def patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        """Apply a JSON merge patch; a resourceVersion in it must be the present one."""
        path = resource.path(namespace, name, subresource)
        return await self.send("PATCH", path, body, content_type=_MERGE_PATCH)

    async def delete(self, resource: ApiResource, namespace: str, name: str, uid: str) -> bytes:
        """Delete an object if it still is the one with this uid."""
        body = b'{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"%s"}}'
        return await self.send("DELETE", resource.path(namespace, name), body % uid.encode())

    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        """Return the served groups and their ETag, by aggregated discovery if it is available."""
        headers = {"Accept": _DISCOVERY} | ({"If-None-Match": etag} if etag else {})
        request = _Request("GET", "/apis", headers=headers)
        return await self._attempts(request, self._discovered, REQUEST_SECONDS)

    async def time(self) -> datetime:
        """Return the API server's time, to the second; objects have their timestamps from it."""
        return await self._attempts(_Request("GET", "/version"), self._dated, REQUEST_SECONDS)

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
        """Send one request and return the body of its answer."""
        request = _Request(method, path, body, params, content_type)
        return await self._attempts(request, self._answer, seconds)

    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        """Yield watch events, each as the bytes of its JSON, until the server ends the watch."""
        path = resource.path(options.namespace)
        query = {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS), **options.query}
        request = _Request("GET", path, params=query, watch=True)
        opened = await self._attempts(request, self._open, REQUEST_SECONDS)
        try:
            async with opened as response:
                async for line in _lines(response.content, self._connection.flows):
                    yield line
        except _NO_ANSWER as error:  # TimeoutError is an OSError
            raise UnreachableError(str(request), _text(error)) from error

    async def _attempts(
        self,
        request: _Request,
        attempt: Callable[[_Request, Access, float], Awaitable[A]],
        seconds: float,
    ) -> A:
        """Return the result of the first attempt that does not fail.

        `attempt` gets the request, its credentials, and the seconds for which it may wait.
        """
        clock = asyncio.get_running_loop().time
        access = await self._connection.access()  # may take its time, which is not the request's
        left, end = seconds, clock() + seconds
        attempts, renewed = 0, False
        while True:
            try:
                return await attempt(request, access, left)
            except UnauthorizedError:
                other = None if renewed else await self._connection.other_access(access)
                if other is None:
                    raise
                access, renewed, left = other, True, end - clock()
                continue
            except KubeError as error:
                attempts += 1
                again = request.reads and not request.watch  # who watches begins anew in any case
                pause = retry.pause(error, attempts, random.random, reads=again)
                if pause is None or clock() + pause + _LEAST_SECONDS > end:
                    raise
                log.debug("request is sent again", error=str(error), seconds=pause)
            await self._sleep(pause)
            access, left = await self._connection.access(), end - clock()

    async def _answer(self, request: _Request, access: Access, left: float) -> bytes:
        """Send a request once and return the body of its answer."""
        response, answer = await self._exchange(request, access, left)
        _check(response, answer, request)
        return answer

    async def _dated(self, request: _Request, access: Access, left: float) -> datetime:
        """Ask once for the time; a refusal also has the header `Date`."""
        response, _ = await self._exchange(request, access, left)
        try:
            return parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError) as error:
            raise UnreachableError(str(request), "an answer without a date") from error

    async def _discovered(
        self, request: _Request, access: Access, left: float
    ) -> tuple[bytes, str] | None:
        """Ask once for the groups; return None if the ETag still matches."""
        response, answer = await self._exchange(request, access, left)
        if response.status == HTTPStatus.NOT_MODIFIED:
            return None
        _check(response, answer, request)
        return answer, response.headers.get("ETag", "")

    async def _exchange(
        self, request: _Request, access: Access, left: float
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request once and return the response and its body.

        Flow:
            A write also asks the server to give up in time, so that it is not applied long after we
            stopped waiting for it.
        """
        params = request.params
        if not request.reads:
            left = min(left, self._write_seconds())  # nothing may take time after this
            params = {**(params or {}), "timeout": f"{max(int(left), 1)}s"}
        host, began = self._connection.host, time.perf_counter()
        code: int | str = metrics.NO_ANSWER
        try:
            async with asyncio.timeout(left), await self._sent(request, params, access) as response:
                answer, code = await response.read(), response.status
        except TimeoutError as error:
            raise UnreachableError(str(request), f"no answer in {left:.3g} s") from error
        except _NO_ANSWER as error:
            raise UnreachableError(str(request), _text(error)) from error
        finally:
            seconds = time.perf_counter() - began
            metrics.count_request(host, request.method, code)
            metrics.time_request(host, request.method, seconds)
            if isinstance(code, str) and seconds >= min(_SUSPECT_SECONDS, left):  # nobody answered
                self._connection.suspect(asyncio.get_running_loop().time() - seconds)
        return response, answer

    async def _open(self, request: _Request, access: Access, left: float) -> aiohttp.ClientResponse:
        """Open a watch; count it when it is answered, but do not time it."""
        host = self._connection.host
        code: int | str = metrics.NO_ANSWER
        try:
            async with asyncio.timeout(left):
                response = await self._sent(request, request.params, access)
                code = response.status
                if code >= _ERRORS or response.content_type != _JSON:
                    async with response:
                        _check(response, await response.read(), request)
        except TimeoutError as error:
            raise UnreachableError(str(request), f"no answer in {left:.3g} s") from error
        except _NO_ANSWER as error:
            raise UnreachableError(str(request), _text(error)) from error
        finally:
            metrics.count_request(host, request.method, code)
        return response

    async def _sent(
        self, request: _Request, params: Mapping[str, str] | None, access: Access
    ) -> aiohttp.ClientResponse:
        return await self._connection.session.request(
            request.method,
            self._connection.host + request.path,
            data=request.body,
            params=params,
            headers={
                "Content-Type": request.content_type,
                **(request.headers or {}),
                **access.headers,
            },
            timeout=_NO_TIMEOUT,
            ssl=access.tls,
            server_hostname=self._connection.server_name,
        )


def _check(response: aiohttp.ClientResponse, answer: bytes, request: _Request) -> None:
    """Raise the error that a response reports, if any."""
    if response.status >= _ERRORS:
        retry_after = response.headers.get("Retry-After", "")
        raise from_response(response.status, answer, str(request), retry_after)
    if response.content_type != _JSON:
        raise UnreachableError(str(request), f"answered with {response.content_type}, not JSON")


def _text(error: Exception) -> str:
    """Return the cause of an error; aiohttp's text about a connection contains a Python object."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause: Exception = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    else:
        return str(error) or type(error).__name__
    return f"no connection to {error.host}:{error.port}: {cause}"


async def _lines(content: aiohttp.StreamReader, flows: Flows) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length (the reader's own `readline` has a limit)."""
    rest = b""
    while chunk := await flows.read(content, _WATCH_SILENCE_SECONDS):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
        await asyncio.sleep(0)  # a burst of events must not keep everyone else waiting
