# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from envtest import pki


def verifier(authority: pki.Authority) -> verification.PolicyBuilder:
    """Return a builder of verifiers that are as strict as browsers and newer Pythons."""
    store = verification.Store([x509.load_pem_x509_certificate(authority.pem)])
    return verification.PolicyBuilder().store(store)


def certificate(pair: pki.Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def test_a_strict_client_accepts_the_server() -> None:
    authority = pki.Authority.new()
    strict = verifier(authority).build_server_verifier(x509.DNSName("localhost"))

    assert len(strict.verify(certificate(authority.server()), [])) == 2


def test_another_authority_is_not_believed() -> None:
    strict = verifier(pki.Authority.new()).build_server_verifier(x509.DNSName("localhost"))

    with pytest.raises(verification.VerificationError):
        strict.verify(certificate(pki.Authority.new().server()), [])


def test_a_strict_server_accepts_the_client_as_far_as_it_is_signed() -> None:
    authority = pki.Authority.new()
    issued = certificate(authority.client("bob", ["admins", "users"]))

    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))


def test_groups_are_organizations() -> None:
    issued = certificate(pki.Authority.new().client("bob", ["admins", "users"]))

    assert issued.subject.rfc4514_string() == "CN=bob,O=users,O=admins"


def test_a_key_is_for_its_owner_only(tmp_path: Path) -> None:
    _, key = pki.Authority.new().server().write(tmp_path, "tls")

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
