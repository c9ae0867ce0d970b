# SPDX-License-Identifier: Apache-2.0
"""A webhook server on loopback with a certificate of its own, and a client that trusts it."""

import datetime as dt
import io
import ipaddress
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from webhook import cluster_reader, deferred, server, tls

Post = Callable[..., Awaitable[tuple[int, Any]]]
Serve = Callable[[deferred.DeferredApp, tls.Certificates], Awaitable[server.Server]]


def issue(files: tls.Files, common_name: str) -> None:
    """Write a self-signed certificate for loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    files.certificate.write_bytes(certificate.public_bytes(pem))
    files.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


@pytest.fixture
def reissue() -> Callable[[tls.Files, str], None]:
    return issue


@pytest.fixture
def files(tmp_path: Path) -> tls.Files:
    files = tls.Files(tmp_path / "tls.crt", tmp_path / "tls.key")
    issue(files, "first")
    return files


@pytest.fixture
def cluster() -> cluster_reader.FakeReader:
    return cluster_reader.FakeReader()


@pytest.fixture
async def serve() -> AsyncGenerator[Serve]:
    """Start servers that are stopped when the test ends."""
    started: list[server.Server] = []

    async def start(
        application: deferred.DeferredApp, certificates: tls.Certificates
    ) -> server.Server:
        one = server.Server(application, "127.0.0.1", 0, certificates.context)
        await one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        await one.stop()


@pytest.fixture
async def running(
    serve: Serve, files: tls.Files, cluster: cluster_reader.FakeReader
) -> server.Server:
    return await serve(deferred.DeferredApp(cluster), tls.Certificates(files))


@pytest.fixture
async def post(running: server.Server, files: tls.Files) -> AsyncGenerator[Post]:
    """Send a body (anything but bytes as JSON) to a path: status, and the answer."""
    trust = ssl.create_default_context(cafile=str(files.certificate))
    async with aiohttp.ClientSession(f"https://127.0.0.1:{running.port}") as session:

        async def send(
            path: str, body: object, content_type: str = "application/json"
        ) -> tuple[int, Any]:
            data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
            headers = {"Content-Type": content_type}
            async with session.post(path, data=data, headers=headers, ssl=trust) as response:
                text = await response.text()
                is_json = response.content_type == "application/json"
                return response.status, json.loads(text) if is_json else text

        yield send
