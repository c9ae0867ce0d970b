# SPDX-License-Identifier: Apache-2.0
"""Version v1alpha2: the hub, which is stored and which every other version converts through."""

from .pool import GlobalInClusterIPPool, InClusterIPPool, InClusterIPPoolSpec
from .prefix_pool import GlobalInClusterPrefixPool, InClusterPrefixPool, InClusterPrefixPoolSpec

__all__ = [
    "GlobalInClusterIPPool",
    "GlobalInClusterPrefixPool",
    "InClusterIPPool",
    "InClusterIPPoolSpec",
    "InClusterPrefixPool",
    "InClusterPrefixPoolSpec",
]
