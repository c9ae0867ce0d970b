# SPDX-License-Identifier: Apache-2.0
"""The TLS context for connections to the API server, made again where its certificates change."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING

import structlog

from .errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .credentials import Identity

log = structlog.get_logger(__name__)

_CERTIFICATE = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_Parts = tuple[bytes, bytes, bytes]
"""The authorities, the client's certificate, and its key, all PEM."""


class Tls:
    """Gives each connection the newest usable context.

    `authority` returns the CA certificates (PEM) as they are now; None trusts the system's.
    `insecure` trusts any server.

    Guarantees:
        Certificates that are half-written or don't belong together change nothing; that is logged
        once.  Connections that are open go on.
    """

    def __init__(self, authority: Callable[[], bytes] | None, *, insecure: bool = False) -> None:
        self._authority = authority
        self._insecure = insecure
        self._context: ssl.SSLContext | None = None
        self._tried: _Parts | None = None

    def context(self, identity: Identity) -> ssl.SSLContext:
        """Return the context for a new connection.

        Raises:
            CredentialsError: there has never been a usable one.
        """
        authority = self._authority() if self._authority else b""
        parts = (authority, identity.certificate, identity.key)
        if self._context is None or parts != self._tried:
            self._load(parts)
        assert self._context is not None
        return self._context

    def renew(self) -> None:
        """Use a new context for later connections, so pooled connections are not used again."""
        self._tried = None

    def _load(self, parts: _Parts) -> None:
        self._tried = parts
        try:
            self._context = self._made(*parts)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            problem = f"the CA or the client certificate cannot be used: {error}"
            if self._context is None:
                raise CredentialsError(problem) from error
            log.warning("the old certificates stay in use", error=problem)

    def _made(self, authority: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._trusted(authority))
        # Go trusts what is named: it asks of a CA neither the extensions that Python 3.13 asks for
        # by default, nor that it signed itself.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            _load_pair(context, certificate, key)
        return context

    def _trusted(self, authority: bytes) -> str | None:
        """Return the certificates among all that a CA bundle may say; None for the system's."""
        if self._authority is None:
            return None
        found = _CERTIFICATE.findall(authority)
        if not found:
            raise ValueError("there is no certificate in the CA bundle")
        return b"\n".join(found).decode("ascii")


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client certificate from memory: OpenSSL reads files alone, so it gets one in memory.

    Raises:
        OSError: certificate and key don't belong together, or are unusable.
    """
    descriptor = os.memfd_create("client-certificate")
    try:
        os.write(descriptor, certificate + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Answer OpenSSL's question for the password of an encrypted key, instead of a terminal."""
    return ""
