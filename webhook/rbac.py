# SPDX-License-Identifier: Apache-2.0
"""What admission needs to be allowed: to see which addresses are in use, and in which pools."""

from api.resources import GROUP, POOLS
from kube.rbac import Rule

CLUSTER_RULES = (
    Rule((GROUP,), ("ipaddresses",), ("list",)),
    Rule((GROUP,), tuple(sorted(pool.plural for pool in POOLS)), ("list",)),
)

NAMESPACE_RULES: tuple[Rule, ...] = ()
