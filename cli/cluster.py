# SPDX-License-Identifier: Apache-2.0
"""Read the API versions of pools from a cluster, for the command `versions`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec

from api import resources
from controller import ownership
from controller.rewriting import Refused
from kube import definitions
from kube.client import Client, pages
from kube.errors import NotFoundError
from objects import pools

from . import connecting, version_report
from .errors import CliError, NotServedError

if TYPE_CHECKING:
    from crdkit.conversion.values import JsonObject
    from kube.client import Api
    from kube.connect import Connection
    from kube.definitions import Definition
    from kube.resources import ApiResource

_DECODER: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def kinds(kubeconfig: str | None, *, rewrite: bool) -> list[version_report.Kind]:
    """Return what a cluster has of our kinds; `rewrite` first translates old managedFields.

    Raises:
        CliError: the cluster cannot be reached, denies access, or does not have our CRDs.
    """

    async def read(connection: Connection) -> list[version_report.Kind]:
        return await _look(connection, rewrite=rewrite)

    found = connecting.run(kubeconfig, "", "ipam-in-cluster", read, _rights(rewrite=rewrite))
    if not any(kind.versions for kind in found):
        raise CliError(
            f"the cluster has no CustomResourceDefinition {found[0].crd}: install the provider, or "
            "choose another cluster with --kubeconfig"
        )
    return found


def _rights(*, rewrite: bool) -> str:
    verbs = "list and patch" if rewrite else "list"
    return (
        "the command needs the verb get on customresourcedefinitions of the group "
        f"apiextensions.k8s.io, and {verbs} on the pools of the group {resources.GROUP}"
    )


async def _look(connection: Connection, *, rewrite: bool) -> list[version_report.Kind]:
    api = Client(connection)
    if rewrite:
        for resource in pools.RESOURCES.values():
            await _rewrite(api, resource)
    return [await kind_of(api, resource) for resource in pools.RESOURCES.values()]


async def _rewrite(api: Client, resource: ApiResource) -> None:
    try:
        done = await ownership.translate(api, resource, {resource.version}, asyncio.sleep)
    except NotFoundError:  # the kind is not installed
        return
    if isinstance(done, Refused):
        raise CliError(f"{resource.kind}: {done}; {_rights(rewrite=True)}")


async def kind_of(api: Api, resource: ApiResource) -> version_report.Kind:
    """Return the report on one kind; it has no versions if it is not installed.

    Raises:
        NotServedError: this release's version of it is not served.
        KubeError: the API server refused, or could not be reached.
    """
    crd = f"{resource.plural}.{resource.group}"
    try:
        found = await definitions.read(api, crd)
    except NotFoundError:
        return version_report.Kind(resource.kind, crd)
    return await report(api, resource, found)


async def report(api: Api, resource: ApiResource, found: Definition) -> version_report.Kind:
    """Return the report on one kind, whose CRD is given.

    Raises:
        NotServedError: this release's version of it is not served.
        KubeError: the API server refused, or could not be reached.
    """
    objects = await _objects(api, resource, found)
    return version_report.report(resource.kind, found.metadata.name, found, objects)


async def _objects(api: Api, resource: ApiResource, found: Definition) -> list[JsonObject]:
    """List all objects, and keep only their metadata."""
    if resource.version not in found.served:
        raise NotServedError(found.metadata.name, resource.version)
    objects: list[JsonObject] = []
    async for page in pages(api, resource, start_over=objects.clear):
        for raw in page.items or ():
            obj = cast("JsonObject", _DECODER.decode(raw))
            objects.append({"metadata": obj["metadata"]})
    return objects
