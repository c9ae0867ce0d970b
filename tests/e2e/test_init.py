# SPDX-License-Identifier: Apache-2.0
"""`clusterctl init --ipam in-cluster`, and what then works."""

from collections.abc import Generator

import pytest

from envtest.controlplane import capi
from envtest.controlplane.tenants import Tenant
from envtest.lab.lab import Lab
from envtest.lab.management import Management


@pytest.fixture(scope="module")
def management(lab: Lab, series: str) -> Generator[Management]:
    with Management(lab, 1, series, owners_checked=series == capi.NEWEST) as management:
        management.init()
        management.prepare_clusters()
        yield management


def test_claims_of_both_versions_of_pools_are_served(management: Management) -> None:
    tenant = Tenant(management, management.new_namespace("team"))
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.pools(version="v1alpha1").create(
        {
            "apiVersion": "ipam.cluster.x-k8s.io/v1alpha1",
            "kind": "InClusterIPPool",
            "metadata": {"name": "old"},
            "spec": {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"},
        }
    )
    tenant.add_claim("web", "blue")
    tenant.add_claim("db", "old")

    assert tenant.bound("web", "db") == ["10.0.0.10", "10.9.0.2"]
    management.add_cluster("team", "prod")
