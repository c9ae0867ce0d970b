# SPDX-License-Identifier: Apache-2.0
"""Find the resource name of any kind, by one request to the API server.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube.client import decode
from kube.resources import ApiResource
from kube.structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.client import Api


class _Kind(Struct, frozen=True):
    kind: str = ""


class _Resource(Struct, frozen=True):
    resource: str = ""
    scope: str = ""
    response_kind: _Kind | None = None


class _Version(Struct, frozen=True):
    version: str = ""
    resources: tuple[_Resource, ...] = ()


class _Name(Struct, frozen=True):
    name: str = ""


class _Group(Struct, frozen=True):
    metadata: _Name = _Name()
    versions: tuple[_Version, ...] = ()


@prepared
class _Groups(Struct, frozen=True):
    items: tuple[_Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Served:
    """The resources of all groups, by group, version and kind; version "" is the preferred one."""

    resources: Mapping[tuple[str, str, str], ApiResource]

    def find(self, api_version: str, kind: str) -> ApiResource | None:
        """Return the resource of a kind in `GROUP/VERSION`, or in the preferred version."""
        group, slash, version = api_version.partition("/")
        return self.resources.get((group, version if slash else "", kind))


async def read(api: Api) -> Served:
    """Read which resources the API server serves.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    answer = await api.discover("")
    found = dict[tuple[str, str, str], ApiResource]()
    groups = decode(answer[0], _Groups, "GET /apis").items if answer else ()
    for group in groups:
        for version in group.versions:
            for each in version.resources:
                kind, name = each.response_kind.kind if each.response_kind else "", group.metadata
                namespaced = each.scope != "Cluster"
                resource = ApiResource(
                    name.name, version.version, kind, each.resource, namespaced=namespaced
                )
                found[name.name, version.version, kind] = resource
                found.setdefault((name.name, "", kind), resource)
    return Served(found)
