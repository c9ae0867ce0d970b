# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from api import kinds, resources
from conversion import registry, v1alpha1
from crdkit.conversion import errors
from crdkit.conversion.registry import Kind, Pair, Registry


def test_every_served_version_has_a_pair() -> None:
    registry.REGISTRY.check()

    served = {(kind.resource.kind, kind.version.name) for kind in kinds.KINDS}
    assert served == {
        (name, version)
        for name, kind in registry.REGISTRY.kinds.items()
        for version in kind.versions.values()
    }


def test_a_served_version_without_a_pair_is_refused() -> None:
    bare = Registry([Kind(resources.IN_CLUSTER_IP_POOL)])

    with pytest.raises(errors.MissingPairError, match=r"is served, but conversion has no pair"):
        bare.check()


def test_two_old_versions_convert_through_the_hub() -> None:
    pairs: dict[str, Pair] = {"v1alpha0": v1alpha1, "v1alpha1": v1alpha1}
    versions = (*pairs, "v1alpha2")
    resource = dataclasses.replace(resources.IN_CLUSTER_IP_POOL, versions=versions)
    table = Registry([Kind(resource, pairs)])
    group = "ipam.cluster.x-k8s.io"
    obj: dict[str, object] = {
        "apiVersion": f"{group}/v1alpha0",
        "kind": "InClusterIPPool",
        "spec": {"subnet": "10.0.0.0/24"},
    }

    assert table.convert(obj, f"{group}/v1alpha1") == obj | {
        "apiVersion": f"{group}/v1alpha1",
        "spec": {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24},
    }


def test_a_version_into_itself_is_the_same_object() -> None:
    obj: dict[str, object] = {
        "apiVersion": "ipam.cluster.x-k8s.io/v1alpha2",
        "kind": "InClusterPrefixPool",
        "spec": {"prefixes": 5},
    }

    assert registry.REGISTRY.convert(obj, "ipam.cluster.x-k8s.io/v1alpha2") is obj
