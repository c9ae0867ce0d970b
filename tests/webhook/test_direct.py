# SPDX-License-Identifier: Apache-2.0
"""Small conversion reviews are answered in the protocol; every law of the server holds for them."""

import asyncio
import base64
import json
import logging
import zlib
from collections.abc import AsyncGenerator

import pytest
import uvloop
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from webhook_client import REVIEW, connect, review_with_status, send, until

from crdkit.conversion import annotation
from crdkit.webhook import conversion_review, direct, limits
from webhook import connections, deferred, protocol, server, tls

WHOLE = json.dumps(REVIEW).encode()
JSON = "Content-Type: application/json\r\n"


class Recorder(deferred.DeferredApp):
    """Notes what comes to the application."""

    def __init__(self, bodies: limits.Bodies, seen: list[str]) -> None:
        super().__init__(bodies=bodies)
        self._seen = seen

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._seen.append(scope["path"])
        await super().__call__(scope, receive, send)


@pytest.fixture
def seen() -> list[str]:
    """Return the paths of the requests that came to the application."""
    return []


@pytest.fixture
def bodies() -> limits.Bodies:
    return limits.Bodies()


@pytest.fixture
async def running(
    files: tls.Files, seen: list[str], bodies: limits.Bodies
) -> AsyncGenerator[server.Server]:
    one = server.Server(Recorder(bodies, seen), "127.0.0.1", 0, tls.Certificates(files).context)
    await one.start()
    yield one
    await one.stop()


