# SPDX-License-Identifier: Apache-2.0
"""Before the larger part of the application is imported, every law of the server holds already."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

import pytest
from webhook_client import REVIEW, connect, review_with_status, send, until

from crdkit.webhook import limits, worker
from kube import imports
from webhook import app, cluster_reader, deferred, protocol, schema, server, tls

Serve = Callable[[deferred.DeferredApp, tls.Certificates], Awaitable[server.Server]]
WHOLE = json.dumps(REVIEW).encode()
ADMISSION = "/validate-ipam-cluster-x-k8s-io-v1alpha2-inclusterippool"
HEAD = b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
    """Hold back the import of the application until this is set."""
    done = threading.Event()
    create = app.create_app

    def held(*args: Any) -> Any:
        assert done.wait(60)
        return create(*args)

    monkeypatch.setattr(app, "create_app", held)
    yield done
    done.set()  # else the thread would outlive the test


@pytest.fixture
async def running(imported: threading.Event, serve: Serve, files: tls.Files) -> server.Server:
    assert not imported.is_set()
    application = deferred.DeferredApp(cluster_reader.FakeReader())
    return await serve(application, tls.Certificates(files))


async def test_a_conversion_is_answered(running: server.Server) -> None:
    reader, writer = await connect(running)

    for _ in range(2):
        status, text = await send(reader, writer, "/convert", WHOLE)
        assert (status, json.loads(text)["response"]["result"]["status"]) == (200, "Success")
    writer.close()


async def test_a_conversion_that_comes_in_pieces_is_answered(running: server.Server) -> None:
    reader, writer = await connect(running)
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE

    writer.write(whole[:-1])
    await asyncio.sleep(0.1)
    writer.write(whole[-1:])

    assert (await reader.readline()).split()[1] == b"200"
    writer.close()


async def test_a_large_conversion_is_answered(running: server.Server) -> None:
    reader, writer = await connect(running)
    body = review_with_status("x" * worker.SMALL_BYTES)

    status, text = await send(reader, writer, "/convert", body)

    assert (status, json.loads(text)["response"]["result"]["status"]) == (200, "Success")
    writer.close()


async def test_what_is_no_review_is_refused(running: server.Server) -> None:
    reader, writer = await connect(running)

    assert (await send(reader, writer, "/convert", b"[]"))[0] == 400
    writer.close()


async def test_other_requests_wait_and_share_one_import(
    running: server.Server, imported: threading.Event
) -> None:
    pairs = [await connect(running) for _ in range(3)]
    answers = [asyncio.create_task(send(*pair, ADMISSION, b"{}")) for pair in pairs]
    await asyncio.sleep(0.1)
    assert not any(answer.done() for answer in answers)

    imported.set()

    assert [status for status, _ in await asyncio.gather(*answers)] == [400, 400, 400]
    assert (await send(*pairs[0], "/convert", WHOLE))[0] == 200
    for _, writer in pairs:
        writer.close()


async def test_large_headers_are_refused(running: server.Server) -> None:
    reader, writer = await connect(running)

    writer.write(HEAD + b"X: " + b"x" * protocol.HEAD_BYTES)

    assert (await reader.readline()).split()[1] == b"431"
    writer.close()


@pytest.mark.parametrize("sent", [b"", HEAD[:20]], ids=["nothing", "half a head"])
async def test_a_silent_client_is_closed(
    running: server.Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    reader, writer = await connect(running)
    writer.write(sent)

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_body_that_does_not_come_is_closed(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", 0.1)
    reader, writer = await connect(running)
    writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")

    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_no_more_of_a_body_is_read_than_fits(
    running: server.Server, imported: threading.Event
) -> None:
    """What waits for the import is 64 KiB of each connection, and what came with the last piece."""
    _, writer = await connect(running)
    head = HEAD.replace(b"/convert", ADMISSION.encode())
    writer.write(head + b"Content-Length: %d\r\n\r\n" % limits.BODY_BYTES)
    writer.write(b" " * (limits.BODY_BYTES - 1))
    await until(lambda: bool(running._server.server_state.connections))
    connection = cast("Any", next(iter(running._server.server_state.connections)))

    await until(lambda: connection.flow.read_paused)
    assert len(connection.cycle.body) < 1024 * 1024
    imported.set()  # the stop of a server waits for its requests
    writer.transport.abort()


async def test_direct_answers_and_the_application_share_the_limit_on_bytes(
    imported: threading.Event, serve: Serve, files: tls.Files
) -> None:
    imported.set()
    bodies = limits.Bodies(together=50)
    running = await serve(deferred.DeferredApp(bodies=bodies), tls.Certificates(files))
    reader, writer = await connect(running)

    assert (await send(reader, writer, "/convert", WHOLE))[0] == 429
    writer.close()


async def test_an_application_that_cannot_be_imported_ends_its_requests_and_its_server(
    serve: Serve,
    files: tls.Files,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("broken")

    monkeypatch.setattr(app, "create_app", fail)
    application = deferred.DeferredApp()
    running = await serve(application, tls.Certificates(files))
    reader, writer = await connect(running)

    with caplog.at_level(logging.ERROR):
        status, _ = await send(reader, writer, ADMISSION, b"{}")

    assert status == 500
    with pytest.raises(ImportError, match="broken"):
        await application.load()
    writer.close()


async def test_another_method_than_post_is_refused(
    running: server.Server, imported: threading.Event
) -> None:
    imported.set()
    reader, writer = await connect(running)

    writer.write(b"GET /convert HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (await reader.readline()).split()[1] == b"405"
    writer.close()


async def test_the_first_write_has_no_models_to_load() -> None:
    schema.load.cache_clear()

    await deferred.DeferredApp(cluster_reader.FakeReader()).load()

    assert schema.load.cache_info().currsize == 1


async def test_one_request_that_ends_does_not_end_the_import(
    imported: threading.Event,
) -> None:
    application = deferred.DeferredApp()
    first = asyncio.create_task(application.load())
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(application.load())
    await asyncio.sleep(0)

    imported.set()

    assert (await second).routes
    assert first.cancelled()


async def test_the_import_waits_for_those_before_it(imported: threading.Event) -> None:
    imported.set()
    order = list[str]()
    before = asyncio.create_task(imports.run(order.append, "before"))
    await asyncio.sleep(0)

    await deferred.DeferredApp().load()
    order.append("application")

    await before
    assert order == ["before", "application"]
