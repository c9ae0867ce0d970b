# SPDX-License-Identifier: Apache-2.0
"""Makes serving certificates, each with an authority of its own.

The authority's key is thrown away after the one signature, so nobody can sign another certificate.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

import msgspec
from cryptography import exceptions, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kube.structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIFETIME = dt.timedelta(days=90)
RENEW_BEFORE = dt.timedelta(days=30)
TRUSTED = 10  # authorities: those of 90 days are three, the rest is for Secrets that were deleted
NAMES = 20  # in a certificate: those of the Service, and hosts of replicas that came and went
_PEM = serialization.Encoding.PEM
_SKEW = dt.timedelta(minutes=5)  # valid a little earlier, for clocks that disagree


@prepared
class Issued(Struct, frozen=True, rename=None, omit_defaults=False):
    """The data of the Secret, all PEM; `authorities` begins with the one of `certificate`."""

    authorities: bytes = msgspec.field(default=b"", name="ca.crt")
    certificate: bytes = msgspec.field(default=b"", name="tls.crt")
    key: bytes = msgspec.field(default=b"", name="tls.key")


def issue(names: Sequence[str], known: bytes = b"", now: dt.datetime | None = None) -> Issued:
    """Make a serving certificate and its authority.

    Args:
        names: DNS names and IP addresses of the server.
        known: Authorities to be trusted on, in PEM: other replicas still show their certificates.
        now: When its time begins; now, if not given.
    """
    now = now or dt.datetime.now(dt.UTC)
    signer, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = _name("capi-ipam-in-cluster authority"), _name(names[0])
    authority = (
        _builder(issuer, issuer, signer.public_key(), signer.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(signer, hashes.SHA256())
    )
    server = (
        _builder(subject, issuer, key.public_key(), signer.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .sign(signer, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    return Issued(
        authorities=pem(merged([authority], known, now)),
        certificate=pem([server]),
        key=key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain),
    )


def merged(
    authorities: list[x509.Certificate], known: bytes, now: dt.datetime
) -> list[x509.Certificate]:
    """Return authorities, and after them the known ones whose time is not over."""
    valid = [each for each in read_all(known) if each.not_valid_after_utc > now]
    return list(dict.fromkeys([*authorities, *valid]))[:TRUSTED]


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Write certificates one after the other."""
    return b"".join(each.public_bytes(_PEM) for each in certificates)


def due(issued: Issued, names: Sequence[str], now: dt.datetime) -> bool:
    """Return whether a new certificate is needed: it ends soon, lacks a name, or is of no use."""
    if not _belongs_together(issued):
        return True
    if read_all(issued.certificate)[0].not_valid_after_utc - now < RENEW_BEFORE:
        return True
    return not set(map(_general_name, names)) <= set(names_in(issued))


def _belongs_together(issued: Issued) -> bool:
    """Return whether the key is the certificate's, and the first authority has signed that."""
    certificates, authorities = read_all(issued.certificate), read_all(issued.authorities)
    if not certificates or not authorities:
        return False
    try:
        certificates[0].verify_directly_issued_by(authorities[0])
        key = serialization.load_pem_private_key(issued.key, password=None)
    except (ValueError, TypeError, exceptions.InvalidSignature, exceptions.UnsupportedAlgorithm):
        return False
    return key.public_key() == certificates[0].public_key()


def read_all(pem: bytes) -> list[x509.Certificate]:
    """Read certificates in PEM; none, if one cannot be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common[:64])])  # X.520's limit


def names_in(issued: Issued) -> Sequence[x509.GeneralName]:
    """Return the names of a server; none, if its certificate cannot be read."""
    for certificate in read_all(issued.certificate)[:1]:
        with contextlib.suppress(x509.ExtensionNotFound):
            extensions = certificate.extensions
            return [*extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
    return []


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(authority, critical=False)
    )
