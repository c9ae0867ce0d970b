# SPDX-License-Identifier: Apache-2.0
"""One image serves both contracts of Cluster API; clusterctl is told of two release series."""

from collections.abc import Generator

import pytest

from envtest.controlplane import capi
from envtest.controlplane.tenants import Tenant
from envtest.lab.clusterctl import ClusterctlError
from envtest.lab.lab import Lab
from envtest.lab.management import Management
from envtest.lab.releases import OURS, core_version

TEAM = "team"
OLD, _ = OURS["v1beta1"]
NEW, NEXT = OURS["v1beta2"]


@pytest.fixture(scope="module")
def management(lab: Lab) -> Generator[Management]:
    """A cluster on the older contract."""
    with Management(lab, 1, capi.OLDEST) as management:
        management.init(OLD)
        management.new_namespace(TEAM)
        yield management


def upgrade_both(management: Management, series: str, version: str) -> Tenant[Management]:
    """Upgrade Cluster API and the provider in one command; return the same user."""
    management.use(series)
    core = f"--core=cluster-api:{core_version(series)}"
    management.clusterctl("upgrade", "apply", core, f"--ipam=in-cluster:{version}")
    management.await_webhooks()
    return Tenant(management, TEAM)


def test_claims_are_served_under_the_older_contract(management: Management) -> None:
    tenant = Tenant(management, TEAM)
    tenant.add_pool("blue", "10.0.0.10-10.0.0.40")
    claim = tenant.add_claim("web", "blue")

    assert claim["apiVersion"] == "ipam.cluster.x-k8s.io/v1beta1"
    assert tenant.bound("web") == ["10.0.0.10"]


def test_its_clusterctl_takes_no_release_of_the_newer_contract(management: Management) -> None:
    refused = r"supports the v1beta2 API Version .* while the management cluster is using v1beta1"
    with pytest.raises(ClusterctlError, match=refused):
        management.clusterctl("upgrade", "apply", f"--ipam=in-cluster:{NEW}")


def test_four_minor_versions_are_too_many_for_one_upgrade(management: Management) -> None:
    clusterctl = management.lab.clusterctl(capi.NEWEST)
    core = f"--core=cluster-api:{core_version(capi.NEWEST)}"
    command = ("upgrade", "apply", core, f"--ipam=in-cluster:{NEW}")

    with pytest.raises(ClusterctlError, match="can't skip more than 3 versions"):
        clusterctl(*command, f"--kubeconfig={management.kubeconfig}")

    assert management.running_version() == OLD


def test_both_are_upgraded_to_the_newer_contract_in_one_command(management: Management) -> None:
    before = Tenant(management, TEAM).addresses.get("web")["spec"]["address"]

    tenant = upgrade_both(management, capi.PREVIOUS, NEW)

    claim = tenant.add_claim("new", "blue")
    assert claim["apiVersion"] == "ipam.cluster.x-k8s.io/v1beta2"
    assert tenant.bound("web", "new") == [before, "10.0.0.11"]


def test_both_are_upgraded_to_the_newest_series_in_one_command(management: Management) -> None:
    before = management.snapshot(TEAM)

    tenant = upgrade_both(management, capi.NEWEST, NEXT)

    tenant.add_claim("newest", "blue")
    assert tenant.bound("newest") == ["10.0.0.12"]
    after = management.snapshot(TEAM)
    assert {name: after[name] for name in before} == before
    assert management.running_version() == NEXT
    assert management.core_version() == core_version(capi.NEWEST)


def test_the_older_series_works_under_the_newer_contract_but_is_not_proposed(
    management: Management,
) -> None:
    management.clusterctl("upgrade", "apply", f"--ipam=in-cluster:{OLD}")
    management.await_webhooks()
    tenant = Tenant(management, TEAM)
    tenant.add_claim("last", "blue")
    assert tenant.bound("last") == ["10.0.0.13"]

    plan = management.clusterctl("upgrade", "plan").output

    (line,) = [line for line in plan.splitlines() if line.startswith("ipam-in-cluster")]
    assert line.split()[-2:] == [OLD, NEXT]


def test_the_older_series_is_left_under_the_newer_contract(management: Management) -> None:
    before = management.snapshot(TEAM)

    management.clusterctl("upgrade", "apply", f"--ipam=in-cluster:{NEW}")

    management.await_webhooks()
    assert management.snapshot(TEAM) == before
    assert management.running_version() == NEW
