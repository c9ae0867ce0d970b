# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one control plane, strict enough for `VERIFY_X509_STRICT`.

Python 3.13 and later verify strictly by default: subject and authority key identifiers, a critical
basicConstraints on the authority, keyUsage.  All keys are P-256: made in well under a millisecond.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=30)  # `make dev` may run for weeks; nothing runs for longer
SKEW = dt.timedelta(minutes=5)  # valid a little earlier, for clocks that disagree
LOOPBACK = "127.0.0.1"

_NO_USAGE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write NAME.crt and NAME.key, each whole or not at all; return their paths."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        for path, content in ((key, self.key), (certificate, self.certificate)):
            replace_file(path, content)
        return certificate, key


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that others may be reading: they find the old one or the new one, whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)


class Authority:
    """Signs certificates that are valid from now on for `LIFETIME`."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def new(cls, name: str = "envtest") -> Self:
        """Make a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name, ())
        usage = {**_NO_USAGE, "key_cert_sign": True, "crl_sign": True, "digital_signature": True}
        certificate = (
            _builder(subject, subject, key.public_key(), key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> bytes:
        """The authority's certificate, which is all that others need to trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, name: str = "localhost", address: str = LOOPBACK) -> Pair:
        """Issue a certificate for a server (and its peers) at an address."""
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(address))]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue(_name(name, ()), uses, x509.SubjectAlternativeName(names))

    def client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """Issue the certificate that makes its bearer `user` for the API server.

        Caveat: X.520 ends a name at 64 characters; longer service account names need a token.
        """
        return self._issue(_name(user, groups), [ExtendedKeyUsageOID.CLIENT_AUTH], None)

    def _issue(
        self,
        subject: x509.Name,
        uses: Sequence[x509.ObjectIdentifier],
        names: x509.SubjectAlternativeName | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = {**_NO_USAGE, "digital_signature": True}
        builder = (
            _builder(subject, self._certificate.subject, key.public_key(), self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return Pair(signed.public_bytes(serialization.Encoding.PEM), private_pem(key))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in the only form in which the API server reads a service account key."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def signing_key() -> bytes:
    """Return a new key with which the API server signs service account tokens."""
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def _name(common: str, organizations: Sequence[str]) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(identifier, critical=False)
        .add_extension(authority, critical=False)
    )
