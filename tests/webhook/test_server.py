# SPDX-License-Identifier: Apache-2.0
"""The whole server over real TLS sockets on loopback."""

import asyncio
import contextlib
import itertools
import json
import logging
import random
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from cryptography import x509
from webhook_client import GROUP, REVIEW, connect, review_with_status, send, trusting, until

from api import resources
from conversion import registry
from crdkit.conversion import errors as conversion_errors
from crdkit.conversion.registry import Kind, Registry
from crdkit.webhook import limits
from webhook import acceptor, cluster_reader, connections, deferred, errors, protocol, server, tls

Post = Callable[..., Awaitable[tuple[int, Any]]]
Serve = Callable[[deferred.DeferredApp, tls.Certificates], Awaitable[server.Server]]
ADMISSION = "/validate-ipam-cluster-x-k8s-io-v1alpha2-inclusterippool"

DELETION = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u-1",
        "operation": "DELETE",
        "oldObject": {
            "apiVersion": f"{GROUP}/v1alpha2",
            "kind": "InClusterIPPool",
            "metadata": {"name": "blue", "namespace": "default"},
            "spec": {"addresses": ["10.0.0.1"], "prefix": 24},
        },
    },
}


def served_name(writer: asyncio.StreamWriter) -> str:
    """Return the common name of the certificate that the server showed."""
    connection = cast("ssl.SSLObject", writer.get_extra_info("ssl_object"))
    der = connection.getpeercert(binary_form=True)
    assert der is not None
    common_names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(
        x509.NameOID.COMMON_NAME
    )
    return str(common_names[0].value)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any]:
    """Send the review on an open connection and return the answer."""
    _, text = await send(reader, writer, "/convert", json.dumps(REVIEW).encode())
    answer: Mapping[str, Any] = json.loads(text)
    return answer


async def test_a_review_is_answered_over_tls(post: Post) -> None:
    status, answer = await post("/convert", REVIEW)

    assert status == 200
    spec = answer["response"]["convertedObjects"][0]["spec"]
    assert spec == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}


async def test_an_open_connection_outlives_its_certificate_and_new_ones_get_the_new(
    running: server.Server, files: tls.Files, reissue: Callable[[tls.Files, str], None]
) -> None:
    old_reader, old_writer = await connect(running)
    reissue(files, "second")

    new_reader, new_writer = await connect(running)

    assert (served_name(old_writer), served_name(new_writer)) == ("first", "second")
    for reader, writer in ((old_reader, old_writer), (new_reader, new_writer)):
        assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
        writer.close()


async def test_no_review_fails_while_certificates_rotate_under_load(
    running: server.Server, files: tls.Files, reissue: Callable[[tls.Files, str], None]
) -> None:
    served: set[str] = set()
    over = asyncio.Event()

    async def stay() -> int:
        """Send reviews on one connection."""
        reader, writer = await connect(running)
        count = 0
        while not over.is_set() or not count:
            assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
            count += 1
        writer.close()
        return count

    async def come_and_go() -> int:
        """Send each review on a connection of its own."""
        count = 0
        while not over.is_set() or not count:
            reader, writer = await connect(running)
            served.add(served_name(writer))
            assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
            writer.close()
            count += 1
        return count

    clients = [asyncio.create_task(each()) for each in [stay, come_and_go] * 4]
    for number in range(20):
        while number and str(number - 1) not in served:
            assert not any(client.done() for client in clients)
            await asyncio.sleep(0.001)
        reissue(files, str(number))
    over.set()

    assert all(count > 0 for count in await asyncio.gather(*clients))
    assert served >= {str(number) for number in range(19)}


@pytest.mark.parametrize("broken", ["certificate", "key"])
async def test_half_written_files_change_nothing_and_are_logged(
    running: server.Server, files: tls.Files, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    getattr(files, broken).write_text("-----BEGIN")

    with caplog.at_level(logging.WARNING):
        _, first = await connect(running)
        _, second = await connect(running)

    assert served_name(first) == served_name(second) == "first"
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "keeping the old certificate"
    ]
    for writer in (first, second):
        writer.close()


async def test_a_certificate_with_another_key_changes_nothing(
    running: server.Server, files: tls.Files, reissue: Callable[[tls.Files, str], None]
) -> None:
    key = files.key.read_bytes()
    reissue(files, "second")
    good_key = files.key.read_bytes()
    files.key.write_bytes(key)

    _, meanwhile = await connect(running)
    files.key.write_bytes(good_key)
    _, after = await connect(running)

    assert (served_name(meanwhile), served_name(after)) == ("first", "second")
    for writer in (meanwhile, after):
        writer.close()


