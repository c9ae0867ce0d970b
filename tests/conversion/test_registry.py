# SPDX-License-Identifier: Apache-2.0
import pytest

from api import kinds
from conversion import errors, pools, registry


def test_every_served_version_has_a_pair() -> None:
    registry.check((kind.resource.kind, kind.version.name) for kind in kinds.KINDS)


@pytest.mark.parametrize("served", [("InClusterIPPool", "v9"), ("Pod", "v1alpha2")])
def test_a_served_version_without_a_pair_is_refused(served: tuple[str, str]) -> None:
    with pytest.raises(errors.MissingPairError, match=r"is served, but conversion has no pair"):
        registry.check([served])


def test_two_old_versions_convert_through_the_hub() -> None:
    table = {"InClusterIPPool": registry.Kind("v1alpha2", {"v1alpha0": pools, "v1alpha1": pools})}
    group = "ipam.cluster.x-k8s.io"
    obj: dict[str, object] = {
        "apiVersion": f"{group}/v1alpha0",
        "kind": "InClusterIPPool",
        "spec": {"subnet": "10.0.0.0/24"},
    }

    assert registry.convert(obj, f"{group}/v1alpha1", table) == obj | {
        "apiVersion": f"{group}/v1alpha1",
        "spec": {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24},
    }


def test_a_version_into_itself_is_the_same_object() -> None:
    obj: dict[str, object] = {
        "apiVersion": "ipam.cluster.x-k8s.io/v1alpha2",
        "kind": "InClusterPrefixPool",
        "spec": {"prefixes": 5},
    }

    assert registry.convert(obj, "ipam.cluster.x-k8s.io/v1alpha2") is obj
