# SPDX-License-Identifier: Apache-2.0
"""Find the rights that the manager's ServiceAccount lacks.

The modules of the manager declare the rights that they need.  The generator of the shipped roles
reads the same declarations.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from controller.storage_version_migrations import MIGRATIONS
from generator.rbac import MODULES, SELF_SIGNED_MODULES, load
from kube.client import list_all
from kube.lease import LEASES, LeaseObject
from kube.meta import Key, Meta, Object
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS, ApiResource
from kube.structs import Struct, prepared
from manager import pod
from objects import pools
from objects.metadata import PROVIDER_LABEL

from . import rbac
from .finding import ERROR, Check, Finding, ObjectReference
from .rbac import ResourceAttributes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from kube.client import Api
    from kube.rbac import Rule

DEPLOYMENTS = ApiResource("apps", "v1", "Deployment", "deployments")

_PROVIDER = "ipam-in-cluster"
"""The value of the label that all objects of an installation have."""

_NAMESPACED_MODULES = ("controller.rbac", "webhook.rbac")
"""Modules whose rules a manager with --namespace needs only in that namespace."""

_CLUSTER_SCOPED = frozenset(
    (resource.group, resource.plural)
    for resource in (CUSTOM_RESOURCE_DEFINITIONS, MIGRATIONS, *pools.RESOURCES.values())
    if not resource.namespaced
)
"""Resources that a manager with --namespace does not need."""


class _Labels(Struct, frozen=True, rename=None):
    provider: str = msgspec.field(default="", name=PROVIDER_LABEL)


class _Meta(Meta, frozen=True):
    labels: _Labels = _Labels()


class _Container(Struct, frozen=True):
    args: tuple[str, ...] = ()


class _PodSpec(Struct, frozen=True):
    service_account_name: str = "default"
    containers: tuple[_Container, ...] = ()


class _Template(Struct, frozen=True):
    spec: _PodSpec = _PodSpec()


class _Spec(Struct, frozen=True):
    template: _Template = _Template()


@prepared
class Deployment(Object, frozen=True):
    """A Deployment of the manager."""

    metadata: _Meta
    spec: _Spec = _Spec()

    @property
    def service_account(self) -> Key:
        """The ServiceAccount."""
        return Key(self.metadata.namespace, self.spec.template.spec.service_account_name)

    @property
    def args(self) -> list[str]:
        """The arguments; a flag and its value are two."""
        containers = self.spec.template.spec.containers
        return [part for each in containers for arg in each.args for part in arg.split("=", 1)]

    @property
    def served_namespace(self) -> str:
        """The value of --namespace; empty if the manager serves all namespaces."""
        return self._value("--namespace")

    @property
    def modules(self) -> Sequence[str]:
        """The modules that declare the rights that the manager needs."""
        flag = "--webhook-self-signed"
        signs = flag in self.args and self._value(flag) != "false"
        return (*MODULES, *SELF_SIGNED_MODULES) if signs else MODULES

    def _value(self, flag: str) -> str:
        """Return the argument after a flag; empty if there is none."""
        args = self.args
        return args[args.index(flag) + 1] if flag in args[:-1] else ""


async def findings(api: Api) -> AsyncIterator[Finding]:
    """Yield the rights that the managers beside each Lease lack.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    for deployment in await _deployments(api):
        account, wanted = deployment.service_account, list(needed(deployment))
        policy = await rbac.read(api, account, {request.namespace for request in wanted} - {""})
        missing = [request for request in wanted if not policy.allows(request)]
        for cause in _causes(missing):
            remedy = (
                "apply the manifests of this release again, or allow it in a role that is bound to "
                "the ServiceAccount"
            )
            where = ObjectReference("ServiceAccount", account.name, account.namespace)
            yield Finding(Check.RBAC_INSUFFICIENT, ERROR, where, cause, remedy)


async def _deployments(api: Api) -> list[Deployment]:
    """Return the Deployments of this provider in the namespaces of its Leases."""
    found = list[Deployment]()
    for lease in await list_all(api, LEASES, LeaseObject, name=pod.LEASE):
        found += await list_all(api, DEPLOYMENTS, Deployment, lease.metadata.namespace)
    return [each for each in found if each.metadata.labels.provider == _PROVIDER]


def needed(deployment: Deployment) -> Iterator[ResourceAttributes]:
    """Yield all requests that a manager must be allowed to make."""
    own, served = deployment.metadata.namespace, deployment.served_namespace
    for module in deployment.modules:
        access = load([module])
        yield from _requests(access.namespace, own)
        if not (served and module in _NAMESPACED_MODULES):
            yield from _requests(access.cluster, "")
            continue
        for request in _requests(access.cluster, served):
            if (request.group, request.resource.partition("/")[0]) not in _CLUSTER_SCOPED:
                yield request


def _requests(rules: Iterable[Rule], namespace: str) -> Iterator[ResourceAttributes]:
    for rule in rules:
        for group in rule.groups:
            for resource in rule.resources:
                for verb in rule.verbs:
                    for name in rule.names or ("",):
                        yield ResourceAttributes(verb, group, resource, name, namespace)


def _causes(missing: Iterable[ResourceAttributes]) -> Iterator[str]:
    """Yield a cause for each group of verbs that are missing on the same objects."""
    names = defaultdict[ResourceAttributes, dict[str, None]](dict)
    for request in missing:
        names[request._replace(name="")][request.name] = None
    verbs = defaultdict[tuple[str, str, str, str], list[str]](list)
    for request, known in names.items():
        named = ", ".join(filter(None, known))
        verbs[request.group, request.resource, request.namespace, named].append(request.verb)
    for (group, resource, namespace, named), several in verbs.items():
        what = f"{resource}.{group}" if group else resource
        objects = f" named {named}" if named else ""
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        yield f"may not {', '.join(several)} {what}{objects} {where}, which this release needs"
