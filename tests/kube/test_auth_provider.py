# SPDX-License-Identifier: Apache-2.0
"""Identity providers: a real server of OpenID Connect's two documents, over TLS."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from servers import kubeconfig, server_tls, serving

from envtest.pki import Authority
from envtest.ports import free_port
from kube import kubeconfig as kubeconfigs
from kube.auth_provider import Provider
from kube.credentials import Identity
from kube.errors import ConfigError, CredentialsError

NOW = 1_800_000_000.0
CLIENT = {"client-id": "ipam & co", "client-secret": "s:1"}
BASIC = "Basic " + base64.b64encode(b"ipam+%26+co:s%3A1").decode()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def token(name: str, ends: float | None = NOW + 3600) -> str:
    claims = {"sub": name} if ends is None else {"sub": name, "exp": ends}
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{encoded}.{name}"


class Issuer:
    """A provider that gives `answers` one after the other, and records what it is asked for."""

    def __init__(self, *answers: dict[str, str] | web.Response) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.headers: list[str | None] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/dex/.well-known/openid-configuration":
            endpoint = str(request.url.with_path("/dex/token"))
            return web.json_response({"token_endpoint": endpoint})
        assert (request.method, request.path) == ("POST", "/dex/token")
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        self.headers.append(request.headers.get("Authorization"))
        answer = self.answers.pop(0)
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    @asynccontextmanager
    async def serve(self, **config: str) -> AsyncGenerator[Provider]:
        async with serving(self.answer) as url:
            settings = {"idp-issuer-url": f"{url}/dex/", "refresh-token": "r-0", **config}
            yield Provider(settings, None, lambda: NOW)


def bearer(name: str, ends: float = NOW + 3600) -> Identity:
    return Identity(f"Bearer {token(name, ends)}")


@pytest.mark.parametrize("seconds", [11, 60, 70.0, 71])
async def test_a_token_is_used_until_ten_seconds_before_it_expires(seconds: float) -> None:
    provider = Provider({"id-token": token("a", NOW + seconds)}, None, lambda: NOW)

    assert await provider.ask() == (bearer("a", NOW + seconds), min(seconds - 10, 60))


async def test_a_token_without_an_expiry_is_checked_every_minute() -> None:
    provider = Provider({"id-token": token("a", None)}, None, lambda: NOW)

    assert (await provider.ask())[1] == 60


@pytest.mark.parametrize("old", [{}, {"id-token": token("old", NOW + 10)}])
async def test_a_token_is_renewed_when_it_expires(old: dict[str, str]) -> None:
    issuer = Issuer({"id_token": token("new")})

    async with issuer.serve(**CLIENT, **old) as provider:
        assert await provider.ask() == (bearer("new"), 60)
        assert await provider.ask() == (bearer("new"), 60)

    assert issuer.asked == [{"grant_type": "refresh_token", "refresh_token": "r-0"}]
    assert issuer.headers == [BASIC]


async def test_a_new_refresh_token_replaces_the_old_one() -> None:
    ended = token("ended", NOW)
    answers = [{"id_token": ended, "refresh_token": "r-1"}, {"id_token": ended}]
    issuer = Issuer(*answers, {"id_token": token("new")})

    async with issuer.serve(**CLIENT) as provider:
        for _ in range(3):
            await provider.ask()

    assert [form["refresh_token"] for form in issuer.asked] == ["r-0", "r-1", "r-1"]


async def test_a_client_without_a_secret_gets_a_token() -> None:
    issuer = Issuer({"id_token": token("new")})

    async with issuer.serve(**{"client-id": "ipam"}) as provider:
        assert await provider.ask() == (bearer("new"), 60)

    assert issuer.headers == ["Basic " + base64.b64encode(b"ipam:").decode()]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            web.json_response({"error": "invalid_grant"}, status=400),
            "oidc: failed to refresh access token: 400, message='Bad Request', .*/dex/token",
        ),
        ({"access_token": "x"}, r"its answer has no token: .*missing required field `id_token`"),
        (web.Response(body=b"{}"), "unexpected mimetype: application/octet-stream"),
        (web.Response(body=b"{", content_type="application/json"), "its answer is not JSON: "),
        ({"id_token": "opaque"}, r"the id-token is not a JSON Web Token: not enough values"),
        ({"id_token": "a.b.c"}, r"the id-token is not a JSON Web Token: "),
        (
            web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"}),
            "access token: 307",
        ),
    ],
)
async def test_a_provider_that_fails_is_named_with_its_answer(
    answer: dict[str, str] | web.Response, problem: str
) -> None:
    async with Issuer(answer).serve(**CLIENT) as provider:
        with pytest.raises(
            CredentialsError, match=rf"^identity provider http://.*/dex/: .*{problem}"
        ):
            await provider.ask()


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "no refresh-token is set: log in"),
        ({"refresh-token": "r"}, "set idp-issuer-url and client-id"),
        (
            {"refresh-token": "r", "idp-issuer-url": "http://idp"},
            "set idp-issuer-url and client-id",
        ),
    ],
)
async def test_settings_that_a_new_token_needs_are_named(
    config: dict[str, str], problem: str
) -> None:
    provider = Provider({"id-token": token("old", NOW), **config}, None, lambda: NOW)

    with pytest.raises(
        CredentialsError, match=rf"^identity provider (oidc|http://idp): .*{problem}"
    ):
        await provider.ask()


async def test_a_provider_without_a_token_endpoint_is_named() -> None:
    async def configured(_: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async with serving(configured) as url:
        settings = {**CLIENT, "idp-issuer-url": url, "refresh-token": "r"}
        with pytest.raises(CredentialsError, match=r"configuration has no 'token_endpoint'$"):
            await Provider(settings, None, lambda: NOW).ask()


async def test_a_provider_that_cannot_be_reached_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = {**CLIENT, "idp-issuer-url": url, "refresh-token": "r"}

    with pytest.raises(CredentialsError, match=rf"^identity provider {url}: Cannot connect"):
        await Provider(settings, None, lambda: NOW).ask()


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer({"id_token": token("new")})

    async with serving(issuer.answer) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        settings = {**CLIENT, "idp-issuer-url": "http://idp.example/dex", "refresh-token": "r"}

        assert await Provider(settings, None, lambda: NOW).ask() == (bearer("new"), 60)


async def test_passwords_of_other_programs_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    issuer = Issuer({"id_token": token("new")})

    async with issuer.serve(**CLIENT) as provider:
        assert await provider.ask() == (bearer("new"), 60)

    assert issuer.headers == [BASIC]


@pytest.mark.parametrize("by_file", [True, False])
async def test_the_kubeconfig_names_the_providers_authority(tmp_path: Path, by_file: bool) -> None:  # noqa: FBT001 - a parameter of the test
    authority = Authority.new()
    (tmp_path / "idp.pem").write_bytes(authority.pem)
    data = base64.b64encode(authority.pem).decode()
    trusted = {"idp-certificate-authority": "idp.pem"}
    if not by_file:
        trusted = {"idp-certificate-authority-data": data}
    issuer = Issuer({"id_token": token("new", None)})

    async with serving(issuer.answer, server_tls(tmp_path, authority.server())) as url:
        settings = {**CLIENT, "idp-issuer-url": f"{url}/dex", "refresh-token": "r"}
        for config in (settings | trusted, settings):
            user = {"auth-provider": {"name": "oidc", "config": config}}
            source = kubeconfigs.load(kubeconfig(tmp_path, "http://api", user)).source
            if config is settings:
                with pytest.raises(CredentialsError, match="certificate verify failed"):
                    await source.identity()
            else:
                assert await source.identity() == Identity(f"Bearer {token('new', None)}")

    assert len(issuer.asked) == 1


def test_an_unknown_kind_of_provider_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://api", {"auth-provider": {"name": "gcp"}})

    with pytest.raises(
        ConfigError, match=r"user 'u' has the unknown auth-provider 'gcp': use oidc"
    ):
        kubeconfigs.load(path)
