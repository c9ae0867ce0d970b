# SPDX-License-Identifier: Apache-2.0
"""Who we are to the API server: a header, a client certificate, or both.

`Held` is what files and a kubeconfig say, `Asked` is what a plugin or an identity provider says.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .files import File

_FAILED_SECONDS = 1.0  # for which a failure is not asked about again: each ask is a process


class Identity(NamedTuple):
    """The credentials of one request; certificate and key are PEM."""

    authorization: str = ""
    certificate: bytes = b""
    key: bytes = b""


class Source(Protocol):
    """Where credentials come from."""

    async def identity(self) -> Identity:
        """Return the credentials to use now.

        Raises:
            CredentialsError: there are none at present.
        """
        ...

    def refused(self, identity: Identity) -> None:
        """Get other credentials next time, because the API server answered 401 to these."""
        ...

    async def close(self) -> None:
        """Stop a request for credentials that is under way."""
        ...


def nothing() -> bytes:
    """Stand in for a file that is not configured."""
    return b""


def bearer(token: bytes) -> str:
    """Return the header for a token.

    Raises:
        CredentialsError: it is not a token; as a header it would end the request's headers.
    """
    text = token.decode("ascii", "replace").strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise CredentialsError("the bearer token has characters that no token has")
    return f"Bearer {text}"


def basic(username: str, password: str) -> str:
    """Return the header for a user name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Held:
    """A fixed header or a token file, and a client certificate.

    `certificate` and `key` are called for each request, so that they can follow files.
    """

    def __init__(
        self,
        authorization: str = "",
        token: File | None = None,
        certificate: Callable[[], bytes] = nothing,
        key: Callable[[], bytes] = nothing,
    ) -> None:
        self._authorization = authorization
        self._token = token
        self._read = b""  # the token of which the header is
        self._certificate = certificate
        self._key = key

    async def identity(self) -> Identity:
        """Return the credentials to use now."""
        if self._token and (token := self._token.read()) is not self._read:
            self._authorization, self._read = bearer(token), token
        return Identity(self._authorization, self._certificate(), self._key())

    def refused(self, identity: Identity) -> None:
        """Read the token again, even if its file looks unchanged."""
        del identity
        if self._token:
            self._token.forget()

    async def close(self) -> None:
        """Do nothing: nothing is under way."""


class Asked:
    """Credentials that a plugin or provider issues for a limited time.

    `ask` returns them with the seconds for which they last; `clock` must not jump.

    Flow:
        They are asked for when they are first needed, when they end, and when they are refused.

    Guarantees:
        One question at a time; a request that gives up waiting does not end the question.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[tuple[Identity, float]]], clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._answer: Identity | CredentialsError | None = None
        self._until = 0.0
        self._asking: asyncio.Task[Identity | CredentialsError] | None = None

    async def identity(self) -> Identity:
        """Return the credentials to use now; ask for new ones if necessary."""
        answer = self._answer
        if answer is None or self._clock() >= self._until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._refresh())
            answer = await asyncio.shield(self._asking)
        if isinstance(answer, CredentialsError):
            raise CredentialsError(str(answer))
        return answer

    def refused(self, identity: Identity) -> None:
        """Ask next time, unless these were replaced meanwhile."""
        if identity is self._answer:
            self._answer = None

    async def close(self) -> None:
        """Cancel a pending request for credentials."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _refresh(self) -> Identity | CredentialsError:
        answer: Identity | CredentialsError
        try:
            answer, seconds = await self._ask()
        except CredentialsError as error:
            answer, seconds = error, _FAILED_SECONDS
        self._answer, self._until = answer, self._clock() + seconds
        return answer
