# SPDX-License-Identifier: Apache-2.0
"""Connections on real TLS servers: what is read again, which name and which proxy count."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from servers import kubeconfig, server_tls, serving

from envtest.pki import LOOPBACK, Authority, replace_file
from envtest.ports import free_port
from kube.client import Client
from kube.config import in_cluster
from kube.connect import Connection, connect
from kube.errors import ConfigError, CredentialsError, UnauthorizedError, UnreachableError
from objects import contracts

CLAIMS = contracts.V1Beta2("v1beta2").claims
VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


async def no_time(_seconds: float) -> None:
    """Stand in for the pauses between attempts."""


@asynccontextmanager
async def opened(path: str | None) -> AsyncGenerator[Client]:
    connection = await connect(path, "test")
    try:
        yield Client(connection, sleep=no_time)
    finally:
        await connection.close()


async def get(api: Client) -> Any:
    return json.loads(await api.get(CLAIMS, "default", "web"))


async def who(request: web.Request) -> web.Response:
    """Answer with what the client says and shows of itself."""
    assert request.transport is not None
    shown: Any = request.transport.get_extra_info("peercert") or {"subject": ()}
    subject: dict[str, str] = dict(pair for names in shown["subject"] for pair in names)
    return web.json_response(
        {
            "authorization": request.headers.get("Authorization"),
            "agent": request.headers["User-Agent"],
            "user": subject.get("commonName"),
        }
    )


class Pod:
    """A service account's folder, and the variables that the kubelet sets."""

    def __init__(self, folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", LOOPBACK)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        monkeypatch.setattr("kube.connect.in_cluster", lambda: in_cluster(folder))

    def mount(self, name: str, content: bytes) -> None:
        replace_file(self.folder / name, content)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def pod(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Pod:
    folder = tmp_path / "account"
    folder.mkdir()
    return Pod(folder, port, monkeypatch)


async def test_a_rotation_of_the_clusters_authority_is_survived(
    pod: Pod, port: int, tmp_path: Path
) -> None:
    old, new = Authority.new(), Authority.new()
    pod.mount("ca.crt", old.pem)
    pod.mount("token", b"first")

    async with opened(None) as api:
        async with serving(who, server_tls(tmp_path, old.server()), port):
            assert (await get(api))["authorization"] == "Bearer first"
        async with serving(who, server_tls(tmp_path, new.server()), port):
            with pytest.raises(UnreachableError, match="certificate verify failed"):
                await get(api)

            pod.mount("ca.crt", new.pem)
            pod.mount("token", b"second\n")

            assert (await get(api))["authorization"] == "Bearer second"


async def test_who_is_trusted_no_more_is_not_spoken_to_over_old_connections(
    pod: Pod, port: int, tmp_path: Path
) -> None:
    old, new = Authority.new(), Authority.new()
    pod.mount("ca.crt", old.pem)
    pod.mount("token", b"first")

    async with opened(None) as api, serving(who, server_tls(tmp_path, old.server()), port):
        await get(api)

        pod.mount("ca.crt", new.pem)

        with pytest.raises(UnreachableError, match="certificate verify failed"):
            await get(api)


async def test_an_empty_token_is_an_error_of_each_request_until_there_is_one(
    pod: Pod, port: int, tmp_path: Path
) -> None:
    authority = Authority.new()
    pod.mount("ca.crt", authority.pem)
    pod.mount("token", b"")

    async with opened(None) as api, serving(who, server_tls(tmp_path, authority.server()), port):
        for _ in range(2):
            with pytest.raises(CredentialsError, match=r"token: the file is empty") as caught:
                await get(api)
            assert not caught.value.maybe_applied

        pod.mount("token", b"there")

        assert (await get(api))["authorization"] == "Bearer there"


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
async def test_a_pod_without_a_service_account_says_what_is_missing(pod: Pod, missing: str) -> None:
    for name in {"token", "ca.crt"} - {missing}:
        pod.mount(name, b"x")

    with pytest.raises(ConfigError, match=rf"there is no file .*/{missing}; pass --kubeconfig"):
        await connect(None, "test")


async def test_an_authority_that_is_none_at_the_start_is_an_error_of_the_configuration(
    pod: Pod,
) -> None:
    pod.mount("token", b"x")
    pod.mount("ca.crt", b"hello")

    with pytest.raises(ConfigError, match=r"credentials for https://127.*no certificate in the CA"):
        await connect(None, "test")


async def test_a_client_certificate_that_was_replaced_is_shown_from_then_on(
    tmp_path: Path,
) -> None:
    authority = Authority.new()
    certificate, key = authority.client("first").write(tmp_path, "user")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    user = {"client-certificate": str(certificate), "client-key": "user.key"}
    cluster = {"certificate-authority": "ca.crt"}
    tls = server_tls(tmp_path, authority.server(), clients=authority)

    async with serving(who, tls) as url, opened(kubeconfig(tmp_path, url, user, cluster)) as api:
        assert (await get(api))["user"] == "first"

        pair = authority.client("second")
        replace_file(certificate, pair.certificate)
        assert (await get(api))["user"] == "first"  # half of a pair is none
        replace_file(key, pair.key)

        assert (await get(api))["user"] == "second"


async def test_certificates_may_stand_in_the_kubeconfig(tmp_path: Path) -> None:
    authority = Authority.new()
    pair = authority.client("me")
    user = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    cluster = {"certificate-authority-data": base64.b64encode(authority.pem).decode()}
    tls = server_tls(tmp_path, authority.server(), clients=authority)

    async with serving(who, tls) as url, opened(kubeconfig(tmp_path, url, user, cluster)) as api:
        assert (await get(api))["user"] == "me"


async def test_a_token_file_is_followed_and_comes_before_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    user = {"tokenFile": "token", "token": "fixed"}

    async with serving(who) as url, opened(kubeconfig(tmp_path, url, user)) as api:
        assert (await get(api))["authorization"] == "Bearer first"
        replace_file(tmp_path / "token", b"second")
        assert (await get(api))["authorization"] == "Bearer second"


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "fixed"}, "Bearer fixed"),
        ({"token": "fixed", "tokenFile": "missing"}, "Bearer fixed"),
        ({"username": "Aladdin", "password": "open sesame"}, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ({}, None),
    ],
)
async def test_who_we_are_is_in_the_header(
    tmp_path: Path, user: dict[str, Any], header: str | None
) -> None:
    async with serving(who) as url, opened(kubeconfig(tmp_path, url, user)) as api:
        assert await get(api) == {"authorization": header, "agent": "test", "user": None}


