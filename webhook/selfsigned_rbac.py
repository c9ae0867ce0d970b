# SPDX-License-Identifier: Apache-2.0
"""What a manager that makes its own certificate needs to be allowed besides."""

from kube.rbac import Rule

from .selfsigned import CONFIGURATIONS, CONVERTED, SECRET

_ADMISSION = "admissionregistration.k8s.io"

CLUSTER_RULES = (
    Rule(("apiextensions.k8s.io",), ("customresourcedefinitions",), ("get", "patch"), CONVERTED),
    *(
        Rule((_ADMISSION,), (plural,), ("get", "patch"), (name,))
        for plural, name in CONFIGURATIONS.items()
    ),
)

NAMESPACE_RULES = (
    Rule(("",), ("secrets",), ("create",)),
    Rule(("",), ("secrets",), ("get", "patch"), (SECRET,)),
)