def test_without_a_usable_certificate_the_server_does_not_start(files: tls.Files) -> None:
    files.key.unlink()

    with pytest.raises(errors.CertificateError, match=r"tls\.crt with key .*tls\.key: .*No such"):
        tls.Certificates(files)


async def test_an_old_tls_version_is_refused(serve: Serve, files: tls.Files) -> None:
    certificates = tls.Certificates(files, tls.VERSIONS["VersionTLS13"])
    running = await serve(deferred.DeferredApp(), certificates)
    old = ssl.create_default_context(cafile=str(files.certificate))
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", running.port, ssl=old)


@pytest.mark.parametrize("path", ["/convert", ADMISSION])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"{}", "text/yaml", 415),
        (b"{}", "", 415),
        (b" " * (limits.BODY_BYTES + 1), "application/json", 413),
    ],
)
async def test_what_is_no_review_gets_a_clear_refusal(
    post: Post, path: str, body: bytes, content_type: str, status: int
) -> None:
    got, text = await post(path, body, content_type)

    assert got == status
    assert len(text.strip().splitlines()) == 1


async def test_2000_garbage_bodies_get_a_review_or_a_4xx(running: server.Server) -> None:
    dice = random.Random(5)  # noqa: S311 - seeded, so that a failure comes again
    seeds = [json.dumps(each).encode() for each in (REVIEW, DELETION)]
    seeds += [b"", b"null", b"[" * 1000, b'{"kind":"ConversionReview"']
    reader, writer = await connect(running)
    for _ in range(2000):
        path = dice.choice(["/convert", ADMISSION, ADMISSION.replace("validate", "mutate")])
        status, text = await send(reader, writer, path, garbled(dice, seeds))

        assert status == 200 or 400 <= status < 500, text
        if status == 200:
            assert json.loads(text)["response"]["uid"] is not None
        else:
            assert len(text.strip().splitlines()) == 1
    writer.close()