def plugin(folder: Path, *, lifetime: str = "") -> dict[str, Any]:
    """Return a user whose plugin gives another token at each run; `runs` counts them."""
    script = folder / "login"
    status = '{\\"token\\": \\"$(wc -c < runs | tr -d " ")\\"' + lifetime + "}"
    script.write_text(
        f"#!/bin/sh\ncd {folder}; printf x >> runs\n"
        f'echo "{{\\"apiVersion\\": \\"{VERSION}\\", \\"status\\": {status}}}"\n'
    )
    script.chmod(0o700)
    return {"exec": {"command": "./login", "apiVersion": VERSION}}


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


async def test_a_plugin_runs_once_and_again_where_its_token_is_refused(tmp_path: Path) -> None:
    known = {"Bearer 1"}

    async def guard(request: web.Request) -> web.Response:
        if request.headers["Authorization"] not in known:
            return web.json_response({"reason": "Unauthorized"}, status=401)
        return await who(request)

    async with (
        serving(guard) as url,
        opened(kubeconfig(tmp_path, url, plugin(tmp_path))) as api,
    ):
        await get(api)
        await get(api)
        assert runs(tmp_path) == 1

        known.clear()
        known.add("Bearer 2")
        found = [each["authorization"] for each in await asyncio.gather(*map(get, [api] * 8))]
        assert set(found) == {"Bearer 2"}
        assert runs(tmp_path) == 2

        known.clear()
        with pytest.raises(UnauthorizedError):
            await api.create(CLAIMS, "default", b"{}")
        assert runs(tmp_path) == 3  # once for a request, and no more


