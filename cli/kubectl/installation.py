# SPDX-License-Identifier: Apache-2.0
"""Find problems of the installation: CRDs, webhooks, certificates and the leader."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from api import resources
from kube.client import pages
from kube.errors import ApiError
from kube.lease import LEASES, LeaseObject
from kube.meta import Object
from kube.resources import ApiResource
from kube.structs import Struct, prepared
from manager import pod
from objects import pools
from webhook import issuer

from .. import cluster
from ..errors import CliError
from .findings import ERROR, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kube.client import Api

    from ..version_report import Kind

_SOON = dt.timedelta(days=7)
"""A certificate that expires within this time is reported: its renewal is late."""

_SILENT_LEASES = 2
"""Durations of a lease without renewal, after which nobody leads."""

_WEBHOOKS = tuple(
    ApiResource("admissionregistration.k8s.io", "v1", kind, f"{kind.lower()}s", namespaced=False)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
)


class _Service(Struct, frozen=True):
    path: str = ""


class _ClientConfig(Struct, frozen=True):
    ca_bundle: str = ""
    url: str = ""
    service: _Service | None = None


class _Webhook(Struct, frozen=True):
    name: str = ""
    client_config: _ClientConfig = _ClientConfig()

    @property
    def path(self) -> str:
        """Where it is served."""
        service = self.client_config.service
        return service.path if service else self.client_config.url


@prepared
class _Configuration(Object, frozen=True):
    webhooks: tuple[_Webhook, ...] = ()


async def findings(api: Api, now: dt.datetime) -> list[Finding]:
    """Return the problems; a resource that may not be read is one, too.

    Raises:
        UnreachableError: the API server does not answer.
    """
    found = list[Finding]()
    for what, checking in (
        ("customresourcedefinitions", _versions(api)),
        ("webhook configurations", _webhooks(api, now)),
        ("leases", _leader(api, now)),
    ):
        try:
            found += [each async for each in checking]
        except ApiError as error:
            remedy = "run the command as a user who may read it"
            found.append(Finding("unchecked", WARNING, what, error.message, remedy))
    return found


async def _versions(api: Api) -> AsyncIterator[Finding]:
    for resource in pools.KINDS.values():
        try:
            kind = await cluster.kind_of(api, resource)
        except CliError as error:
            problem, _, remedy = str(error).partition(": ")
            yield Finding("crd", ERROR, resource.kind, problem, remedy)
            continue
        for finding in _of_kind(kind):
            yield finding


def _of_kind(kind: Kind) -> Iterator[Finding]:
    """Yield the problems of the versions of a kind, in the words of the command `versions`."""
    name = f"CustomResourceDefinition {kind.crd}"
    if not kind.versions:
        yield Finding("crd", ERROR, name, "is not installed", "apply the CRDs of this release")
        return
    for row in kind.versions:
        if not row.ready and not (row.served and not row.stored):
            problem, _, remedy = row.next.partition(". ")
            yield Finding("stored-version", WARNING, f"{name} {row.version}", problem, remedy)


async def _webhooks(api: Api, now: dt.datetime) -> AsyncIterator[Finding]:
    marks = resources.GROUP.replace(".", "-")
    for resource in _WEBHOOKS:
        seen = set[str]()
        async for page in pages(api, resource):
            for raw in page.items or ():
                found = msgspec.json.decode(raw, type=_Configuration)
                for webhook in found.webhooks:
                    if marks in webhook.path:
                        seen.add(webhook.path)
                        for finding in _of_webhook(resource.kind, found, webhook, now):
                            yield finding
        if not seen:
            text = "no webhook of this provider is configured, so pools are written unchecked"
            yield Finding("webhook", ERROR, resource.kind, text, "install the provider again")


def _of_webhook(
    kind: str, found: _Configuration, webhook: _Webhook, now: dt.datetime
) -> Iterator[Finding]:
    name = f"{kind} {found.metadata.name}, webhook {webhook.name}"
    remedy = "check that cert-manager runs, or that the manager runs with --webhook-self-signed"
    if not webhook.client_config.ca_bundle:
        yield Finding("certificate", ERROR, name, "has no caBundle", remedy)
        return
    try:
        pem = base64.b64decode(webhook.client_config.ca_bundle)
        ends = [each.not_valid_after_utc for each in issuer.read_all(pem)]
    except ValueError:
        ends = []
    if not ends:
        yield Finding("certificate", ERROR, name, "has a caBundle without a certificate", remedy)
    elif max(ends) < now + _SOON:
        text = f"trusts a CA that expires at {max(ends):%Y-%m-%dT%H:%M:%SZ}"
        yield Finding("certificate", ERROR if max(ends) < now else WARNING, name, text, remedy)


async def _leader(api: Api, now: dt.datetime) -> AsyncIterator[Finding]:
    leases = list[LeaseObject]()
    async for page in pages(api, LEASES, "", pod.LEASE):
        leases += [msgspec.json.decode(raw, type=LeaseObject) for raw in page.items or ()]
    remedy = "check that the manager's pods run, and read their logs"
    if not leases:
        text = "does not exist, so no manager has been elected leader yet"
        yield Finding("leader", WARNING, f"Lease {pod.LEASE}", text, remedy)
    for lease in leases:
        text = _silence(lease, now)
        if text:
            yield Finding("leader", ERROR, f"Lease {lease.metadata.key}", text, remedy)


def _silence(lease: LeaseObject, now: dt.datetime) -> str:
    """Return why nobody leads by a lease; empty if somebody does."""
    spec = lease.spec
    if not spec.holder_identity or not spec.renew_time:
        return "has no holder: no manager leads"
    renewed = dt.datetime.fromisoformat(spec.renew_time)
    if now - renewed > dt.timedelta(seconds=_SILENT_LEASES * (spec.lease_duration_seconds or 15)):
        return f"was last renewed at {spec.renew_time} by {spec.holder_identity}: no manager leads"
    return ""
