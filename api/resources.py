# SPDX-License-Identifier: Apache-2.0
"""What the kinds are called, in every version of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GROUP = "ipam.cluster.x-k8s.io"


@dataclass(frozen=True, slots=True)
class ConversionWebhook:
    """The Service that converts objects between versions, and the URL path at which it does."""

    service: str
    namespace: str
    path: str = "/convert"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind's entry in the API server: its names and where its objects live.

    `versions` are all that it is served in, oldest first; each has a model.  Without a `conversion`
    the API server changes nothing but apiVersion.  `labels` and `annotations` are those of the
    CustomResourceDefinition itself.
    """

    group: str
    kind: str
    plural: str
    scope: Literal["Namespaced", "Cluster"]
    versions: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    conversion: ConversionWebhook | None = None

    @property
    def singular(self) -> str:
        """The name for one object on the command line."""
        return self.kind.lower()

    @property
    def name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    def validating_path(self, version: str) -> str:
        """URL path at which the webhook server validates objects of this kind."""
        return f"/validate-{self._path(version)}"

    def mutating_path(self, version: str) -> str:
        """URL path at which the webhook server completes objects of this kind."""
        return f"/mutate-{self._path(version)}"

    def _path(self, version: str) -> str:
        """Return the path's end as controller-runtime writes it, so that a take-over keeps it."""
        return f"{self.group.replace('.', '-')}-{version}-{self.singular}"


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