def garbled(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return noise, or one of the bodies with some bytes changed, cut off or doubled."""
    if not dice.randrange(4):
        return dice.randbytes(dice.randrange(300))
    body = bytearray(dice.choice(seeds))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(body) + 1)
        body[at : at + dice.randrange(3)] = dice.choice([dice.randbytes(1), body[at:][:20], b""])
    return bytes(body)


@pytest.mark.parametrize("path", ["/nothing", "/convert/"])
async def test_unknown_paths_are_refused(post: Post, path: str) -> None:
    status, _ = await post(path, {})

    assert status == 404


async def test_a_body_that_never_ends_is_cut_off(serve: Serve, files: tls.Files) -> None:
    small = limits.Bodies(seconds=0.01)
    running = await serve(deferred.DeferredApp(bodies=small), tls.Certificates(files))
    reader, writer = await connect(running)

    writer.write(
        b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9\r\n\r\n{"
    )

    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


async def test_a_client_that_hangs_up_is_no_error(
    running: server.Server, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, writer = await connect(running)
        writer.write(
            b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        await writer.drain()
        writer.transport.abort()
        status, _ = await post("/convert", REVIEW)

    assert status == 200
    assert caplog.records == []


async def test_too_many_bytes_at_once_get_429(serve: Serve, files: tls.Files) -> None:
    tight = limits.Bodies(one=100, together=50)
    running = await serve(deferred.DeferredApp(bodies=tight), tls.Certificates(files))
    reader, writer = await connect(running)

    writer.write(
        b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 60\r\n\r\n" + b" " * 60
    )

    assert (await reader.readline()).split()[1] == b"429"
    writer.close()


async def test_conversion_does_not_wait_for_the_cluster(serve: Serve, files: tls.Files) -> None:
    deferred_reader = cluster_reader.DeferredReader()
    running = await serve(deferred.DeferredApp(deferred_reader), tls.Certificates(files))
    reader, writer = await connect(running)

    assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
    writer.close()


async def test_a_taken_port_is_reported(running: server.Server) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        await server.Server(deferred.DeferredApp(), "127.0.0.1", running.port).start()


async def test_stopping_twice_is_stopping_once(files: tls.Files) -> None:
    running = server.Server(deferred.DeferredApp(), "", 0, tls.Certificates(files).context)
    await running.start()

    await running.stop()
    await running.stop()


def test_answers_do_not_wait_for_more_to_send() -> None:
    listener = server._listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_cipher_suites_have_the_names_that_kubernetes_gives_them() -> None:
    names = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256"

    assert tls.openssl_ciphers(names) == "ECDHE-RSA-AES128-GCM-SHA256"
    assert tls.openssl_ciphers("") == ""


def test_an_insecure_cipher_suite_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'TLS_RSA_WITH_RC4_128_SHA' is not a secure"):
        tls.openssl_ciphers("TLS_RSA_WITH_RC4_128_SHA")


def test_openssl_knows_all_of_them() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    context.set_ciphers(":".join(tls.CIPHERS.values()))

    offered = {cipher["name"] for cipher in context.get_ciphers()}
    assert offered >= set(tls.CIPHERS.values())


async def test_endless_headers_are_refused(running: server.Server) -> None:
    reader, writer = await connect(running)

    writer.write(b"POST /convert HTTP/1.1\r\nX: " + b"x" * (protocol.HEAD_BYTES + 1))
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"larger than 65536 bytes" in answer


@pytest.mark.parametrize("begun", [b"", b"POST /convert HTTP/1.1\r\nHost:"])
async def test_a_silent_connection_is_closed(
    running: server.Server, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    reader, writer = await connect(running)
    writer.write(begun)

    assert await reader.read() == b""
    writer.close()


async def test_endless_trailers_end_the_connection(running: server.Server) -> None:
    reader, writer = await connect(running)
    writer.write(
        b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    )

    with contextlib.suppress(OSError):
        for number in range(protocol.HEAD_BYTES):
            writer.write(b"X-%05d: y\r\n" % number)
            await writer.drain()
        assert await reader.read() == b""
    writer.close()


async def test_a_request_that_never_ends_ends_the_connection(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REST_SECONDS", 0.1)
    reader, writer = await connect(running)
    writer.write(b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")

    async with asyncio.timeout(30):  # an idle connection may stay for 120 s
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 415")
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST /convert HTTP/1.1\r\nHost:", id="half a request"),
        pytest.param(b"\r\n", id="bytes that begin no request"),
    ],
)
async def test_a_connection_without_a_second_request_is_closed(
    running: server.Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    reader, writer = await connect(running)
    await exchange(reader, writer)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    writer.write(sent)

    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


async def test_what_is_announced_as_too_large_is_refused_before_it_is_sent(
    running: server.Server,
) -> None:
    reader, writer = await connect(running)
    writer.write(
        b"POST /convert HTTP/1.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % (limits.BODY_BYTES + 1)
    )

    assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_a_review_as_large_as_the_api_server_sends_is_answered(
    running: server.Server,
) -> None:
    reader, writer = await connect(running)

    status, _ = await send(reader, writer, "/convert", review_with_status("x" * 3 * 1024 * 1024))

    assert status == 200
    writer.close()


async def test_reviews_under_way_are_answered_when_the_server_stops(
    serve: Serve, files: tls.Files
) -> None:
    deferred_reader = cluster_reader.DeferredReader()
    running = await serve(deferred.DeferredApp(deferred_reader), tls.Certificates(files))
    reader, writer = await connect(running)
    answer = asyncio.create_task(send(reader, writer, ADMISSION, json.dumps(DELETION).encode()))
    await until(lambda: bool(running._server.server_state.tasks))

    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.3)  # uvicorn looks ten times a second whether to stop
    deferred_reader.set_reader(cluster_reader.FakeReader())
    status, text = await answer
    await stopping

    assert status == 200
    assert json.loads(text)["response"]["allowed"]
    writer.close()


async def last_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send the review, and return all that comes until the connection ends, in lower case."""
    body = json.dumps(REVIEW).encode()
    head = b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    async with asyncio.timeout(30):
        return (await reader.read()).lower()


async def test_a_server_that_retires_answers_and_asks_for_another_connection(
    running: server.Server,
) -> None:
    old = await connect(running)
    assert (await exchange(*old))["response"]["result"]["status"] == "Success"

    running.retire()

    for reader, writer in (old, await connect(running)):
        answer = await last_answer(reader, writer)
        assert answer.startswith(b"http/1.1 200 ok")
        assert answer.count(b"\r\nconnection: close\r\n") == 1
        assert b'"status":"success"' in answer
        writer.close()


async def test_a_server_that_retires_says_so_for_longer_than_a_second(
    running: server.Server,
) -> None:
    running.retire()
    await asyncio.sleep(1.2)  # uvicorn renews its headers each second

    reader, writer = await connect(running)
    assert b"\r\nconnection: close\r\n" in await last_answer(reader, writer)
    writer.close()


def test_idle_connections_stay_longer_than_the_api_server_keeps_its_own() -> None:
    assert server._KEEP_ALIVE_SECONDS > 90


async def test_an_answer_counts_until_it_is_read_and_not_for_ever(
    serve: Serve, files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.5)
    bodies = limits.Bodies()
    running = await serve(deferred.DeferredApp(bodies=bodies), tls.Certificates(files))
    _, writer = await connect(running, receive_bytes=4096)  # or the kernel takes it all
    (obj,) = cast(
        "list[dict[str, object]]", cast("dict[str, object]", REVIEW["request"])["objects"]
    )
    request = cast("dict[str, object]", REVIEW["request"])
    big = request | {"objects": [obj | {"status": "x" * 7_000_000}]}
    body = json.dumps(REVIEW | {"request": big}).encode()
    head = (
        f"POST /convert HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    writer.write(f"{head}\r\n\r\n".encode() + body)

    await until(lambda: bodies._held > 2 * 7_000_000)
    await until(lambda: not bodies._held)
    writer.close()


async def test_answers_that_do_not_fit_beside_others_get_429(
    serve: Serve, files: tls.Files
) -> None:
    body = json.dumps(REVIEW).encode()
    tight = limits.Bodies(together=len(body) + 10)
    running = await serve(deferred.DeferredApp(bodies=tight), tls.Certificates(files))
    reader, writer = await connect(running)

    status, _ = await send(reader, writer, "/convert", body)

    assert (status, tight._held) == (429, 0)
    writer.close()


async def test_a_connection_that_never_speaks_tls_is_closed(
    serve: Serve, files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", 0.1)
    running = await serve(deferred.DeferredApp(), tls.Certificates(files))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)

    assert await reader.read() == b""
    writer.close()


async def test_an_api_server_is_served_while_others_never_finish_their_handshake(
    serve: Serve, files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 4)
    running = await serve(deferred.DeferredApp(), tls.Certificates(files))
    sources = [f"127.0.0.{number}" for number in range(2, 10)]
    silent = [await open_plain(running, source) for source in sources]

    async with asyncio.timeout(5):  # they would end by themselves after 10 s
        for reader, _ in silent[:4]:
            assert await reader.read() == b"", "the longest of them make room"
    reader, writer = await connect(running)

    assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
    assert not silent[-1][0].at_eof()
    for _, each in (*silent, (reader, writer)):
        each.close()


async def open_plain(
    running: server.Server, source: str = "127.0.0.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection that says nothing."""
    return await asyncio.open_connection("127.0.0.1", running.port, local_addr=(source, 0))


async def test_a_server_stops_though_a_client_never_finishes_its_handshake(
    files: tls.Files,
) -> None:
    running = server.Server(deferred.DeferredApp(), "127.0.0.1", 0, tls.Certificates(files).context)
    await running.start()
    reader, writer = await open_plain(running)
    await asyncio.sleep(0.1)

    async with asyncio.timeout(5):
        await running.stop()
        assert await reader.read() == b""
    writer.close()


async def test_a_server_without_a_file_for_one_more_connection_tries_again(
    running: server.Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "_RETRY_SECONDS", 0.1)
    client, limits_before = socket.socket(), resource.getrlimit(resource.RLIMIT_NOFILE)
    client.setblocking(False)  # noqa: FBT003 - as the standard library has it
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits_before[1]))
    try:
        with caplog.at_level(logging.WARNING):
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", running.port))
            await until(lambda: "no connection can be accepted" in caplog.text)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits_before)

    opened = await asyncio.open_connection(sock=client, ssl=trusting(), server_hostname="")

    assert (await exchange(*opened))["response"]["result"]["status"] == "Success"
    opened[1].close()


