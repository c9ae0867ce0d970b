# SPDX-License-Identifier: Apache-2.0
"""What kinds the API server serves, asked so that asking again costs next to nothing.

Aggregated discovery (Kubernetes 1.26 and later) has all groups in one answer with an ETag; while
nothing has changed, the next answer is an empty 304.  Where it is not served, each version of each
group is asked for.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .client import decode
from .errors import NotFoundError
from .resources import ApiResource
from .structs import Struct, prepared
from .tasks import together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from .client import Api

T = TypeVar("T")

Kind = tuple[str, str]
"""apiVersion and kind."""

_AGGREGATED = "APIGroupDiscoveryList"


class Group(NamedTuple):
    """A group, and the versions of it to look for."""

    name: str
    versions: tuple[str, ...]


class _ResponseKind(Struct, frozen=True):
    kind: str = ""


class _Resource(Struct, frozen=True):
    resource: str = ""
    scope: str = ""
    response_kind: _ResponseKind | None = None


class _Version(Struct, frozen=True):
    version: str = ""
    resources: tuple[_Resource, ...] = ()


@prepared
class _Name(Struct, frozen=True):
    name: str = ""


class _Group(Struct, frozen=True):
    metadata: _Name = _Name()
    versions: tuple[_Version, ...] = ()


@prepared
class _Form(Struct, frozen=True):
    kind: str = ""


@prepared
class _Groups(Struct, frozen=True):
    items: tuple[_Group, ...] = ()


class _ServedResource(Struct, frozen=True):
    kind: str = ""


@prepared
class _ResourceList(Struct, frozen=True):
    resources: tuple[_ServedResource, ...] = ()


class Discovery:
    """Checks repeatedly which kinds of some groups are served."""

    def __init__(self, api: Api, *groups: Group) -> None:
        self._api = api
        self._groups = groups
        self._etag = ""
        self._kinds: frozenset[Kind] = frozenset()

    async def look(self) -> frozenset[Kind]:
        """Return the kinds that are served now.

        Raises:
            KubeError: the API server refused, or could not be reached.
        """
        answer = await self._api.discover(self._etag)
        if answer is None:
            return self._kinds
        body, etag = answer
        if decode(body, _Form, "GET /apis").kind == _AGGREGATED:
            self._kinds = self._wanted(decode(body, _Groups, "GET /apis"))
            self._etag = etag
            return self._kinds
        self._etag = ""
        found = await _at_once(*(served(self._api, group) for group in self._groups))
        return frozenset[Kind]().union(*found)

    def _wanted(self, answer: _Groups) -> frozenset[Kind]:
        wanted = {group.name: group.versions for group in self._groups}
        return frozenset(
            (f"{group.metadata.name}/{version.version}", resource.response_kind.kind)
            for group in answer.items
            for version in group.versions
            if version.version in wanted.get(group.metadata.name, ())
            for resource in version.resources
            if resource.response_kind
        )


async def served(api: Api, group: Group) -> frozenset[Kind]:
    """Return the kinds that are served in these versions of a group, asked all at once.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    kinds = await _at_once(*(_served_in(api, group.name, each) for each in group.versions))
    return frozenset[Kind]().union(*kinds)


async def _at_once(*questions: Coroutine[object, object, T]) -> list[T]:
    """Send all requests at once; raise only the first error."""
    try:
        return await together(*questions)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group


async def _served_in(api: Api, group: str, version: str) -> frozenset[Kind]:
    """Return the kinds that are served in a version of a group."""
    resources = ApiResource(group, version, "APIResourceList", "")
    try:
        answer = await api.list(resources)
    except NotFoundError:
        return frozenset()
    found = decode(answer, _ResourceList, f"GET {resources.path()}")
    return frozenset((resources.api_version, resource.kind) for resource in found.resources)


@dataclass(frozen=True, slots=True)
class RestMapper:
    """Maps kinds to resources, as client-go's RESTMapper does.

    `resources` has those of all groups by group, version and kind; version "" is the preferred one.
    """

    resources: Mapping[tuple[str, str, str], ApiResource]
    etag: str = ""
    """Of the answer from which it was read."""

    def find(self, api_version: str, kind: str) -> ApiResource | None:
        """Return the resource of a kind in `GROUP/VERSION`, or in the preferred version."""
        group, slash, version = api_version.partition("/")
        return self.resources.get((group, version if slash else "", kind))


async def rest_mapper(api: Api, known: RestMapper | None = None) -> RestMapper:
    """Read which resources the API server serves; return `known` if nothing has changed.

    Caveats:
        It finds nothing if the API server has no aggregated discovery.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    answer = await api.discover(known.etag if known else "")
    if answer is None:
        return known or RestMapper({})
    body, etag = answer
    found = dict[tuple[str, str, str], ApiResource]()
    for group in decode(body, _Groups, "GET /apis").items:
        for version in group.versions:
            for each in version.resources:
                kind, name = each.response_kind.kind if each.response_kind else "", group.metadata
                namespaced = each.scope != "Cluster"
                resource = ApiResource(
                    name.name, version.version, kind, each.resource, namespaced=namespaced
                )
                found[name.name, version.version, kind] = resource
                found.setdefault((name.name, "", kind), resource)
    return RestMapper(found, etag)
