# SPDX-License-Identifier: Apache-2.0
"""etcd itself, for what the API server doesn't offer: its whole history, and compaction.

An API server that was restarted forgets what was before (410), etcd doesn't.  It is asked by JSON:
https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
"""

import base64
import json
import ssl
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus

import urllib3

from ..client import Json
from ..errors import EtcdError, LostHistoryError

REQUEST_SECONDS = 10.0  # takes milliseconds; longer only while etcd starts
SILENCE_SECONDS = 1.0  # after which a watch ends: who wants more asks again from where it ended


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one key; `value` is None if it was deleted."""

    revision: int
    key: str
    value: bytes | None


class Etcd:
    """One member, reached as one of its peers."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, ssl_context=tls)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def revision(self) -> int:
        """Return the revision of the last write of any key."""
        answer = self._post("/v3/kv/range", {"key": _coded("/"), "count_only": True})
        return int(answer["header"]["revision"])

    def get(self, key: str) -> str:
        """Return the value of a key, which must exist."""
        answer = self._post("/v3/kv/range", {"key": _coded(key)})
        if not answer.get("kvs"):
            raise EtcdError("get", f"there is no key {key}")
        return base64.b64decode(answer["kvs"][0]["value"]).decode()

    def put(self, pairs: list[tuple[str, str]]) -> None:
        """Write some keys (at most 128) at once, in one revision."""
        puts = [{"requestPut": {"key": _coded(k), "value": _coded(v)}} for k, v in pairs]
        self._post("/v3/kv/txn", {"success": puts})

    def compact(self, revision: int) -> None:
        """Forget what was before a revision."""
        self._post("/v3/kv/compaction", {"revision": str(revision), "physical": True})

    def changes(self, prefix: str, start: int) -> Generator[Change]:
        """Yield the changes of all keys with a prefix from a revision on, in order, as they come.

        Raises:
            LostHistoryError: what was asked for is compacted away.
            EtcdError: it is silent, or gone.
        """
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        keys = {"key": _coded(prefix), "range_end": _coded(end)}
        body = {"create_request": {**keys, "start_revision": str(start)}}
        with closing(self._request("/v3/watch", body, SILENCE_SECONDS)) as response:
            try:
                if response.status != HTTPStatus.OK:
                    raise EtcdError("watch", response.read().decode(errors="replace"))
                for line in _lines(response):
                    result = _result(line)
                    if result.get("canceled"):
                        raise LostHistoryError(start, result)
                    yield from map(_change, result.get("events", ()))
            except urllib3.exceptions.HTTPError as error:
                raise EtcdError("watch", str(error)) from error

    def _post(self, path: str, body: Json) -> Json:
        response = self._request(path, body, REQUEST_SECONDS)
        try:
            text = response.read()
        except urllib3.exceptions.HTTPError as error:
            raise EtcdError(path, str(error)) from error
        finally:
            response.release_conn()
        if response.status != HTTPStatus.OK:
            raise EtcdError(path, text.decode(errors="replace"))
        answer: Json = json.loads(text)
        return answer

    def _request(self, path: str, body: Json, seconds: float) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "POST", self._url + path, json=body, timeout=seconds, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise EtcdError(path, str(error)) from error


def _lines(response: urllib3.BaseHTTPResponse) -> Generator[bytes]:
    rest = b""
    for chunk in response.stream(None):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _result(line: bytes) -> Json:
    answer: Json = json.loads(line)
    if "result" not in answer:
        raise EtcdError("watch", line.decode(errors="replace"))
    result: Json = answer["result"]
    return result


def _change(event: Json) -> Change:
    pair = event["kv"]
    deleted = event.get("type") == "DELETE"
    value = None if deleted else base64.b64decode(pair.get("value", ""))
    return Change(int(pair["mod_revision"]), base64.b64decode(pair["key"]).decode(), value)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
