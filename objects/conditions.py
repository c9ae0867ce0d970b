# SPDX-License-Identifier: Apache-2.0
"""The conditions of claims and pools."""

from kube import conditions
from kube.structs import prepared


@prepared
class Condition(conditions.Condition, frozen=True):
    """A metav1.Condition, or CAPI's own kind of it (v1beta1), which has `severity`."""

    severity: str | None = None
