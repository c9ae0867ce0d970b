# SPDX-License-Identifier: Apache-2.0
"""A certificate of our own where there is no cert-manager: made, shared, renewed and trusted.

Every replica does the same, again and again: read the Secret (make or renew what is in it), have
the API server trust it, then write it to the files that the server loads.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from api import resources
from crdkit.conversion import values
from kube.client import decode
from kube.errors import KubeError, NotFoundError
from kube.meta import Meta
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS, ApiResource
from kube.structs import Struct, prepared

from . import issuer

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

_LOOK_SECONDS = 10.0  # between looks: so long a CRD that was applied again has no CA bundle
_AGAIN_SECONDS = 1.0  # after a failure
_SETTLE_SECONDS = 5.0  # for each API server to hear whom to trust, before we show a new certificate

_SECRETS = ApiResource("", "v1", "Secret", "secrets")


_NOTHING = issuer.Issued()


@prepared
class _Secret(Struct, frozen=True):
    metadata: Meta = Meta()
    data: issuer.Issued = _NOTHING


class SelfSigned:
    """Keeps the Secret, the trust of the API server, and the files of one replica in step.

    Guarantees:
        All replicas come to serve the one certificate in the Secret, and none before the API server
        trusts it.  Certificates that other replicas still serve stay trusted.
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
        for each in _callers():
            await self._trust(*each, issued.authorities)
        if self._shows(issued):
            return
        if self._files.certificate.exists():  # another replica may have been trusted just now
            await _settle()
        _write(self._files, issued)
        log.info("certificate taken over", secret=SECRET, file=str(self._files.certificate))

    async def _issued(self) -> issuer.Issued:
        """Return what is in the Secret, after it was made or renewed where that is due."""
        try:
            secret = self._secret(await self._api.get(_SECRETS, self._namespace, SECRET))
        except NotFoundError:
            return await self._create()
        if not issuer.due(secret.data, self._names, dt.datetime.now(dt.UTC)):
            return secret.data
        changes = {
            "metadata": {"resourceVersion": secret.metadata.resource_version},
            "data": issuer.issue(self._with_names_of(secret.data), secret.data.authorities),
        }
        body = msgspec.json.encode(changes)
        answer = await self._api.patch(_SECRETS, self._namespace, SECRET, body)
        log.info("certificate renewed", secret=SECRET)
        return self._secret(answer).data

    def _with_names_of(self, issued: issuer.Issued) -> list[str]:
        """Return our names and those of other replicas, or each would undo what the other does."""
        others = (str(name.value) for name in issuer.names_in(issued))
        return list(dict.fromkeys([*self._names, *others]))[: issuer.NAMES]

    async def _create(self) -> issuer.Issued:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET, "namespace": self._namespace},
            "data": issuer.issue(self._names),
        }
        answer = await self._api.create(_SECRETS, self._namespace, msgspec.json.encode(body))
        log.info("certificate made", secret=SECRET)
        return self._secret(answer).data

    @staticmethod
    def _secret(answer: bytes) -> _Secret:
        return decode(answer, _Secret, f"GET secret {SECRET}")

    async def _trust(self, resource: ApiResource, name: str, authorities: bytes) -> None:
        """Have the API server trust the authorities where it calls us."""
        try:
            found: object = msgspec.json.decode(await self._api.get(resource, "", name))
        except NotFoundError:
            return  # not installed, so it does not call us
        changes = _trusting(found, authorities) if values.is_object(found) else {}
        if changes:
            await self._api.patch(resource, "", name, msgspec.json.encode(changes))
            log.info("CA bundle written", resource=resource.plural, name=name)

    def _shows(self, issued: issuer.Issued) -> bool:
        """Return whether the files hold this certificate and its key already."""
        try:
            shown = self._files.certificate.read_bytes(), self._files.key.read_bytes()
        except FileNotFoundError:
            return False
        return shown == (issued.certificate, issued.key)


async def _settle() -> None:
    await asyncio.sleep(_SETTLE_SECONDS)


def _callers() -> Iterator[tuple[ApiResource, str]]:
    """Yield the objects by which the API server calls our webhooks."""
    yield from ((CUSTOM_RESOURCE_DEFINITIONS, name) for name in CONVERTED)
    for plural, name in CONFIGURATIONS.items():
        group = "admissionregistration.k8s.io"
        yield ApiResource(group, "v1", "", plural, namespaced=False), name


def _trusting(obj: values.JsonObject, authorities: bytes) -> values.JsonObject:
    """Return the patch by which an object trusts the authorities; empty if it does.

    Flow:
        It does if it trusts the first of them: a replica that has not yet seen the newest Secret
        must not take back what another one has written.  What it trusts already it trusts on, also
        where the Secret knows nothing of it (somebody has deleted that one): it may still be shown.
    """
    first = authorities.partition(_END)[0]
    clients = list(_client_configs(obj))
    if all(first in _bundle(client) for client in clients):
        return {}
    now = dt.datetime.now(dt.UTC)
    for client in clients:
        trusted = issuer.pem(issuer.merged(issuer.read_all(authorities), _bundle(client), now))
        client["caBundle"] = base64.b64encode(trusted).decode("ascii")
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


def _write(files: Files, issued: issuer.Issued) -> None:
    """Write both files, each whole or not at all; the certificate last, because it is compared."""
    files.certificate.parent.mkdir(parents=True, exist_ok=True)
    for path, content in ((files.key, issued.key), (files.certificate, issued.certificate)):
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(path)
