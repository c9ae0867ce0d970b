# SPDX-License-Identifier: Apache-2.0
"""Find problems of the webhook configurations: missing ones, and CAs that expire."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING

from api import resources
from kube.client import list_all
from kube.meta import Object
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS, ApiResource
from kube.structs import prepared
from kube.webhooks import Webhook
from objects.pools import RESOURCES
from webhook import issuer

from .finding import ERROR, WARNING, Check, Finding, ObjectReference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from kube.client import Api
    from kube.definitions import Definition

_SOON = dt.timedelta(days=7)
"""A certificate that expires within this time is reported: its renewal is late."""

_REMEDY = "check that cert-manager runs, or that the manager runs with --webhook-self-signed"

CONFIGURATIONS = tuple(
    ApiResource("admissionregistration.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)


@prepared
class _Configuration(Object, frozen=True):
    webhooks: tuple[Webhook, ...] = ()


async def findings(api: Api, resource: ApiResource, now: dt.datetime) -> AsyncIterator[Finding]:
    """Yield the problems of the webhooks of one of the configurations.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    ends = {_path_end(each): each.kind for each in RESOURCES.values()}
    missing = dict(ends)
    for found in await list_all(api, resource, _Configuration):
        where = ObjectReference(resource.kind, found.metadata.name)
        for webhook in found.webhooks:
            for end in filter(webhook.path.endswith, ends):
                missing.pop(end, None)
                for finding in _of_webhook(where, webhook, now):
                    yield finding
    if missing:
        names = ", ".join(missing.values())
        cause = f"has no webhook for {names}, so the provider's rules do not apply to them"
        remedy = "install the provider again"
        yield Finding(Check.WEBHOOK_NOT_FOUND, ERROR, ObjectReference(resource.kind), cause, remedy)


def of_conversion(found: Mapping[str, Definition], now: dt.datetime) -> Iterator[Finding]:
    """Yield the problems of the conversion webhooks of the CRDs."""
    for kind in resources.POOLS:
        if kind.kind not in found:
            continue  # another check reports it
        where = ObjectReference(CUSTOM_RESOURCE_DEFINITIONS.kind, kind.name)
        if webhook := found[kind.kind].webhook:
            yield from _of_webhook(where, webhook, now)
        elif kind.conversion:
            cause = "has no conversion webhook, so its other versions lose fields"
            yield Finding(
                Check.WEBHOOK_NOT_FOUND, ERROR, where, cause, "apply the CRDs of this release"
            )


def _path_end(pool: ApiResource) -> str:
    """Return the end of the path of a kind's webhook; Cluster API has webhooks of this group."""
    return f"-{pool.group.replace('.', '-')}-{pool.version}-{pool.kind.lower()}"


def _of_webhook(where: ObjectReference, webhook: Webhook, now: dt.datetime) -> Iterator[Finding]:
    if problem := _problem(webhook.client_config.ca_bundle, now):
        severity, cause = problem
        text = f"{cause}, in {f'webhook {webhook.name}' if webhook.name else 'spec.conversion'}"
        yield Finding(Check.WEBHOOK_CA_INVALID, severity, where, text, _REMEDY)


def _problem(ca_bundle: str, now: dt.datetime) -> tuple[str, str] | None:
    """Return the severity and the cause; None if a caBundle has a certificate that is valid."""
    if not ca_bundle:
        return ERROR, "has no caBundle"
    try:
        pem = base64.b64decode(ca_bundle)
        ends = [each.not_valid_after_utc for each in issuer.read_all(pem)]
    except ValueError:
        ends = []
    if not ends:
        return ERROR, "has a caBundle without a certificate"
    if max(ends) >= now + _SOON:
        return None
    severity, verb = (ERROR, "expired") if max(ends) < now else (WARNING, "expires")
    return severity, f"trusts a CA that {verb} at {max(ends):%Y-%m-%dT%H:%M:%SZ}"
