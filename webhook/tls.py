# SPDX-License-Identifier: Apache-2.0
"""The server's certificate, taken from files anew whenever they change.

cert-manager renews certificates while the process runs; the kubelet swaps the mounted files.
"""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from .errors import CertificateError

VERSIONS = {"VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
"""The values of `--tls-min-version`, as Kubernetes' components call them."""

_KEYS = ("ECDSA", "RSA")
_CIPHERS = {
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "CHACHA20_POLY1305": "CHACHA20-POLY1305",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
}
CIPHERS = {
    f"TLS_ECDHE_{key}_WITH_{name}": f"ECDHE-{key}-{openssl}"
    for key in _KEYS
    for name, openssl in _CIPHERS.items()
}
"""The values of `--tls-cipher-suites` that Kubernetes' components call secure, as OpenSSL's."""

_TLS13_CIPHERS = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
)

_log = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]
"""What changes when a file does: inode, time of change in ns, and size, of both files."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a certificate (with its chain) and its key are, in PEM."""

    certificate: Path
    key: Path

    def stamp(self) -> _Stamp:
        """Tell the present files from earlier ones.

        Raises:
            OSError: one is missing.
        """
        stats = [path.stat() for path in (self.certificate, self.key)]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


def openssl_ciphers(names: str) -> str:
    """Return OpenSSL's list of ciphers for TLS 1.2 for a comma-separated one of IANA's names.

    Flow:
        Names of TLS 1.3 are allowed and change nothing, as in Go: all of them are always on.

    Raises:
        ValueError: a name is unknown, or insecure.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in CIPHERS and name not in _TLS13_CIPHERS:
            known = ", ".join(CIPHERS)
            raise ValueError(f"{name!r} is not a secure cipher suite; known are {known}")
    return ":".join(CIPHERS[name] for name in wanted if name in CIPHERS)


class Certificates:
    """A TLS context that always has the newest usable certificate.

    Flow:
        Each handshake looks whether the files have changed, which costs two system calls, and then
        loads them into a context of their own.

    Guarantees:
        Files that are half-written or don't belong together change nothing; that is logged once.
        Open connections go on with the certificate that they began with.
    """

    def __init__(
        self, files: Files, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, ciphers: str = ""
    ) -> None:
        """Load the files.

        Args:
            files: The certificate and its key.
            minimum: The oldest version of TLS to speak.
            ciphers: OpenSSL's list of them for TLS 1.2; empty for OpenSSL's default.

        Raises:
            CertificateError: they are missing or unusable.
        """
        self._files = files
        self._minimum = minimum
        self._ciphers = ciphers
        self._seen: _Stamp = ()
        self.pem = b""
        """The certificate that new connections get, and those that signed it."""
        try:
            self._seen = files.stamp()
            self._newest = self._take()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CertificateError(files.certificate, files.key, str(error)) from error
        self.context = self._load()
        self.context.sni_callback = self._choose

    def refresh(self) -> None:
        """Load the files if they have changed since the last look."""
        try:
            stamp = self._files.stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._newest = self._take()
        except (OSError, ValueError) as error:
            _log.warning("keeping the old certificate: %s: %s", self._files.certificate, error)
            return
        _log.info("loaded the new certificate %s", self._files.certificate)

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, first: ssl.SSLContext
    ) -> None:
        """Give a connection that shakes hands the newest certificate, whatever name it asks for."""
        del name, first
        self.refresh()
        connection.context = self._newest

    def _take(self) -> ssl.SSLContext:
        pem = self._files.certificate.read_bytes()
        context = self._load()
        self.pem = pem
        return context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum
        if self._ciphers:
            context.set_ciphers(self._ciphers)
        context.load_cert_chain(self._files.certificate, self._files.key, _no_password)
        return context


def _no_password() -> str:
    """Answer OpenSSL's question for the password of an encrypted key, instead of a terminal."""
    return ""
