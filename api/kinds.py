# SPDX-License-Identifier: Apache-2.0
"""Every kind in every version of it."""

from crdkit.models.model import Object

from . import v1alpha1, v1alpha2

KINDS: tuple[type[Object], ...] = (
    v1alpha1.InClusterIPPool,
    v1alpha2.InClusterIPPool,
    v1alpha1.GlobalInClusterIPPool,
    v1alpha2.GlobalInClusterIPPool,
    v1alpha2.InClusterPrefixPool,
    v1alpha2.GlobalInClusterPrefixPool,
)
