# SPDX-License-Identifier: Apache-2.0
"""`clusterctl delete --ipam in-cluster`: the provider goes, its objects only when asked for."""

from collections.abc import Generator

import pytest

from envtest import waiting
from envtest.contract import GROUP
from envtest.controlplane.provider import NAMESPACE
from envtest.controlplane.tenants import Tenant
from envtest.lab.lab import Lab
from envtest.lab.management import Management

TEAM = "team"
POOLS = f"inclusterippools.{GROUP}"


@pytest.fixture(scope="module")
def management(lab: Lab, series: str) -> Generator[Management]:
    with Management(lab, 1, series) as management:
        management.init()
        tenant = Tenant(management, management.new_namespace(TEAM))
        tenant.add_pool("blue", "10.0.0.10-10.0.0.40")
        tenant.add_claim("web", "blue")
        tenant.bound("web")
        yield management


def test_what_people_made_stays_and_is_served_again_by_a_new_installation(
    management: Management,
) -> None:
    tenant = Tenant(management, TEAM)
    before = management.snapshot(TEAM)

    management.clusterctl("delete", "--ipam=in-cluster")

    deployments = management.admin.resource("apps/v1", "deployments", NAMESPACE)
    waiting.until("no manager is left", deployments.list, lambda found: not found)
    management.reinstall(management.releases[0])
    assert management.snapshot(TEAM) == before
    tenant.add_claim("db", "blue")
    assert tenant.bound("web", "db") == ["10.0.0.10", "10.0.0.11"]


def test_with_the_crds_everything_goes(management: Management) -> None:
    tenant = Tenant(management, TEAM)
    tenant.release("web", "db")
    tenant.pools().delete("blue")
    waiting.until("the pool is gone", lambda: tenant.pools().find("blue"), lambda it: it is None)

    management.clusterctl("delete", "--ipam=in-cluster", "--include-crd", "--include-namespace")

    crds = management.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    waiting.until("the CRDs are gone", lambda: crds.find(POOLS), lambda found: found is None)
    spaces = management.admin.resource("v1", "namespaces")
    waiting.until("the namespace is gone", lambda: spaces.find(NAMESPACE), lambda it: it is None)
