# SPDX-License-Identifier: Apache-2.0
"""Debug pages and the log level, and who may have them; tests/apiserver asks a real API server."""

import asyncio
import json
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric, Sample
from prometheus_client.registry import Collector
from typing_extensions import override

from controller import metrics
from controller.state import State
from kube import auth
from kube import metrics as runtime
from kube.queue import Queue
from kube.resources import ApiResource
from kube.testing import fake
from manager import debug, diagnostics, logs
from objects import contracts
from objects.informers import Informers, Scope

TOKEN = "good"  # noqa: S105 - no secret


class Reviewer(fake.FakeApi):
    """Knows one user, by the token, who may do one thing."""

    def __init__(self, verb: str, path: str) -> None:
        super().__init__()
        self.allowed = {"path": path, "verb": verb}

    @override
    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        spec = json.loads(body)["spec"]
        if resource == auth.TOKEN_REVIEWS:
            status = {"authenticated": spec["token"] == TOKEN, "user": {"username": "mia"}}
            return json.dumps({"status": status}).encode()
        allowed = spec["user"] == "mia" and spec["nonResourceAttributes"] == self.allowed
        return json.dumps({"status": {"allowed": allowed}}).encode()


class Call:
    """One request without a server, and what came of it."""

    def __init__(
        self,
        api: fake.FakeApi | None,
        method: str,
        path: str,
        *chunks: bytes,
        bearer: str = TOKEN,
    ) -> None:
        self.app = diagnostics.Diagnostics(api)
        self.unread = list(chunks)
        headers = [(b"authorization", b"Bearer " + bearer.encode())]
        self.scope = {"type": "http", "method": method, "path": path, "headers": headers}
        self.status = 0
        self.text = ""

    async def receive(self) -> Any:
        if not self.unread:
            return {"type": "http.disconnect"}
        chunk = self.unread.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self.unread)}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()

    async def __call__(self) -> "Call":
        await self.app(self.scope, self.receive, self.send)
        return self


READABLE = ("/metrics", "/debug", "/debug/queues", "/debug/caches", "/debug/flags/v")


@pytest.mark.parametrize("path", READABLE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_may_get_a_path_may_get_that_path(method: str, path: str) -> None:
    assert (await Call(Reviewer("get", path), method, path)()).status == 200
    assert (await Call(Reviewer("get", path), method, path, bearer="bad")()).status == 401
    other = await Call(Reviewer("get", f"{path}x"), method, path)()
    assert other.status == 403
    assert f"mia may not get {path}" in other.text


@pytest.fixture
def level() -> Generator[None]:
    before = logs.verbosity()
    logs.set_verbosity(0)
    yield
    logs.set_verbosity(before)


@pytest.mark.usefixtures("level")
async def test_the_verbosity_is_changed_by_who_may_put_it_and_shown() -> None:
    put = await Call(Reviewer("put", debug.LEVEL), "PUT", debug.LEVEL, b"", b"1", b"2\n")()
    assert (put.status, put.text) == (200, "successfully set verbosity to 12\n")

    assert logs.verbosity() == 12
    got = await Call(Reviewer("get", debug.LEVEL), "GET", debug.LEVEL)()
    assert got.text == "12\n"


@pytest.mark.usefixtures("level")
async def test_who_may_only_get_the_verbosity_changes_nothing_and_is_not_listened_to() -> None:
    call = await Call(Reviewer("get", debug.LEVEL), "PUT", debug.LEVEL, b"4")()

    assert call.status == 403
    assert "mia may not put /debug/flags/v" in call.text
    assert (logs.verbosity(), call.unread) == (0, [b"4"])


@pytest.mark.usefixtures("level")
async def test_nobody_changes_the_verbosity_where_nobody_is_asked_who_they_are() -> None:
    call = await Call(None, "PUT", debug.LEVEL, b"4")()

    assert (call.status, logs.verbosity()) == (403, 0)
    assert "--insecure-diagnostics" in call.text
    assert (await Call(None, "GET", debug.LEVEL)()).text == "0\n"


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize(
    "body", [b"", b"debug", b"-1", b"4.5", "\u0664".encode(), b"2147483648", b"1" * 5000]
)
async def test_a_verbosity_that_is_none_changes_nothing(body: bytes) -> None:
    call = await Call(Reviewer("put", debug.LEVEL), "PUT", debug.LEVEL, body)()

    assert (call.status, logs.verbosity()) == (400, 0)


@pytest.mark.usefixtures("level")
async def test_a_body_is_read_no_further_than_a_number_can_go() -> None:
    chunks = [b"1" * 10] * 9

    call = await Call(Reviewer("put", debug.LEVEL), "PUT", debug.LEVEL, *chunks)()

    assert (call.status, len(call.unread)) == (400, 7)


@pytest.mark.usefixtures("level")
async def test_half_a_number_counts_for_nothing() -> None:
    call = Call(Reviewer("put", debug.LEVEL), "PUT", debug.LEVEL)
    messages = [
        {"type": "http.request", "body": b"1", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    await call.app(call.scope, receive, call.send)

    assert (call.status, logs.verbosity()) == (400, 0)


async def page(path: str) -> Any:
    return json.loads((await Call(None, "GET", path)()).text)


async def test_the_index_names_all_pages() -> None:
    assert set(await page("/debug")) == set(READABLE) - {"/metrics", "/debug"}


async def test_pages_say_that_no_controller_runs() -> None:
    for path in ("/debug/queues", "/debug/caches"):
        assert "another replica leads" in (await page(path))["controller"]


async def test_pages_show_the_queues_and_caches_of_the_controller_that_runs() -> None:
    state = State(Informers(fake.FakeApi(), contracts.V1Beta2("v1beta2"), Scope()))
    queue: Queue[str] = Queue("shown", asyncio.get_running_loop().call_later)
    queue.add("default/web")

    with metrics.SHOWN.showing(state), runtime.SERVED.showing(queue, 3):
        queues, caches = await page("/debug/queues"), await page("/debug/caches")

    assert queues["controller"] == caches["controller"] == "running"
    assert queues["queues"]["shown"]["waiting"]["first"][0]["key"] == "default/web"
    assert queues["queues"]["shown"]["workers"] == 3
    assert {each["resource"] for each in caches["caches"]} >= {"ipaddresses", "clusters"}
    assert caches["pools"] == {"count": 0, "first": [], "leftOut": 0}


class Figures(list[Sample]):
    """Remembers in which thread they were written down."""

    written_in: threading.Thread | None = None

    @override
    def __iter__(self) -> Iterator[Sample]:
        self.written_in = threading.current_thread()
        return super().__iter__()


class Witness(Collector):
    """Remembers in which thread it was read."""

    def __init__(self) -> None:
        self.read_in: threading.Thread | None = None
        self.figures = Figures([Sample("witness", {}, 7)])

    @override
    def collect(self) -> Iterable[Metric]:
        self.read_in = threading.current_thread()
        family = GaugeMetricFamily("witness", "Who was there.")
        family.samples = self.figures
        return [family]


async def test_a_scrape_is_read_where_nothing_changes_meanwhile_and_written_elsewhere() -> None:
    witness = Witness()
    REGISTRY.register(witness)

    answered = await Call(None, "GET", "/metrics")()

    REGISTRY.unregister(witness)
    assert "witness 7" in answered.text
    assert witness.read_in is threading.current_thread()
    assert witness.figures.written_in not in (None, threading.current_thread())
