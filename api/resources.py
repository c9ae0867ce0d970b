# SPDX-License-Identifier: Apache-2.0
"""What the kinds are called, in every version of them."""

from typing import Literal

from crdkit.models.resources import ConversionWebhook, Resource

GROUP = "ipam.cluster.x-k8s.io"

WEBHOOK = ConversionWebhook("webhook-service", "system")
"""The manager's Service, by its names before kustomize adds prefixes."""


def _pool(
    kind: str, plural: str, scope: Literal["Namespaced", "Cluster"], *versions: str
) -> Resource:
    return Resource(
        group=GROUP,
        kind=kind,
        plural=plural,
        scope=scope,
        versions=versions,
        hub="v1alpha2",
        categories=("cluster-api",),  # `kubectl get cluster-api` lists them
        labels={"clusterctl.cluster.x-k8s.io/move-hierarchy": ""},  # `clusterctl move` takes them
        conversion=WEBHOOK if len(versions) > 1 else None,
    )


IN_CLUSTER_IP_POOL = _pool(
    "InClusterIPPool", "inclusterippools", "Namespaced", "v1alpha1", "v1alpha2"
)
GLOBAL_IN_CLUSTER_IP_POOL = _pool(
    "GlobalInClusterIPPool", "globalinclusterippools", "Cluster", "v1alpha1", "v1alpha2"
)
IN_CLUSTER_PREFIX_POOL = _pool(
    "InClusterPrefixPool", "inclusterprefixpools", "Namespaced", "v1alpha2"
)
GLOBAL_IN_CLUSTER_PREFIX_POOL = _pool(
    "GlobalInClusterPrefixPool", "globalinclusterprefixpools", "Cluster", "v1alpha2"
)

POOLS = (
    IN_CLUSTER_IP_POOL,
    GLOBAL_IN_CLUSTER_IP_POOL,
    IN_CLUSTER_PREFIX_POOL,
    GLOBAL_IN_CLUSTER_PREFIX_POOL,
)
"""All kinds of this group that are ours."""
