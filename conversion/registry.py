# SPDX-License-Identifier: Apache-2.0
"""Our kinds, and the rules by which each old version converts.

A new version is a module like `v1alpha1.py` and an entry in `_SPOKES`.
"""

from collections.abc import Mapping
from typing import Final

from api import resources
from crdkit.conversion.registry import Kind, Pair, Registry

from . import v1alpha1

_SPOKES: Final[Mapping[str, Mapping[str, Pair]]] = {
    resources.IN_CLUSTER_IP_POOL.kind: {"v1alpha1": v1alpha1},
    resources.GLOBAL_IN_CLUSTER_IP_POOL.kind: {"v1alpha1": v1alpha1},
}

_UNNAMED: Final = "v1alpha1"
"""The only version of which the Go provider keeps something: its annotation does not name it."""

REGISTRY: Final = Registry(
    Kind(pool, _SPOKES.get(pool.kind, {}), _UNNAMED) for pool in resources.POOLS
)
"""Converts objects of all our kinds."""
