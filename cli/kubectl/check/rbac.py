# SPDX-License-Identifier: Apache-2.0
"""Evaluate what RBAC allows a ServiceAccount, by the rules of the API server's authorizer.

Aggregated ClusterRoles need no special case: Kubernetes writes the collected rules into them.
Source: k8s.io/kubernetes, plugin/pkg/auth/authorizer/rbac, and evaluation_helpers.go of
pkg/apis/rbac/v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kube.client import list_all
from kube.meta import Object
from kube.resources import ApiResource
from kube.structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube.client import Api
    from kube.meta import Key

_GROUP, _ALL = "rbac.authorization.k8s.io", "*"
ROLES = ApiResource(_GROUP, "v1", "Role", "roles")
ROLE_BINDINGS = ApiResource(_GROUP, "v1", "RoleBinding", "rolebindings")
CLUSTER_ROLES = ApiResource(_GROUP, "v1", "ClusterRole", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDINGS = ApiResource(
    _GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False
)


class ResourceAttributes(NamedTuple):
    """A verb on a resource, which is `plural` or `plural/subresource`.

    An empty name means any object, and an empty namespace means all namespaces.
    """

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""


class PolicyRule(Struct, frozen=True):
    """A rule of a role."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()

    def allows(self, request: ResourceAttributes) -> bool:
        """Whether the rule allows a request."""
        return (
            _matches(self.verbs, request.verb)
            and _matches(self.api_groups, request.group)
            and self._covers(request.resource)
            and (not self.resource_names or request.name in self.resource_names)
        )

    def _covers(self, resource: str) -> bool:
        _, slash, subresource = resource.partition("/")
        everywhere = bool(slash) and f"{_ALL}/{subresource}" in self.resources
        return everywhere or _matches(self.resources, resource)


class _Subject(Struct, frozen=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _RoleRef(Struct, frozen=True):
    kind: str = ""
    name: str = ""


@prepared
class _Role(Object, frozen=True):
    rules: tuple[PolicyRule, ...] | None = None


@prepared
class _Binding(Object, frozen=True):
    subjects: tuple[_Subject, ...] | None = None
    role_ref: _RoleRef = _RoleRef()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that are bound to a service account, each with the namespace of the binding.

    The namespace is empty if the rule applies to all namespaces.
    """

    rules: tuple[tuple[str, PolicyRule], ...]

    def allows(self, request: ResourceAttributes) -> bool:
        """Whether some rule allows a request."""
        return any(
            namespace in ("", request.namespace) and rule.allows(request)
            for namespace, rule in self.rules
        )


async def read(api: Api, account: Key, namespaces: Iterable[str]) -> Policy:
    """Read what a service account may do cluster-wide and in some namespaces.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    roles = {("", each.metadata.name): each for each in await list_all(api, CLUSTER_ROLES, _Role)}
    bindings = await list_all(api, CLUSTER_ROLE_BINDINGS, _Binding)
    for namespace in sorted({*namespaces}):
        for role in await list_all(api, ROLES, _Role, namespace):
            roles[namespace, role.metadata.name] = role
        bindings += await list_all(api, ROLE_BINDINGS, _Binding, namespace)
    rules = list[tuple[str, PolicyRule]]()
    for binding in bindings:
        namespace, reference = binding.metadata.namespace, binding.role_ref
        place = namespace if reference.kind == ROLES.kind else ""
        bound = roles.get((place, reference.name))
        if bound and any(_includes(each, account, namespace) for each in binding.subjects or ()):
            rules += ((namespace, rule) for rule in bound.rules or ())
    return Policy(tuple(rules))


def _includes(subject: _Subject, account: Key, namespace: str) -> bool:
    """Whether a subject is a ServiceAccount, or a group that contains it.

    `namespace` is that of the binding: a ServiceAccount without one is there.
    """
    all_accounts = "system:serviceaccounts"
    match subject.kind:
        case "ServiceAccount":
            return (subject.namespace or namespace, subject.name) == account
        case "User":
            return subject.name == f"system:serviceaccount:{account.namespace}:{account.name}"
        case "Group":
            groups = (all_accounts, f"{all_accounts}:{account.namespace}", "system:authenticated")
            return subject.name in groups
        case _:
            return False


def _matches(values: tuple[str, ...], value: str) -> bool:
    return _ALL in values or value in values
