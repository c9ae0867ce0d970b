# SPDX-License-Identifier: Apache-2.0
"""Which servers are trusted, by real handshakes, and what becomes of broken certificates."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from envtest.pki import Authority, Pair, private_pem
from kube.credentials import Identity
from kube.errors import CredentialsError
from kube.tls import Tls

HOST = "localhost"
NOBODY = Identity()


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str = HOST) -> None:
    """Connect the two in memory.

    Raises:
        ssl.SSLError: one refuses the other.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


def server(folder: Path, pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(folder, "server"))
    return context


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Plain:
    """An authority that says no more of itself than Go asks for: no key usage, no identifiers."""

    def __init__(self, text: str, issuer: "Plain | None" = None) -> None:
        self.name, self.key = name(text), ec.generate_private_key(ec.SECP256R1())
        above = issuer or self
        builder = self._builder(self.name, self.key, above.name)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = builder.add_extension(constraints, critical=False).sign(
            above.key, hashes.SHA256()
        )

    @property
    def pem(self) -> bytes:
        return pem(self.certificate)

    def pair(self, host: str = HOST) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = self._builder(name("server"), key, self.name)
        signed = builder.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        return Pair(pem(signed), private_pem(key))

    @staticmethod
    def _builder(
        subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
        )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def as_python_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make default contexts as strict as Python 3.13 does, whatever runs here."""
    original = ssl.create_default_context

    def strict(*args: Any, **more: Any) -> ssl.SSLContext:
        context = original(*args, **more)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.mark.usefixtures("as_python_3_13")
def test_an_authority_without_the_extensions_that_python_asks_for_is_trusted_as_in_go(
    tmp_path: Path,
) -> None:
    authority = Plain("ca")
    strict = ssl.create_default_context(cadata=authority.pem.decode())
    with pytest.raises(ssl.SSLError):
        shake_hands(strict, server(tmp_path, authority.pair()))

    shake_hands(Tls(lambda: authority.pem).context(NOBODY), server(tmp_path, authority.pair()))


def test_an_intermediate_authority_is_trusted_alone_as_in_go(tmp_path: Path) -> None:
    middle = Plain("middle", Plain("root"))

    shake_hands(Tls(lambda: middle.pem).context(NOBODY), server(tmp_path, middle.pair()))


def test_another_authority_and_another_name_are_refused(tmp_path: Path) -> None:
    ours, theirs = Plain("ca"), Plain("ca")
    context = Tls(lambda: ours.pem).context(NOBODY)

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, server(tmp_path, theirs.pair()))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(context, server(tmp_path, ours.pair()), "other.example")


def test_who_asks_for_no_verification_gets_none(tmp_path: Path) -> None:
    context = Tls(None, insecure=True).context(NOBODY)

    shake_hands(context, server(tmp_path, Plain("ca").pair()), "other.example")


def test_comments_in_a_bundle_are_no_certificates(tmp_path: Path) -> None:
    ours = Plain("ca")
    bundle = "# Zürich\n".encode() + Plain("other").pem + b"# ours\n" + ours.pem

    shake_hands(Tls(lambda: bundle).context(NOBODY), server(tmp_path, ours.pair()))


@pytest.mark.parametrize("bundle", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_bundle_without_a_certificate_is_an_error_and_not_the_systems_trust(
    bundle: bytes,
) -> None:
    with pytest.raises(CredentialsError, match="there is no certificate in the CA bundle"):
        Tls(lambda: bundle).context(NOBODY)


def test_a_context_is_made_again_only_where_something_has_changed() -> None:
    bundle = [Plain("ca").pem]
    tls = Tls(lambda: bundle[0])
    first = tls.context(NOBODY)
    assert tls.context(NOBODY) is first

    bundle[0] = Plain("ca").pem
    second = tls.context(NOBODY)
    assert second is not first

    tls.renew()
    assert tls.context(NOBODY) is not second


def test_a_broken_bundle_and_half_a_pair_change_nothing() -> None:
    authority = Authority.new()
    bundle = [authority.pem]
    tls = Tls(lambda: bundle[0])
    old, new = authority.client("me"), authority.client("me")
    context = tls.context(Identity("", old.certificate, old.key))

    assert tls.context(Identity("", new.certificate, old.key)) is context
    bundle[0] = b"half"
    assert tls.context(Identity("", new.certificate, new.key)) is context

    bundle[0] = authority.pem
    assert tls.context(Identity("", new.certificate, new.key)) is not context
