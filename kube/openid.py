# SPDX-License-Identifier: Apache-2.0
"""New tokens from a provider of OpenID Connect, for a refresh token.

Source: https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, TypeVar
from urllib.parse import quote_plus

import aiohttp
import msgspec

from .credentials import Identity, basic
from .errors import CredentialsError
from .proxies import proxy_for
from .structs import prepared

if TYPE_CHECKING:
    import ssl

    from .tls import Tls

T = TypeVar("T")

_TIMEOUT = aiohttp.ClientTimeout(total=30)  # seconds, as long as client-go waits
_OK = 200
_ERROR_CHARACTERS = 500  # of what a provider answers
_BASIC = "client_secret_basic"  # the method of a provider that names none


class Settings(msgspec.Struct, rename="kebab", frozen=True):
    """The `config` of a kubeconfig's `auth-provider`."""

    idp_issuer_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    id_token: str = ""
    refresh_token: str = ""


@prepared
class Tokens(msgspec.Struct, frozen=True):
    """A provider's answer; without a new refresh token, the old one is still valid."""

    id_token: str
    refresh_token: str = ""


@prepared
class _Discovery(msgspec.Struct, frozen=True):
    token_endpoint: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = (_BASIC,)


async def refresh(settings: Settings, refresh_token: str, tls: Tls) -> Tokens:
    """Get new tokens.

    Raises:
        CredentialsError: the provider cannot be reached, refuses, or its answer cannot be read.
    """
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            return await _refresh(_Http(session, tls), settings, refresh_token)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CredentialsError(str(error) or type(error).__name__) from error


async def _refresh(http: _Http, settings: Settings, refresh_token: str) -> Tokens:
    issuer = settings.idp_issuer_url.rstrip("/")
    found = await http.get(f"{issuer}/.well-known/openid-configuration", _Discovery)
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    if settings.client_secret and _BASIC in found.token_endpoint_auth_methods_supported:
        headers = {"Authorization": _header(settings)}
        return await http.post(found.token_endpoint, Tokens, form, headers)
    return await http.post(found.token_endpoint, Tokens, form | _in_form(settings), {})


def _header(settings: Settings) -> str:
    """Return the client's name and secret, quoted as OAuth requires."""
    return basic(quote_plus(settings.client_id), quote_plus(settings.client_secret))


def _in_form(settings: Settings) -> dict[str, str]:
    secret = {"client_secret": settings.client_secret} if settings.client_secret else {}
    return {"client_id": settings.client_id, **secret}


class _Way(TypedDict):
    """The options of aiohttp that each request has."""

    proxy: str | None
    ssl: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class _Http:
    """Requests whose answers are JSON."""

    session: aiohttp.ClientSession
    tls: Tls

    async def get(self, url: str, answer: type[T]) -> T:
        async with self.session.get(url, **self._way(url)) as response:
            return await _decoded(response, answer)

    async def post(
        self, url: str, answer: type[T], form: dict[str, str], headers: dict[str, str]
    ) -> T:
        """Send a form, which has secrets: it follows no redirect."""
        async with self.session.post(
            url, data=form, headers=headers, allow_redirects=False, **self._way(url)
        ) as response:
            return await _decoded(response, answer)

    def _way(self, url: str) -> _Way:
        return {"proxy": proxy_for(url, os.environ), "ssl": self.tls.context(Identity())}


async def _decoded(response: aiohttp.ClientResponse, answer: type[T]) -> T:
    url, body = response.url, await response.read()
    if response.status != _OK:
        text = body.decode(errors="replace").strip()[:_ERROR_CHARACTERS]
        raise CredentialsError(f"{url} answers {response.status}: {text}")
    try:
        return msgspec.json.decode(body, type=answer)
    except (msgspec.DecodeError, ValueError) as error:
        raise CredentialsError(f"the answer of {url} cannot be read: {error}") from error
