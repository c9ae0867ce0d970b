# SPDX-License-Identifier: Apache-2.0
"""Names that users, clusterctl and running clusters rely on."""

import pytest

from api import kinds, resources
from crdkit.models import model
from crdkit.models.resources import Resource

NAMES = [
    (resources.IN_CLUSTER_IP_POOL, "inclusterippool", "Namespaced"),
    (resources.GLOBAL_IN_CLUSTER_IP_POOL, "globalinclusterippool", "Cluster"),
    (resources.IN_CLUSTER_PREFIX_POOL, "inclusterprefixpool", "Namespaced"),
    (resources.GLOBAL_IN_CLUSTER_PREFIX_POOL, "globalinclusterprefixpool", "Cluster"),
]


@pytest.mark.parametrize(("resource", "singular", "scope"), NAMES)
def test_every_kind_has_its_names(resource: Resource, singular: str, scope: str) -> None:
    path = f"ipam-cluster-x-k8s-io-v1alpha2-{singular}"

    assert resource.singular == singular
    assert resource.name == f"{singular}s.ipam.cluster.x-k8s.io"
    assert resource.scope == scope
    assert resource.validating_path("v1alpha2") == f"/validate-{path}"
    assert resource.mutating_path("v1alpha2") == f"/mutate-{path}"
    assert resource.categories == ("cluster-api",)
    assert resource.labels == {"clusterctl.cluster.x-k8s.io/move-hierarchy": ""}


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda k: f"{k.version.name}.{k.__name__}")
def test_a_class_is_called_like_its_kind_and_lives_in_its_version(
    kind: type[model.Object],
) -> None:
    assert kind.__name__ == kind.resource.kind
    assert kind.version.name in kind.__module__.split(".")


def test_only_the_ip_pools_have_an_old_version() -> None:
    old = {kind.resource.kind for kind in kinds.KINDS if kind.version.name == "v1alpha1"}

    assert old == {"InClusterIPPool", "GlobalInClusterIPPool"}
    assert len(kinds.KINDS) == 6
