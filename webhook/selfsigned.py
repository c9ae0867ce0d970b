# SPDX-License-Identifier: Apache-2.0
"""A certificate of our own where there is no cert-manager: made, shared, renewed and trusted.

Every replica does the same, again and again: read the Secret (make or renew what is in it), have
the API server trust it, then write it to the files that the server loads.  Each certificate has an
authority of its own whose key is thrown away after that one signature, so nobody can sign another.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from api import resources
from conversion import values
from kube.client import decode
from kube.errors import KubeError, NotFoundError
from kube.objects import Meta, Struct
from kube.resources import GroupVersionResource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kube.client import Api

    from .tls import Files

log = structlog.get_logger(__name__)

SECRET = "capi-ipam-in-cluster-webhook-service-cert"  # noqa: S105 - a name: cert-manager's, too
CONFIGURATIONS = {
    "mutatingwebhookconfigurations": "capi-ipam-in-cluster-mutating-webhook-configuration",
    "validatingwebhookconfigurations": "capi-ipam-in-cluster-validating-webhook-configuration",
}
"""The configurations that call our admission webhooks, by their plural."""

CONVERTED = tuple(pool.name for pool in resources.POOLS if len(pool.versions) > 1)
"""The CustomResourceDefinitions that call our conversion webhook."""

LIFETIME = dt.timedelta(days=90)
RENEW_BEFORE = dt.timedelta(days=30)
_SKEW = dt.timedelta(minutes=5)  # valid a little earlier, for clocks that disagree

_LOOK_SECONDS = 10.0  # between looks: so long a CRD that was applied again has no CA bundle
_AGAIN_SECONDS = 1.0  # after a failure
_SETTLE_SECONDS = 5.0  # for each API server to hear whom to trust, before we show a new certificate

_SECRETS = GroupVersionResource("", "v1", "Secret", "secrets")
_CRDS = GroupVersionResource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)


class Issued(Struct, frozen=True, rename=None, omit_defaults=False):
    """The data of the Secret, all PEM; `authorities` begins with the one of `certificate`."""

    authorities: bytes = msgspec.field(default=b"", name="ca.crt")
    certificate: bytes = msgspec.field(default=b"", name="tls.crt")
    key: bytes = msgspec.field(default=b"", name="tls.key")


_NOTHING = Issued()


class _Secret(Struct, frozen=True):
    metadata: Meta = Meta()
    data: Issued = _NOTHING


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
    trusted = [authority, *(old for old in _read_all(known) if old.not_valid_after_utc > now)]
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return Issued(
        authorities=b"".join(certificate.public_bytes(pem) for certificate in trusted),
        certificate=server.public_bytes(pem),
        key=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )


def due(issued: Issued, names: Sequence[str], now: dt.datetime) -> bool:
    """Tell whether a new certificate is needed: soon ends, has other names, or cannot be read."""
    certificates = _read_all(issued.certificate)
    if not certificates or not issued.key or not _read_all(issued.authorities):
        return True
    if certificates[0].not_valid_after_utc - now < RENEW_BEFORE:
        return True
    try:
        found = certificates[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return True
    return not set(map(_general_name, names)) <= set(found.value)


class SelfSigned:
    """Keeps the Secret, the trust of the API server, and the files in step, in one replica.

    Guarantees:
        However many replicas do this at once, all come to show the one certificate in the Secret,
        none before the API server was told to trust it, and what others still show stays trusted.
    """

    def __init__(self, api: Api, namespace: str, names: Sequence[str], files: Files) -> None:
        """Prepare it.

        Args:
            api: May read and write the Secret, the CRDs and the webhook configurations.
            namespace: Where the Secret is.
            names: DNS names and IP addresses under which the API server reaches the webhooks.
            files: What the server loads.
        """
        self._api = api
        self._namespace = namespace
        self._names = names
        self._files = files

    async def keep(self) -> NoReturn:
        """Do it for ever."""
        while True:
            seconds = _LOOK_SECONDS
            try:
                await self.step()
            except KubeError as error:
                log.warning("certificate not looked after", error=str(error))
                seconds = _AGAIN_SECONDS
            await asyncio.sleep(seconds)

    async def step(self) -> None:
        """Do it once.

        Raises:
            KubeError: the API server refused or could not be reached, or another replica was first.
        """
        issued = await self._issued()
        changed = [await self._trust(*each, issued.authorities) for each in _callers()]
        if self._shows(issued):
            return
        if any(changed) and self._files.certificate.exists():
            await asyncio.sleep(_SETTLE_SECONDS)
        _write(self._files, issued)
        log.info("certificate taken over", secret=SECRET, file=str(self._files.certificate))

    async def _issued(self) -> Issued:
        """Return what is in the Secret, after it was made or renewed where that is due."""
        try:
            secret = self._secret(await self._api.get(_SECRETS, self._namespace, SECRET))
        except NotFoundError:
            return await self._create()
        if not due(secret.data, self._names, dt.datetime.now(dt.UTC)):
            return secret.data
        changes = {
            "metadata": {"resourceVersion": secret.metadata.resource_version},
            "data": issue(self._names, secret.data.authorities),
        }
        body = msgspec.json.encode(changes)
        answer = await self._api.patch(_SECRETS, self._namespace, SECRET, body)
        log.info("certificate renewed", secret=SECRET)
        return self._secret(answer).data

    async def _create(self) -> Issued:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET, "namespace": self._namespace},
            "data": issue(self._names),
        }
        answer = await self._api.create(_SECRETS, self._namespace, msgspec.json.encode(body))
        log.info("certificate made", secret=SECRET)
        return self._secret(answer).data

    @staticmethod
    def _secret(answer: bytes) -> _Secret:
        return decode(answer, _Secret, f"GET secret {SECRET}")

    async def _trust(self, resource: GroupVersionResource, name: str, authorities: bytes) -> bool:
        """Have the API server trust the authorities where it calls us; tell whether that is new."""
        try:
            found: object = msgspec.json.decode(await self._api.get(resource, "", name))
        except NotFoundError:
            return False  # not installed, so it does not call us
        changes = _trusting(found, authorities) if values.is_object(found) else {}
        if not changes:
            return False
        await self._api.patch(resource, "", name, msgspec.json.encode(changes))
        log.info("CA bundle written", resource=resource.plural, name=name)
        return True

    def _shows(self, issued: Issued) -> bool:
        """Tell whether the files hold this certificate already."""
        try:
            return self._files.certificate.read_bytes() == issued.certificate
        except FileNotFoundError:
            return False


def _callers() -> Iterator[tuple[GroupVersionResource, str]]:
    """Yield the objects by which the API server calls our webhooks."""
    yield from ((_CRDS, name) for name in CONVERTED)
    for plural, name in CONFIGURATIONS.items():
        group = "admissionregistration.k8s.io"
        yield GroupVersionResource(group, "v1", "", plural, namespaced=False), name


def _trusting(obj: values.JsonObject, authorities: bytes) -> values.JsonObject:
    """Return the patch by which an object trusts the authorities; empty if it does.

    Flow:
        It does if it trusts the first of them: a replica that has not yet seen the newest Secret
        must not take back what another one has written.
    """
    first = authorities.partition(_END)[0]
    clients = list(_client_configs(obj))
    if all(first in _bundle(client) for client in clients):
        return {}
    for client in clients:
        client["caBundle"] = base64.b64encode(authorities).decode("ascii")
    metadata = values.child(obj, "metadata", "metadata")
    version = {"resourceVersion": metadata.get("resourceVersion")}
    if "webhooks" in obj:
        return {"metadata": version, "webhooks": obj["webhooks"]}
    conversion = values.child(values.child(obj, "spec", "spec"), "conversion", "spec.conversion")
    return {"metadata": version, "spec": {"conversion": conversion}}


_END = b"-----END CERTIFICATE-----"


def _client_configs(obj: values.JsonObject) -> Iterator[values.JsonObject]:
    """Yield each `clientConfig` of a CRD or of a webhook configuration."""
    conversion = values.child(values.child(obj, "spec", "spec"), "conversion", "spec.conversion")
    hooks = [conversion.get("webhook"), *_items(obj.get("webhooks"))]
    for hook in hooks:
        client = hook.get("clientConfig") if values.is_object(hook) else None
        if values.is_object(client):
            yield client


def _items(value: object) -> list[object]:
    return [*value] if isinstance(value, list) else []


def _bundle(client: values.JsonObject) -> bytes:
    return base64.b64decode(values.text(client, "caBundle"))


def _write(files: Files, issued: Issued) -> None:
    """Write both files, each whole or not at all; the certificate last, by which we tell."""
    files.certificate.parent.mkdir(parents=True, exist_ok=True)
    for path, content in ((files.key, issued.key), (files.certificate, issued.certificate)):
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(path)


def _read_all(pem: bytes) -> list[x509.Certificate]:
    """Read certificates in PEM; none, if one cannot be read."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common[:64])])  # X.520's limit


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
