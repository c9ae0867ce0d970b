# SPDX-License-Identifier: Apache-2.0
"""Find the Machine and the Cluster of a claim along its owners, for any infrastructure provider.

Flow:
    The owner of a claim is an object of the infrastructure provider, such as a VSphereVM.  That one
    has an owner, and so on, until a Machine.  If an object may not be read, the chain ends with its
    name.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kube import discovery
from kube.client import decode, pages
from kube.errors import ApiError, NotFoundError
from objects.contracts import CLUSTER_GROUP
from objects.metadata import Object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kube.client import Api
    from kube.meta import Key, Meta, OwnerReference
    from objects import clusterapi
    from objects.metadata import Metadata

_MOST_OWNERS = 8
"""Most owners of a chain; real chains have three to five."""

_FEW = 5
"""Objects of one kind and namespace that are read one by one; more are listed."""


class Owner(NamedTuple):
    """An object of the chain, as its owner reference names it."""

    api_version: str
    kind: str
    name: str

    @property
    def is_machine(self) -> bool:
        """Whether it is a Machine of Cluster API."""
        return self.kind == "Machine" and self.api_version.startswith(f"{CLUSTER_GROUP}/")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The owners of a claim, the nearest first, and its Cluster, which may be empty."""

    owners: tuple[Owner, ...] = ()
    cluster: str = ""

    @property
    def machine(self) -> str:
        """The name of the Machine, or of the last owner that is known, with its kind."""
        for owner in self.owners:
            if owner.is_machine:
                return owner.name
        return str(self.owners[-1]) if self.owners else ""


@dataclass(slots=True)
class Owners:
    """Reads the owners of claims; what is read once is not read again."""

    api: Api
    _served: discovery.RestMapper | None = None
    _objects: dict[str, Metadata] = field(default_factory=dict[str, "Metadata"])
    """By uid."""

    def renewed(self) -> Owners:
        """Return a reader that has read no object yet."""
        return Owners(self.api, self._served)

    async def refresh(self) -> bool:
        """Return whether other kinds are served than before, so that a chain may be longer now.

        Raises:
            KubeError: the API server could not be reached.
        """
        known, self._served = self._served, await discovery.rest_mapper(self.api, self._served)
        return known is not None and known.resources != self._served.resources

    async def chains(self, claims: Iterable[clusterapi.IPAddressClaim]) -> Mapping[Key, Chain]:
        """Return the chain of each claim.

        Raises:
            KubeError: the API server could not be reached.
        """
        found = list(claims)
        reached = {claim.metadata.key: claim.metadata for claim in found}
        owners = defaultdict["Key", list[Owner]](list)
        clusters = {claim.metadata.key: claim.cluster_name for claim in found}
        for _ in range(_MOST_OWNERS):
            nexts = {key: each for key, meta in reached.items() if (each := _owner_of(meta))}
            for key, each in nexts.items():
                owners[key].append(Owner(each.api_version, each.kind, each.name))
                if each.kind == "Cluster":
                    clusters[key] = clusters[key] or each.name
            await self._read(dict.fromkeys((key.namespace, each) for key, each in nexts.items()))
            read = {
                key: meta for key, each in nexts.items() if (meta := self._objects.get(each.uid))
            }
            for key, meta in read.items():
                clusters[key] = clusters[key] or meta.labels.cluster_name or ""
            reached = {key: meta for key, meta in read.items() if not owners[key][-1].is_machine}
            if not reached:
                break
        return {
            claim.metadata.key: Chain(
                tuple(owners[claim.metadata.key]), clusters[claim.metadata.key]
            )
            for claim in found
        }

    async def _read(self, wanted: Iterable[tuple[str, OwnerReference]]) -> None:
        groups = defaultdict[tuple[str, str, str], list["OwnerReference"]](list)
        for namespace, reference in wanted:
            if reference.uid not in self._objects:
                groups[namespace, reference.api_version, reference.kind].append(reference)
        for (namespace, api_version, kind), references in groups.items():
            try:
                await self._read_kind(namespace, api_version, kind, references)
            except ApiError:  # not allowed, or not served any more: the chain ends here
                continue

    async def _read_kind(
        self, namespace: str, api_version: str, kind: str, references: list[OwnerReference]
    ) -> None:
        self._served = self._served or await discovery.rest_mapper(self.api)
        resource = self._served.find(api_version, kind)
        if resource is None:
            return
        if len(references) <= _FEW:
            for reference in references:
                with suppress(NotFoundError):  # it is deleted; the others are not
                    self._keep(await self.api.get(resource, namespace, reference.name), kind)
            return
        async for page in pages(self.api, resource, namespace):
            for raw in page.items or ():
                self._keep(raw, kind)

    def _keep(self, raw: bytes, kind: str) -> None:
        meta = decode(raw, Object, f"GET {kind}").metadata
        self._objects[meta.uid] = meta


def _owner_of(meta: Meta) -> OwnerReference | None:
    """Return the owner that leads to the Machine: a Machine itself, the controller, or the first.

    A pool or an IPAddress leads nowhere.
    """
    owners = [each for each in meta.owner_references if each.kind != "IPAddress"]
    ranked = sorted(owners, key=lambda each: (each.kind != "Machine", not each.controller))
    return ranked[0] if ranked else None
