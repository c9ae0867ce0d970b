# SPDX-License-Identifier: Apache-2.0
"""How many addresses the present Clusters could need of each pool.

Flow:
    Machines come from MachineDeployments, MachineSets, MachinePools and control planes.  Each names
    an infrastructure template, which names pools somewhere.  Templates differ by provider, so a
    pool is found only by the form of a reference to one of our kinds.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, cast

import msgspec

from api.resources import GROUP
from crdkit.conversion import values
from kube.client import pages
from kube.discovery import RestMapper, rest_mapper
from kube.errors import ApiError, NotFoundError
from objects import pools
from objects.contracts import CLUSTER_GROUP
from objects.metadata import CLUSTER_NAME_LABEL
from objects.pools import PoolKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kube.client import Api
    from kube.resources import ApiResource
    from objects.contracts import Contract

MAXIMUM_ANNOTATION = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
"""The autoscaler of Cluster API may set replicas up to this number."""

_SURGING = ("MachineDeployment", "KubeadmControlPlane")
"""Kinds that create one Machine more during a rollout, unless they say another number."""


class Need(msgspec.Struct, frozen=True, rename="camel"):
    """The addresses that one owner of Machines needs of one pool."""

    owner: str
    """Kind and name."""
    namespace: str
    cluster: str
    pool_kind: str
    pool_namespace: str
    pool: str
    now: int
    """For its replicas."""
    rollout: int
    """Additional addresses while all Machines are replaced."""
    maximum: int
    """For as many replicas as the autoscaler may set."""


async def needs(api: Api, contract: Contract, namespace: str, unread: list[str]) -> list[Need]:
    """Return all needs; templates that cannot be read are appended to `unread`.

    Raises:
        KubeError: the API server refused a list, or could not be reached.
    """
    served, found = await rest_mapper(api), list[Need]()
    async for owner in _owners(api, served, contract, namespace):
        for reference in _values(owner.get("spec"), "infrastructureRef"):
            template = await _template(api, served, owner, reference)
            if template is None:
                unread.append(f"{_name(reference)} of {_name(owner)}")
                continue
            found += _of_template(owner, template)
    return found


async def _owners(
    api: Api, served: RestMapper, contract: Contract, namespace: str
) -> AsyncIterator[values.JsonObject]:
    """Yield all objects that make Machines by themselves."""
    version = contract.cluster_version
    for kind in ("MachineDeployment", "MachineSet", "MachinePool"):
        resource = served.find(f"{CLUSTER_GROUP}/{version}", kind)
        async for obj in _listed(api, resource, namespace):
            if kind != "MachineSet" or not _has_owner(obj, "MachineDeployment"):
                yield obj
    clusters = served.find(f"{CLUSTER_GROUP}/{version}", "Cluster")
    async for cluster in _listed(api, clusters, namespace):
        spec = values.child(cluster, "spec", "spec")
        reference = spec.get("controlPlaneRef")
        if values.is_object(reference):
            plane = await _object(api, served, _meta(cluster, "namespace"), reference)
            if plane is not None:
                yield plane


async def _listed(
    api: Api, resource: ApiResource | None, namespace: str
) -> AsyncIterator[values.JsonObject]:
    if resource is None:
        return
    async for page in pages(api, resource, namespace):
        for raw in page.items or ():
            obj: values.JsonObject = json.loads(bytes(raw))
            yield {"kind": resource.kind, **obj}


async def _template(
    api: Api, served: RestMapper, owner: values.JsonObject, reference: values.JsonObject
) -> values.JsonObject | None:
    namespace = values.text(reference, "namespace") or _meta(owner, "namespace")
    return await _object(api, served, namespace, reference)


async def _object(
    api: Api, served: RestMapper, namespace: str, reference: values.JsonObject
) -> values.JsonObject | None:
    """Read the object of a reference; None if it does not exist or may not be read."""
    group = values.text(reference, "apiVersion") or values.text(reference, "apiGroup")
    resource = served.find(group, values.text(reference, "kind"))
    if resource is None:
        return None
    try:
        raw = await api.get(resource, namespace, values.text(reference, "name"))
    except NotFoundError:
        return None
    except ApiError as error:
        if error.lasting:
            return None
        raise
    obj: values.JsonObject = json.loads(raw)
    return obj


def _of_template(owner: values.JsonObject, template: values.JsonObject) -> Iterator[Need]:
    """Yield a need for each reference to a pool in a template."""
    spec = values.child(owner, "spec", "spec")
    replicas = values.integer(spec, "replicas")
    replicas = 1 if replicas is None else replicas
    most = max(_maximum(owner), replicas)
    for key in references(template.get("spec"), _meta(template, "namespace")):
        yield Need(
            _name(owner),
            _meta(owner, "namespace"),
            _cluster(owner),
            *key,
            now=replicas,
            rollout=_surge(owner, replicas),
            maximum=most,
        )


def references(value: object, namespace: str) -> Iterator[PoolKey]:
    """Yield the pools of our kinds that any part of a template names, each as often as it does."""
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from references(item, namespace)
        return
    if not values.is_object(value):
        return
    resource = pools.RESOURCES.get(values.text(value, "kind"))
    group = values.text(value, "apiGroup") or values.text(value, "apiVersion") or GROUP
    if resource and group.partition("/")[0] == GROUP and values.text(value, "name"):
        place = namespace if resource.namespaced else ""
        yield PoolKey(resource.kind, place, values.text(value, "name"))
        return
    for item in value.values():
        yield from references(item, namespace)


def _surge(owner: values.JsonObject, replicas: int) -> int:
    """Return how many additional Machines exist during a rollout."""
    kind, spec = values.text(owner, "kind"), owner.get("spec")
    if not replicas or "OnDelete" in _scalars(spec, "type"):
        return 0
    for value in _scalars(spec, "maxSurge"):
        if isinstance(value, str) and value.endswith("%"):
            return math.ceil(replicas * int(value[:-1]) / 100)
        return int(str(value))
    return int(kind in _SURGING)


def _maximum(owner: values.JsonObject) -> int:
    metadata = values.child(owner, "metadata", "metadata")
    text = values.text(values.child(metadata, "annotations", "annotations"), MAXIMUM_ANNOTATION)
    return int(text) if text.isdecimal() else 0


def _scalars(value: object, name: str) -> list[object]:
    """Return the texts and numbers of all fields of a name, however deep, in lists as well."""
    if isinstance(value, list):
        return [each for item in cast("list[object]", value) for each in _scalars(item, name)]
    if not values.is_object(value):
        return []
    own = [value[name]] if isinstance(value.get(name), (str, int)) else []
    return own + [each for item in value.values() for each in _scalars(item, name)]


def _values(value: object, name: str) -> list[values.JsonObject]:
    """Return the objects in all fields of a name, however deep."""
    if not values.is_object(value):
        return []
    found = value.get(name)
    own = [found] if values.is_object(found) else []
    return own + [each for item in value.values() for each in _values(item, name)]


def _has_owner(obj: values.JsonObject, kind: str) -> bool:
    owners = values.child(obj, "metadata", "metadata").get("ownerReferences")
    listed = cast("list[object]", owners) if isinstance(owners, list) else []
    return any(values.is_object(each) and each.get("kind") == kind for each in listed)


def _cluster(owner: values.JsonObject) -> str:
    spec, metadata = (values.child(owner, part, part) for part in ("spec", "metadata"))
    labels = values.child(metadata, "labels", "labels")
    return values.text(spec, "clusterName") or values.text(labels, CLUSTER_NAME_LABEL)


def _meta(obj: values.JsonObject, name: str) -> str:
    return values.text(values.child(obj, "metadata", "metadata"), name)


def _name(obj: values.JsonObject) -> str:
    return f"{values.text(obj, 'kind')} {values.text(obj, 'name') or _meta(obj, 'name')}"
