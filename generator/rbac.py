# SPDX-License-Identifier: Apache-2.0
"""From the access rules that packages declare beside the code that needs them, to roles."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crdkit.schema import imports
from kube import rbac

from .errors import RulesError

MODULES = ("controller.rbac", "kube.auth", "manager.rbac", "webhook.rbac")
"""Modules that declare rules.  They are above in the layers or beside, so they are only named."""


SELF_SIGNED_MODULES = ("webhook.selfsigned_rbac",)
"""Those of a manager that makes its own certificate, besides."""


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that the manager may do: anywhere, and in its own namespace."""

    cluster: tuple[rbac.Rule, ...]
    namespace: tuple[rbac.Rule, ...]

    @property
    def cluster_rules(self) -> list[dict[str, Any]]:
        """The rules of the ClusterRole."""
        return _merged(self.cluster)

    @property
    def namespace_rules(self) -> list[dict[str, Any]]:
        """The rules of the Role."""
        return _merged(self.namespace)


def load(modules: Iterable[str]) -> Access:
    """Collect `CLUSTER_RULES` and `NAMESPACE_RULES` of modules.

    Raises:
        RulesError: a module can't be imported, or declares neither.
    """
    cluster, namespace = list[rbac.Rule](), list[rbac.Rule]()
    for name in modules:
        module = imports.module(name, RulesError)
        found = [getattr(module, rules, ()) for rules in ("CLUSTER_RULES", "NAMESPACE_RULES")]
        if not any(found):
            raise RulesError(name, "declares neither CLUSTER_RULES nor NAMESPACE_RULES")
        cluster += found[0]
        namespace += found[1]
    return Access(tuple(cluster), tuple(namespace))


def _merged(rules: Iterable[rbac.Rule]) -> list[dict[str, Any]]:
    """Return one policy rule for each set of resources, with all the verbs asked for anywhere."""
    verbs = dict[tuple[tuple[str, ...], ...], set[str]]()
    for rule in rules:
        what = tuple(tuple(sorted(part)) for part in (rule.groups, rule.resources, rule.names))
        verbs.setdefault(what, set()).update(rule.verbs)
    return [
        {
            "apiGroups": list(groups),
            **({"resourceNames": list(names)} if names else {}),
            "resources": list(resources),
            "verbs": sorted(verbs[groups, resources, names]),
        }
        for groups, resources, names in sorted(verbs)
    ]
