# SPDX-License-Identifier: Apache-2.0
"""What the controller needs to be allowed, in every namespace."""

from api.resources import GROUP, POOLS
from kube.rbac import Rule
from objects.contracts import CLUSTER_GROUP
from objects.pools import RESOURCES

from .storage_version_migrations import MIGRATIONS

_CRDS = tuple(pool.name for pool in POOLS)
_POOLS = tuple(sorted(resource.plural for resource in RESOURCES.values()))
_CONVERTED = tuple(sorted(pool.plural for pool in POOLS if pool.conversion))

CLUSTER_RULES = (
    Rule((GROUP,), ("ipaddressclaims",), ("get", "list", "patch", "watch")),
    Rule((GROUP,), ("ipaddressclaims/status",), ("patch",)),
    # Owners are set with blockOwnerDeletion, for which the API server asks these subresources:
    Rule((GROUP,), ("ipaddressclaims/finalizers",), ("update",)),
    Rule((GROUP,), tuple(f"{plural}/finalizers" for plural in _POOLS), ("update",)),
    Rule((GROUP,), ("ipaddresses",), ("create", "delete", "get", "list", "patch", "watch")),
    Rule((GROUP,), _POOLS, ("list", "patch", "watch")),
    # They are read in their old versions before they are written (`convertible.py`):
    Rule((GROUP,), _CONVERTED, ("get",)),
    Rule((GROUP,), tuple(f"{plural}/status" for plural in _POOLS), ("patch",)),
    Rule(("apiextensions.k8s.io",), ("customresourcedefinitions",), ("get",), _CRDS),
    Rule(("apiextensions.k8s.io",), ("customresourcedefinitions/status",), ("patch",), _CRDS),
    # Migrations are named as the definitions; a name cannot narrow the right to create:
    Rule((MIGRATIONS.group,), (MIGRATIONS.plural,), ("create",)),
    Rule((MIGRATIONS.group,), (MIGRATIONS.plural,), ("delete", "get"), _CRDS),
    Rule(("events.k8s.io",), ("events",), ("create",)),
    Rule((CLUSTER_GROUP,), ("clusters",), ("list", "watch")),
)
