# SPDX-License-Identifier: Apache-2.0
"""New tokens from a provider of OpenID Connect, in exchange for a refresh token.

No other module uses the package `kubernetes`.  It is imported only when a token has expired,
because it costs 20 MiB and most of a second.

Source: https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokens
"""

# The package has no annotations, so what comes out of it is unknown to pyright:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import aiohttp
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.openid import OpenIDRequestor
from typing_extensions import override

from .credentials import basic
from .errors import CredentialsError
from .proxies import proxy_for

if TYPE_CHECKING:
    import ssl

_SECONDS = 30.0  # as long as client-go waits


class _Requestor(OpenIDRequestor):  # type: ignore[misc] # the package has no types
    """The package's requests, but to a provider whose certificate is checked.

    The package checks none unless the kubeconfig has a CA, and with one it cannot connect.
    """

    def __init__(self, issuer: str, client: str, secret: str, context: ssl.SSLContext) -> None:
        super().__init__(client, secret, issuer)
        self._authorization = basic(quote_plus(client), quote_plus(secret))
        self._context = context

    @override
    def _client_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._default_headers | {"Authorization": self._authorization},
            connector=aiohttp.TCPConnector(ssl=self._context),
            raise_for_status=True,
        )

    @override
    async def _get(self, client: aiohttp.ClientSession, url: str) -> object:
        return await super()._get(client, url, proxy=_proxy(url))

    @override
    async def _post(self, client: aiohttp.ClientSession, url: str, **options: Any) -> object:
        """Send a form, and follow no redirect: the form has secrets."""
        options |= {"allow_redirects": False, "proxy": _proxy(url)}
        return await super()._post(client, url, **options)


def _proxy(url: str) -> str | None:
    """Return the proxy for a URL; aiohttp's own rules would also read passwords of ~/.netrc."""
    return proxy_for(url, os.environ)


async def refresh(
    issuer: str, client: str, secret: str, refresh_token: str, context: ssl.SSLContext
) -> object:
    """Return the decoded answer of the provider at the URL `issuer`: new tokens.

    Raises:
        CredentialsError: the provider cannot be reached, refuses, or its answer is not JSON.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _Requestor(issuer, client, secret, context).refresh_token(refresh_token)
    except ConfigException as error:
        raise CredentialsError(f"{error}: {error.__context__}") from error
    except KeyError as error:
        raise CredentialsError(f"its configuration has no {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CredentialsError(str(error) or type(error).__name__) from error
    except ValueError as error:
        raise CredentialsError(f"its answer is not JSON: {error}") from error
