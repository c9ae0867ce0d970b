# SPDX-License-Identifier: Apache-2.0
"""What admission needs to be allowed: to see which addresses are in use, in every namespace."""

from api.resources import GROUP
from kube.rbac import Rule

CLUSTER_RULES = (Rule((GROUP,), ("ipaddresses",), ("list",)),)

NAMESPACE_RULES: tuple[Rule, ...] = ()
