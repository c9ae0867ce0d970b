# SPDX-License-Identifier: Apache-2.0
"""Identity providers that a kubeconfig names under `auth-provider`: those of OpenID Connect.

Like kubectl's plugin `oidc`, it uses the token of the kubeconfig, and renews it when it expires.
"""

from __future__ import annotations

import base64
import math
import time
from typing import TYPE_CHECKING

import msgspec

from .credentials import Identity, bearer
from .errors import CredentialsError
from .structs import prepared
from .tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 60.0  # between checks whether a token has expired: a wall clock may jump
_MARGIN = 10.0  # seconds before its expiry from which a token is not used, as in client-go


@prepared
class _Settings(msgspec.Struct, rename="kebab", frozen=True):
    """The `config` of a kubeconfig's `auth-provider`."""

    idp_issuer_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    id_token: str = ""
    refresh_token: str = ""


@prepared
class _Tokens(msgspec.Struct, frozen=True):
    """A provider's answer; without a new refresh token, the old one is still valid."""

    id_token: str
    refresh_token: str = ""


@prepared
class _Claims(msgspec.Struct, frozen=True):
    exp: float = math.inf


class Provider:
    """Returns the kubeconfig's token, and gets a new one when that expires.

    `config` has the settings of the kubeconfig.  `authority` returns the CA certificates of the
    provider; None trusts the system's.

    Caveats:
        New tokens are not written into the kubeconfig.
    """

    def __init__(
        self,
        config: dict[str, str],
        authority: Callable[[], bytes] | None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings = msgspec.convert(config, _Settings)
        self._tls = Tls(authority)
        self._wall_clock = wall_clock
        self._tokens = _Tokens(settings.id_token, settings.refresh_token)

    async def ask(self) -> tuple[Identity, float]:
        """Return a token, and the seconds until it must be checked again.

        Raises:
            CredentialsError: no token is valid, and the provider gives no new one.
        """
        try:
            if not self._tokens.id_token or self._seconds_left() <= 0:
                await self._refresh()
            identity = Identity(bearer(self._tokens.id_token.encode()))
            return identity, min(self._seconds_left(), _SECONDS)
        except CredentialsError as error:
            issuer = self._settings.idp_issuer_url or "oidc"
            raise CredentialsError(f"identity provider {issuer}: {error}") from error

    def _seconds_left(self) -> float:
        return _expiry(self._tokens.id_token) - _MARGIN - self._wall_clock()

    async def _refresh(self) -> None:
        old = self._tokens.refresh_token
        if not old:
            raise CredentialsError(
                "the id-token has expired, and no refresh-token is set: log in again"
            )
        if not self._settings.idp_issuer_url or not self._settings.client_id:
            raise CredentialsError("set idp-issuer-url and client-id to use the refresh-token")
        new = await self._new_tokens(old)
        self._tokens = _Tokens(new.id_token, new.refresh_token or old)

    async def _new_tokens(self, old: str) -> _Tokens:
        from . import openid  # noqa: PLC0415 - see its docstring

        settings, context = self._settings, self._tls.context(Identity())
        client, secret = settings.client_id, settings.client_secret
        answer = await openid.refresh(settings.idp_issuer_url, client, secret, old, context)
        try:
            return msgspec.convert(answer, _Tokens)
        except msgspec.ValidationError as error:
            raise CredentialsError(f"its answer has no token: {error}") from error


def _expiry(token: str) -> float:
    """Return the time at which a token expires, in seconds since 1970.

    Raises:
        CredentialsError: it is not a JSON Web Token.
    """
    try:
        _header, claims, _signature = token.split(".")
        decoded = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
        return msgspec.json.decode(decoded, type=_Claims).exp
    except (ValueError, msgspec.DecodeError) as error:
        raise CredentialsError(f"the id-token is not a JSON Web Token: {error}") from error