async def test_a_plugin_runs_again_where_its_token_has_ended(tmp_path: Path) -> None:
    user = plugin(tmp_path, lifetime=', \\"expirationTimestamp\\": \\"2020-01-01T00:00:00Z\\"')

    async with serving(who) as url, opened(kubeconfig(tmp_path, url, user)) as api:
        found = [(await get(api))["authorization"] for _ in range(2)]

    assert found == ["Bearer 1", "Bearer 2"]


async def test_the_names_of_servers_are_checked_and_may_be_another_than_the_hosts(
    tmp_path: Path,
) -> None:
    authority = Authority.new()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    cluster = {"certificate-authority": "ca.crt"}
    tls = server_tls(tmp_path, authority.server("x", "192.0.2.1"))  # and localhost

    async with serving(who, tls) as url:
        async with opened(kubeconfig(tmp_path, url, cluster=cluster)) as api:
            with pytest.raises(UnreachableError, match="IP address mismatch"):
                await get(api)
        cluster["tls-server-name"] = "localhost"
        async with opened(kubeconfig(tmp_path, url, cluster=cluster)) as api:
            await get(api)
            await get(api)


class Tunnel:
    """An HTTP proxy that leads everywhere to one port, and keeps what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        async with server:
            yield f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        near, far = await asyncio.open_connection(LOOPBACK, self.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(reader, far), _copy(near, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.close()


@pytest.mark.parametrize("place", ["environment", "kubeconfig"])
async def test_a_proxy_gets_its_password_and_shows_the_server_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    authority = Authority.new()
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    cluster = {"certificate-authority": "ca.crt", "tls-server-name": "localhost"}
    tls = server_tls(tmp_path, authority.server())
    async with serving(who, tls) as url:
        tunnel = Tunnel(int(url.rpartition(":")[2]))
        async with tunnel.running() as proxy:
            if place == "environment":
                monkeypatch.setenv("HTTPS_PROXY", f"me:p%40ss@{proxy}")
            else:
                monkeypatch.setenv("NO_PROXY", "*")  # is about the environment's proxies alone
                cluster["proxy-url"] = f"http://me:p%40ss@{proxy}"
            path = kubeconfig(tmp_path, "https://api.example:6443", {"token": "secret"}, cluster)
            async with opened(path) as api:
                assert (await get(api))["authorization"] == "Bearer secret"

    (head,) = tunnel.asked
    assert head.startswith("CONNECT api.example:6443 ")
    password = base64.b64encode(b"me:p@ss").decode()
    assert f"Proxy-Authorization: Basic {password}\r\n" in head
    assert "secret" not in head


@pytest.mark.parametrize("exceptions", ["10.96.0.0/12", "*"])
async def test_hosts_that_need_no_proxy_are_reached_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exceptions: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    path = kubeconfig(tmp_path, "https://10.96.0.1:443")
    assert await proxy_of(path) == "http://proxy.example:3128"

    monkeypatch.setenv("NO_PROXY", exceptions)

    assert await proxy_of(path) is None


async def proxy_of(path: str) -> str | None:
    connection = await connect(path, "test")
    proxy = connection.session._default_proxy
    assert not connection.session.trust_env  # it would be read again for each request
    await connection.close()
    return None if proxy is None else str(proxy)


async def test_a_proxy_that_speaks_something_else_is_refused_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:secret@proxy.example")

    with pytest.raises(ConfigError, match=r"socks5 proxy; set HTTPS_PROXY") as caught:
        await connect(kubeconfig(tmp_path, "https://api.example"), "test")

    assert "secret" not in str(caught.value)


async def test_the_kernel_asks_whether_the_other_end_is_there(tmp_path: Path) -> None:
    async with serving(who) as url, opened(kubeconfig(tmp_path, url)) as api:
        await get(api)
        (made,) = [each for kept in pool(api._connection) for each in kept]
        option = made.transport.get_extra_info("socket").getsockopt

        assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [
            option(socket.IPPROTO_TCP, name)
            for name in (
                socket.TCP_KEEPIDLE,
                socket.TCP_KEEPINTVL,
                socket.TCP_KEEPCNT,
                socket.TCP_USER_TIMEOUT,
            )
        ] == [15, 5, 3, 25_000]


def pool(connection: Connection) -> list[list[Any]]:
    """Return the idle sockets' protocols, by destination."""
    connector = connection.session.connector
    assert connector is not None
    return [[protocol for protocol, _ in kept] for kept in connector._conns.values()]


