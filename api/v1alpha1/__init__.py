# SPDX-License-Identifier: Apache-2.0
"""Version v1alpha1: deprecated, but served for those who still write it."""

from .pool import GlobalInClusterIPPool, InClusterIPPool, InClusterIPPoolSpec

__all__ = ["GlobalInClusterIPPool", "InClusterIPPool", "InClusterIPPoolSpec"]
