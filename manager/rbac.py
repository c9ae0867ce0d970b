# SPDX-License-Identifier: Apache-2.0
"""What the process needs to be allowed in its own namespace: to elect a leader, and to say so."""

from kube.rbac import Rule

from . import pod

NAMESPACE_RULES = (
    Rule(("coordination.k8s.io",), ("leases",), ("create",)),
    Rule(("coordination.k8s.io",), ("leases",), ("get", "patch", "watch"), (pod.LEASE,)),
    Rule(("events.k8s.io",), ("events",), ("create",)),
)