def request(
    headers: str = JSON, body: bytes = WHOLE, line: str = "POST /convert HTTP/1.1"
) -> bytes:
    """Return a request in bytes; its length is told if its headers do not say how it ends."""
    if "chunked" not in headers:
        headers += f"Content-Length: {len(body)}\r\n"
    return f"{line}\r\nHost: x\r\n{headers}\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    """Read one answer: the lines of its head, and its body."""
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    lengths = [line.split()[1] for line in lines if line.startswith(b"content-length")]
    return lines, await reader.readexactly(int(lengths[0]))


def packed() -> bytes:
    """Return a review whose annotation is compressed."""
    kept = base64.b64encode(zlib.compress(json.dumps({"spec": {}}).encode())).decode()
    annotations = {annotation.NAME: json.dumps({"zlib": kept})}
    return WHOLE.replace(
        b'{"name": "blue"}', json.dumps({"name": "blue", "annotations": annotations}).encode()
    )


async def test_reviews_on_one_connection_never_come_to_the_application(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)
    for _ in range(3):
        status, text = await send(reader, writer, "/convert", WHOLE)

        assert status == 200
        spec = json.loads(text)["response"]["convertedObjects"][0]["spec"]
        assert spec == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}
    assert seen == []
    writer.close()


async def test_the_answer_is_the_one_that_the_application_gives(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)

    writer.write(request())
    directly = await answer(reader)
    writer.write(request("Content-Type: application/json; charset=utf-8\r\n"))
    through = await answer(reader)

    assert seen == ["/convert"]
    assert {line for line in directly[0] if not line.startswith(b"date")} == {
        line for line in through[0] if not line.startswith(b"date")
    }
    assert [line.split(b":")[0] for line in directly[0]].count(b"date") == 1
    assert directly[1] == through[1]
    writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(JSON + "Connection: close\r\n"), 200),
        (request(line="POST /convert HTTP/1.0"), 200),
        (request(JSON + "Connection: keep-alive\r\n", line="POST /convert HTTP/1.0"), 200),
        (request(line="POST /convert?timeout=30s HTTP/1.1"), 200),
        (request(JSON + JSON), 200),
        (request(JSON + "Connection: Upgrade\r\nUpgrade: h2c\r\n"), 400),
        (request(body=review_with_status("x" * 12 * 1024)), 200),
        (request(body=packed()), 200),
        (request(body=b""), 400),
        (request(body=WHOLE[:-1]), 400),
        (request("Content-Type: text/yaml\r\n"), 415),
        (request(""), 415),
        (request(line="GET /convert HTTP/1.1"), 405),
        (request(line="PUT /convert HTTP/1.1"), 405),
        (request(line="POST /convert/ HTTP/1.1"), 404),
        (request(line="POST /nothing HTTP/1.1"), 404),
    ],
    ids=[
        "close", "HTTP/1.0", "old keep-alive", "parameters", "twice", "upgrade",
        "large", "packed",
        "empty", "half JSON", "YAML", "no type", "GET", "PUT", "slash", "another path",
    ],
)  # fmt: skip
async def test_what_is_unusual_is_the_application_s_to_answer(
    running: server.Server, seen: list[str], sent: bytes, status: int
) -> None:
    reader, writer = await connect(running)

    writer.write(sent)
    lines, _ = await answer(reader)

    assert int(lines[0].split()[1]) == status
    assert len(seen) == 1
    writer.close()


async def test_a_body_in_chunks_that_came_whole_is_whole(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)
    chunks = b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (WHOLE[:5], len(WHOLE) - 5, WHOLE[5:])

    writer.write(request(JSON + "Transfer-Encoding: chunked\r\n", chunks))
    _, text = await answer(reader)

    assert json.loads(text)["response"]["result"] == {"status": "Success"}
    assert seen == []
    writer.close()


async def test_head_has_no_body_and_keeps_its_connection_in_step(running: server.Server) -> None:
    reader, writer = await connect(running)

    writer.write(request(line="HEAD /convert HTTP/1.1"))
    head = await reader.readuntil(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 405")
    assert (await send(reader, writer, "/convert", WHOLE))[0] == 200
    writer.close()


async def test_a_client_that_expects_100_continue_gets_it(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)
    head = request(JSON + "Expect: 100-continue\r\n")[: -len(WHOLE)]
    writer.write(head)

    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(WHOLE)

    assert (await answer(reader))[0][0].split()[1] == b"200"
    assert seen == ["/convert"]
    writer.close()


async def test_a_client_that_does_not_wait_for_100_continue_is_served(
    running: server.Server,
) -> None:
    reader, writer = await connect(running)

    writer.write(request(JSON + "Expect: 100-continue\r\n"))

    assert (await answer(reader))[0][0].split()[1] == b"200"
    writer.close()


@pytest.mark.parametrize("cut", [10, 60, 110, 200], ids=["line", "headers", "no body", "body"])
async def test_a_review_in_two_pieces_is_answered_all_the_same(
    running: server.Server, seen: list[str], cut: int
) -> None:
    reader, writer = await connect(running)
    sent = request()
    writer.write(sent[:cut])
    await writer.drain()
    await asyncio.sleep(0.1)

    writer.write(sent[cut:])
    _, text = await answer(reader)

    assert json.loads(text)["response"]["result"] == {"status": "Success"}
    assert len(seen) == (sent.index(b"\r\n\r\n") + 4 <= cut), "whole, once its headers are"
    writer.close()


async def test_pipelined_reviews_are_answered_in_order_and_one_of_them_directly(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)
    uids = [f"u-{number}" for number in range(5)]

    writer.write(b"".join(request(body=WHOLE.replace(b"u-1", uid.encode())) for uid in uids))

    answers = [json.loads((await answer(reader))[1]) for _ in uids]
    assert [each["response"]["uid"] for each in answers] == uids
    assert len(seen) == 4, "other connections have their turn between them"
    writer.close()


async def test_a_review_behind_another_request_waits_for_its_answer(
    running: server.Server, seen: list[str]
) -> None:
    reader, writer = await connect(running)

    writer.write(request(line="POST /nothing HTTP/1.1") + request())

    assert [(await answer(reader))[0][0].split()[1] for _ in range(2)] == [b"404", b"200"]
    assert seen == ["/nothing", "/convert"]
    writer.close()


async def test_garbage_behind_a_review_is_refused_after_its_answer(running: server.Server) -> None:
    reader, writer = await connect(running)

    writer.write(request() + b"\x00\r\n\r\n")

    assert (await answer(reader))[0][0].split()[1] == b"200"
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_client_that_is_gone_before_its_answer_is_no_error(
    running: server.Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for sent in (request(), request()[:-5]):
            _, writer = await connect(running)
            writer.write(sent)
            await writer.drain()
            writer.transport.abort()
        reader, writer = await connect(running)

        assert (await send(reader, writer, "/convert", WHOLE))[0] == 200
    assert caplog.records == []
    writer.close()


async def test_a_stop_closes_the_connections_whose_reviews_are_answered(
    running: server.Server,
) -> None:
    reader, writer = await connect(running)
    await send(reader, writer, "/convert", WHOLE)

    async with asyncio.timeout(5):
        await running.stop()
        assert await reader.read() == b""
    writer.close()


async def test_a_review_that_has_half_come_is_answered_when_the_server_stops(
    running: server.Server,
) -> None:
    reader, writer = await connect(running)
    writer.write(request()[:-5])
    await until(lambda: bool(running._server.server_state.tasks))

    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.3)  # uvicorn looks ten times a second whether to stop
    writer.write(request()[-5:])

    assert (await answer(reader))[0][0].split()[1] == b"200"
    await stopping
    writer.close()


def test_a_client_that_reads_no_answers_is_closed_and_none_pile_up(
    files: tls.Files, bodies: limits.Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 1.0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # which counts what waits
        most = runner.run(most_unread(files, bodies))

    assert limits.WRITE_BYTES < most < 2 * limits.WRITE_BYTES + direct.ANSWER_BYTES
    assert not bodies._held


async def most_unread(files: tls.Files, bodies: limits.Bodies) -> int:
    """Send reviews one by one until the connection is closed; return how much waited at most."""
    context = tls.Certificates(files).context
    one = server.Server(deferred.DeferredApp(bodies=bodies), "127.0.0.1", 0, context)
    await one.start()
    _, writer = await connect(one, receive_bytes=4096)
    await until(lambda: bool(one._server.server_state.connections))
    (connection,) = one._server.server_state.connections
    sent, most = request(body=review_with_status("x" * 11 * 1024)), 0
    while one._server.server_state.connections:
        most = max(most, connection.transport.get_write_buffer_size())
        writer.write(sent)
        await asyncio.sleep(0.002)  # so that each review comes by itself
    writer.close()
    await one.stop()
    return most


async def test_a_direct_answer_counts_idle_time_anew(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 2)
    first, second = await connect(running), await connect(running)
    await send(*first, "/convert", WHOLE)

    third = await connect(running)

    assert await second[0].read() == b""
    for reader, writer in (first, third):
        assert (await send(reader, writer, "/convert", WHOLE))[0] == 200
    for _, writer in (first, second, third):
        writer.close()


async def test_half_a_request_counts_idle_time_anew(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 2)
    first, second = await connect(running), await connect(running)
    first[1].write(request()[:20])
    await asyncio.sleep(0.1)

    third = await connect(running)

    assert await second[0].read() == b""
    first[1].write(request()[20:])
    assert (await answer(first[0]))[0][0].split()[1] == b"200"
    for _, writer in (first, second, third):
        writer.close()


async def test_a_connection_idle_for_too_long_after_a_direct_answer_is_closed(
    files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_KEEP_ALIVE_SECONDS", 1)
    one = server.Server(deferred.DeferredApp(), "127.0.0.1", 0, tls.Certificates(files).context)
    await one.start()
    reader, writer = await connect(one)
    await send(reader, writer, "/convert", WHOLE)

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await one.stop()


async def test_a_fault_of_ours_is_logged_and_answered_by_the_application(
    running: server.Server,
    seen: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(conversion_review.Converter, "_convert_all", fail)
    reader, writer = await connect(running)

    status, _ = await send(reader, writer, "/convert", WHOLE)

    assert (status, seen) == (500, ["/convert"])
    assert "ZeroDivisionError" in caplog.text
    writer.close()


def test_an_answer_that_is_too_long_for_one_write_is_not_direct() -> None:
    def answered(size: int) -> bytes | None:
        return direct.Direct("/x", lambda _: b"x" * size, limits.Bodies()).answer(b"{}")

    assert answered(direct.ANSWER_BYTES) is not None
    assert answered(direct.ANSWER_BYTES + 1) is None


@pytest.mark.parametrize(("together", "direct_too"), [(12, True), (11, False), (1, False)])
def test_reviews_and_their_answers_must_fit_beside_others(together: int, direct_too: bool) -> None:  # noqa: FBT001 - a parameter of a test
    answers = direct.Direct("/x", lambda _: b"x" * 10, limits.Bodies(together=together))

    assert (answers.answer(b"{}") is not None) == direct_too


def test_the_api_server_s_own_headers_are_usual() -> None:
    names = (b"host", b"user-agent", b"content-length", b"accept", b"content-type")
    values = (
        b"x",
        b"kube-apiserver-admission",
        b"9",
        b"application/json, */*",
        b"application/json",
    )
    usual = [*zip(names, values, strict=True), (b"accept-encoding", b"gzip")]
    reviews = direct.Direct("/convert", lambda _: b"", limits.Bodies())

    assert reviews.admits(b"POST", b"/convert", usual)
