# SPDX-License-Identifier: Apache-2.0
"""A small synchronous client of the API server, which speaks JSON and hides nothing.

Independent of the code under test on purpose: what `kube` gets wrong, this one must not.
"""

import json
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from .errors import RefusedError

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
REQUEST_SECONDS = 60.0  # the API server's own limit for a request
FIELD_MANAGER = "envtest"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API server: its body, and the warnings that came along."""

    body: Json
    warnings: tuple[str, ...]


class Client:
    """Requests by path, in the name of one user, who waits so many seconds for each answer."""

    def __init__(
        self,
        server: str,
        tls: ssl.SSLContext,
        token: str | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.server = server
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(
            maxsize=16, retries=False, timeout=seconds, ssl_context=tls
        )

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: Json | str | None = None,
        *,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; `str` bodies go out as they are.

        Raises:
            RefusedError: the answer is a failure.
        """
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers, "Accept": "application/json", "Content-Type": content_type}
        data = json.dumps(body) if isinstance(body, dict) else body
        response = self._pool.request(method, url, body=data, headers=headers)
        answer = _decoded(response.data, response.status)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{method} {path}", answer)
        return Answer(answer, tuple(response.headers.getlist("Warning")))

    def answers(self, path: str) -> bool:
        """Return whether GET of `path` gives 200; False also if nothing listens."""
        try:
            response = self._pool.request(
                "GET", f"{self.server}{path}", headers=self._headers, timeout=5.0
            )
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == HTTPStatus.OK

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str]) -> Generator[Iterator[Json]]:
        """Open a watch; the block gets an iterator over its events, which ends with the watch."""
        url = f"{self.server}{path}?{urlencode(query)}"
        response = self._pool.request("GET", url, headers=self._headers, preload_content=False)
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise RefusedError(f"WATCH {path}", _decoded(response.data, response.status))
            yield _lines(response)
        finally:
            response.close()

    def resource(self, version: str, plural: str, namespace: str | None = None) -> "Resource":
        """Return the door to one kind's objects; `version` as in apiVersion."""
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        scope = f"/namespaces/{quote(namespace)}" if namespace else ""
        return Resource(self, f"{root}{scope}/{plural}")


class Resource:
    """Objects of one kind in one version, in one namespace or cluster-wide."""

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self.path = path

    def _one(self, name: str, subresource: str = "") -> str:
        return f"{self.path}/{quote(name)}" + (f"/{subresource}" if subresource else "")

    def get(self, name: str) -> Json:
        """Return one object."""
        return self.client.request("GET", self._one(name)).body

    def find(self, name: str) -> Json | None:
        """Return one object, or None if there is none of that name."""
        try:
            return self.get(name)
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def list(self, **query: str) -> list[Json]:
        """Return all objects, in the API server's order (by namespace and name)."""
        items: list[Json] = self.listing(**query)["items"]
        return items

    def listing(self, **query: str) -> Json:
        """Return the whole list with its own resourceVersion."""
        return self.client.request("GET", self.path, query=query).body

    def create(self, body: Json) -> Json:
        """Create an object."""
        return self.submit(body).body

    def submit(self, body: Json | str, content_type: str = "application/json") -> Answer:
        """Create an object from any text; return the answer with its warnings."""
        return self.client.request("POST", self.path, body, content_type=content_type)

    def replace(self, body: Json, subresource: str = "") -> Json:
        """Replace the object of that name (PUT)."""
        path = self._one(body["metadata"]["name"], subresource)
        return self.client.request("PUT", path, body).body

    def edit(self, name: str, change: Callable[[Json], None], subresource: str = "") -> Json:
        """Read, change in place and write back; again where somebody else wrote in between."""
        while True:
            body = self.get(name)
            change(body)
            try:
                return self.replace(body, subresource)
            except RefusedError as error:
                if error.reason != "Conflict":
                    raise

    def merge(self, name: str, patch: Json, subresource: str = "") -> Json:
        """Apply a JSON merge patch."""
        path = self._one(name, subresource)
        return self.client.request("PATCH", path, patch, content_type=MERGE).body

    def apply(self, body: Json, manager: str = FIELD_MANAGER) -> Json:
        """Create or change by server-side apply, taking over fields of other managers."""
        query = {"fieldManager": manager, "force": "true"}
        path = self._one(body["metadata"]["name"])
        return self.client.request("PATCH", path, body, content_type=APPLY, query=query).body

    def delete(self, name: str) -> Json:
        """Ask for the deletion of one object; finalizers may hold it."""
        return self.client.request("DELETE", self._one(name)).body

    def delete_all(self) -> None:
        """Ask for the deletion of all objects."""
        self.client.request("DELETE", self.path)

    @contextmanager
    def watch(self, since: str, seconds: int = 300) -> Generator[Iterator[Json]]:
        """Watch what happens after resourceVersion `since`, for at most `seconds`."""
        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": str(seconds)}
        with self.client.stream(self.path, query) as events:
            yield events


def _decoded(data: bytes, status: int) -> Json:
    """Decode a body; anything but a JSON object, such as a proxy's text, becomes a Status."""
    try:
        body: Json = json.loads(data)
    except ValueError:
        return {"code": status, "message": data.decode(errors="replace")}
    return body


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[Json]:
    rest = b""
    for chunk in response.stream(65536, decode_content=True):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in whole if line)