async def test_no_request_waits_for_the_connection_of_another(tmp_path: Path) -> None:
    count, arrived, everybody = 150, 0, asyncio.Event()

    async def all_or_nothing(_: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        if arrived == count:
            everybody.set()
        await everybody.wait()
        return web.json_response({})

    async with serving(all_or_nothing) as url, opened(kubeconfig(tmp_path, url)) as api:
        async with asyncio.timeout(8):  # one alone would have given up after 10
            await asyncio.gather(*map(get, [api] * count))


CONTEXT = "current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}]"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not YAML"),
        ("{}", "current-context is not set"),
        ("current-context: c", "there is no context named 'c'"),
        ("current-context: [c]", r"Expected `str`, got `array` - at `\$\.current-context`"),
        (
            f"{{{CONTEXT}}}",
            "there is no cluster named 'c'",
        ),
        (
            f"{{{CONTEXT}, clusters: [{{name: c, cluster: {{server: x}}}}]}}",
            "there is no user named 'u'",
        ),
        (
            f"{{{CONTEXT}, clusters: [{{name: c, cluster: {{}}}}]}}",
            r"missing required field `server` - at `\$\.clusters\[0\]\.cluster`",
        ),
    ],
)
async def test_a_kubeconfig_that_is_none_is_named_with_what_is_wrong_in_it(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "broken"
    file.write_text(text)

    with pytest.raises(ConfigError, match=rf"broken: .*{problem}.*--kubeconfig FILE"):
        await connect(str(file), "test")


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/missing: there is no such file; pass --kubeconfig"):
        await connect(str(tmp_path / "missing"), "test")


async def test_of_several_kubeconfigs_the_first_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        kubeconfig(tmp_path / name, f"http://{name}.example/", {"token": name})
    files = [str(tmp_path / name / "kubeconfig") for name in ("missing", "two", "one")]
    monkeypatch.setenv("KUBECONFIG", ":".join(files))

    connection = await connect(None, "test")

    assert connection.host == "http://two.example"
    assert (await connection.access()).headers == {"Authorization": "Bearer two"}
    await connection.close()


async def test_an_identity_provider_that_fails_is_an_error_of_each_request(tmp_path: Path) -> None:
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": "not.a-token"}}}

    async with serving(who) as url, opened(kubeconfig(tmp_path, url, user)) as api:
        with pytest.raises(CredentialsError, match=r"provider oidc: .*not a JSON Web Token"):
            await get(api)


async def test_a_token_of_an_identity_provider_is_used(tmp_path: Path) -> None:
    claims = base64.urlsafe_b64encode(b'{"exp": 4102444800}').decode().rstrip("=")
    token = f"e30.{claims}.e30"
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}

    async with serving(who) as url, opened(kubeconfig(tmp_path, url, user)) as api:
        assert (await get(api))["authorization"] == f"Bearer {token}"


async def test_a_pods_api_server_may_have_an_address_of_ipv6(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod.mount("token", b"x")
    pod.mount("ca.crt", Authority.new().pem)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    connection = await connect(None, "test")

    assert connection.host == "https://[fd00::1]:443"
    await connection.close()


async def test_outside_of_a_pod_and_without_a_kubeconfig_there_is_no_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(ConfigError, match=r"KUBERNETES_SERVICE_HOST.*; pass --kubeconfig FILE"):
        await connect(None, "test")
