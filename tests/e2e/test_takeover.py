# SPDX-License-Identifier: Apache-2.0
"""A cluster that runs the Go provider is upgraded to this one in place."""

import datetime as dt
import time
from collections.abc import Generator

import pytest

from envtest import manifests, waiting
from envtest.client import Json
from envtest.contract import GROUP, PROTECT_POOL
from envtest.controlplane import capi, install
from envtest.controlplane.provider import LEASE, NAMESPACE
from envtest.controlplane.tenants import Tenant
from envtest.lab import go_provider
from envtest.lab.address_history import follow
from envtest.lab.lab import Lab
from envtest.lab.management import Management

TEAM = "team"
MIGRATION_SECONDS = 90.0  # 30 for a controller of Kubernetes, which is not here, and 10 to settle
CLUSTERS = (
    (capi.NEWEST, "v1.1.0"),
    (capi.NEWEST, "v1.0.3"),  # which is for the older contract
    (capi.PREVIOUS, "v1.1.0"),
    (capi.OLDEST, "v1.0.3"),
)
"""Series of Cluster API, each with a release of that provider."""
POOLS = {"old": "v1alpha1", "blue": "v1alpha2"}
"""By the version in which each is stored."""
SPECS: dict[str, Json] = {
    "v1alpha1": {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"},
    "v1alpha2": {"addresses": ["10.0.0.10-10.0.0.40"], "prefix": 24, "gateway": "10.0.0.1"},
}


@pytest.fixture(scope="module", params=CLUSTERS, ids="-".join)
def management(lab: Lab, request: pytest.FixtureRequest) -> Generator[Management]:
    """A cluster with that provider, and objects as it writes them."""
    series, version = request.param
    with Management(lab, 1, series) as management:
        for plural in go_provider.VERSIONED:
            crd = go_provider.crd(plural, "v1alpha1")
            install.crds(management.admin, [crd])
        tenant = Tenant(management, management.new_namespace(TEAM))
        add_pool(tenant, "old")
        management.init(version)
        add_pool(tenant, "blue")
        for claim, pool, address in (("web", "blue", "10.0.0.12"), ("db", "old", "10.9.0.2")):
            pools = tenant.pools(version="v1alpha2")
            body = tenant.add_claim(claim, pool)
            held = pools.get(pool)
            go_provider.bind(tenant.claims, tenant.addresses, body, held, address)
        yield management


def add_pool(tenant: Tenant[Management], name: str) -> None:
    version = POOLS[name]
    body = manifests.pool(name, SPECS[version], version=version)
    body["metadata"]["finalizers"] = [PROTECT_POOL]
    tenant.pools(version=version).create(body)


def hold_lease(management: Management) -> None:
    """Leave the lease as a manager does that was just killed."""
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {
        "holderIdentity": "capi-ipam-in-cluster-controller-manager-1_2",
        "leaseDurationSeconds": 15,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": 1,
    }
    leases = management.admin.resource("coordination.k8s.io/v1", "leases", NAMESPACE)
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}}
    leases.create({**body, "spec": spec})


def test_everything_keeps_what_it_has(management: Management) -> None:
    tenant = Tenant(management, TEAM)
    to = management.releases[0]
    before = management.snapshot(TEAM)
    since = tenant.addresses.listing()["metadata"]["resourceVersion"]
    old = tenant.pools(version="v1alpha1")
    hold_lease(management)

    with management.outage(lambda: old.get("blue")):
        management.clusterctl("upgrade", "apply", f"--ipam=in-cluster:{to}")
        began = time.monotonic()
        tenant.add_claim("new", "blue")
        tenant.bound("new")
    management.lab.note("  first new claim after that", time.monotonic() - began)

    assert management.running_version() == to
    after = management.snapshot(TEAM)
    assert {name: after[name] for name in before} == before
    assert tenant.bound("web", "db", "new") == ["10.0.0.12", "10.9.0.2", "10.0.0.10"]
    ledger = follow(tenant.addresses, since, until="new")
    assert (ledger.deleted, ledger.duplicates) == ([], [])
    assert old.get("old")["spec"] == SPECS["v1alpha1"]
    tenant.counts("old", used=1)


def test_nothing_is_stored_in_the_old_version_any_more(management: Management) -> None:
    crds = management.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")

    for plural in go_provider.VERSIONED:
        name = f"{plural}.{GROUP}"
        waiting.until(
            f"{name} stores v1alpha2 only",
            lambda name=name: crds.get(name)["status"]["storedVersions"],
            lambda versions: versions == ["v1alpha2"],
            seconds=MIGRATION_SECONDS,
        )


def test_what_it_bound_is_released_when_its_claims_go(management: Management) -> None:
    tenant = Tenant(management, TEAM)

    tenant.release("web", "db")

    assert [it["metadata"]["name"] for it in tenant.addresses.list()] == ["new"]
    tenant.counts("old", used=0)