async def test_a_server_may_have_all_the_files_that_its_process_may(
    serve: Serve, files: tls.Files
) -> None:
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1), hard))
    try:
        await serve(deferred.DeferredApp(), tls.Certificates(files))

        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_connection_that_waits_for_its_next_review_stays_open(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    reader, writer = await connect(running)
    for _ in range(2):
        assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
        await asyncio.sleep(0.3)
    writer.close()


async def test_an_api_server_is_served_while_others_hold_every_connection(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 40)  # each is a handshake
    monkeypatch.setattr(connections, "PEER_CONNECTIONS", 20)
    sources = itertools.cycle(["127.0.0.2", "127.0.0.3"])
    others = [
        await asyncio.to_thread(hold, running, next(sources))
        for _ in range(connections.CONNECTIONS)
    ]
    assert len(running._server.server_state.connections) == connections.CONNECTIONS

    reader, writer = await connect(running)
    answer = await exchange(reader, writer)

    assert answer["response"]["result"]["status"] == "Success"
    assert await asyncio.to_thread(others[0].recv, 1) == b""
    for other in others[1:]:
        assert await asyncio.to_thread(reviewed, other), "only the longest idle one is closed"
    writer.close()
    for other in others:
        other.close()


def hold(running: server.Server, source: str) -> ssl.SSLSocket:
    """Open a connection from an address, and keep it alive by a request."""
    plain = socket.create_connection(("127.0.0.1", running.port), 30, (source, 0))
    held = trusting().wrap_socket(plain, suppress_ragged_eofs=False)
    assert reviewed(held)
    return held


def reviewed(held: ssl.SSLSocket) -> bool:
    """Return whether a connection is still there for a request."""
    held.sendall(b"POST /nothing HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    answer = b""
    while not answer.endswith(b'{"detail":"Not Found"}') and (more := held.recv(4096)):
        answer += more
    return answer.startswith(b"HTTP/1.1 404")


async def test_an_address_with_its_share_gives_up_a_connection_of_its_own(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PEER_CONNECTIONS", 2)
    other = await connect(running)
    first, second, third = [await connect(running, source="127.0.0.2") for _ in range(3)]

    assert await first[0].read() == b""
    for reader, writer in (other, second, third):
        assert (await exchange(reader, writer))["response"]["result"]["status"] == "Success"
    for _, writer in (other, first, second, third):
        writer.close()


async def test_a_request_under_way_keeps_its_connection_and_the_new_one_is_closed(
    serve: Serve, files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 2)
    deferred_reader = cluster_reader.DeferredReader()
    running = await serve(deferred.DeferredApp(deferred_reader), tls.Certificates(files))
    busy = [await connect(running) for _ in range(2)]
    body = json.dumps(DELETION).encode()
    answers = [asyncio.create_task(send(*each, ADMISSION, body)) for each in busy]
    await until(lambda: len(running._server.server_state.tasks) == 2)

    reader, writer = await connect(running)
    with pytest.raises((asyncio.IncompleteReadError, OSError)):
        await exchange(reader, writer)

    deferred_reader.set_reader(cluster_reader.FakeReader())
    assert [(await answer)[0] for answer in answers] == [200, 200]
    for _, each in (*busy, (reader, writer)):
        each.close()


async def test_a_connection_between_two_pipelined_requests_has_one_under_way(
    serve: Serve, files: tls.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 1)
    deferred_reader = cluster_reader.DeferredReader()
    running = await serve(deferred.DeferredApp(deferred_reader), tls.Certificates(files))
    reader, writer = await connect(running)
    body = json.dumps(DELETION).encode()
    head = f"POST {ADMISSION} HTTP/1.1\r\nContent-Type: application/json\r\n".encode()
    whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    writer.write(whole + b"POST /nothing HTTP/1.1\r\n")
    await until(lambda: bool(running._server.server_state.tasks))

    second, other = await connect(running)
    assert await second.read() == b""
    deferred_reader.set_reader(cluster_reader.FakeReader())

    assert (await reader.readline()).split()[1] == b"200"
    for each in (writer, other):
        each.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n", b"POST /convert HTTP/1.1\r\nHost:", b"POST /nothing HTTP/1.1\r\n\r\n"],
    ids=["nothing", "no request", "half a request", "an answered request"],
)
async def test_a_connection_without_a_whole_request_makes_room(
    running: server.Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 1)
    first, writer = await connect(running)
    writer.write(sent)
    await asyncio.sleep(0.1)

    reader, other = await connect(running)

    assert (await exchange(reader, other))["response"]["result"]["status"] == "Success"
    assert (await first.read()).count(b"HTTP/1.1") == sent.count(b"\r\n\r\n")
    for each in (writer, other):
        each.close()


async def test_a_client_that_does_not_take_leave_is_gone_all_the_same(
    running: server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 1)
    monkeypatch.setattr(protocol, "CLOSE_SECONDS", 0.1)
    silent = await asyncio.to_thread(hold, running, "127.0.0.2")

    _, writer = await connect(running)

    async with asyncio.timeout(5):  # TLS itself would wait longer
        await until(lambda: len(running._server.server_state.connections) == 1)
    writer.close()
    silent.close()


async def test_only_the_given_cipher_suites_are_spoken(serve: Serve, files: tls.Files) -> None:
    ciphers = tls.openssl_ciphers("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    running = await serve(deferred.DeferredApp(), tls.Certificates(files, ciphers=ciphers))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(files.certificate)
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    client.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=client)
    writer.close()

    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", running.port, ssl=client)


def test_no_service_starts_with_a_version_that_it_cannot_convert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = Registry([Kind(resources.IN_CLUSTER_IP_POOL)])
    monkeypatch.setattr(registry, "REGISTRY", bare)

    with pytest.raises(conversion_errors.MissingPairError, match="InClusterIPPool v1alpha1"):
        deferred.DeferredApp()
