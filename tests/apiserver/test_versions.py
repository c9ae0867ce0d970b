# SPDX-License-Identifier: Apache-2.0
"""A pool is one object, whichever version it is written or read in."""

import pytest

from envtest import client, manifests
from envtest.controlplane import tenants

SUBNET = {"subnet": "10.9.0.0/24"}


def spec_of(user: tenants.Tenant, name: str, version: str) -> client.Json:
    spec: client.Json = user.pools(version=version).get(name)["spec"]
    return spec


def test_a_subnet_reads_back_as_it_was_written(tenant: tenants.Tenant) -> None:
    tenant.pools(version="v1alpha1").create(manifests.pool("blue", SUBNET, version="v1alpha1"))

    assert spec_of(tenant, "blue", "v1alpha1") == SUBNET


def test_a_subnet_is_a_range_without_its_ends_in_the_hub_version(tenant: tenants.Tenant) -> None:
    tenant.pools(version="v1alpha1").create(manifests.pool("blue", SUBNET, version="v1alpha1"))

    spec = spec_of(tenant, "blue", "v1alpha2")

    assert spec == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}


def test_what_only_the_hub_can_say_survives_an_old_client(tenant: tenants.Tenant) -> None:
    only_hub: client.Json = {
        "excludedAddresses": ["10.0.0.7"],
        "allocateReservedIPAddresses": True,
        "addressReuseGracePeriodSeconds": 60,
    }
    tenant.add_pool("blue", "10.0.0.0/28", **only_hub)
    tenant.counts("blue")  # from here on the controller has nothing more to write

    def set_gateway(body: client.Json) -> None:
        body["spec"]["gateway"] = "10.0.0.1"

    tenant.pools(version="v1alpha1").edit("blue", set_gateway)

    expected = {"addresses": ["10.0.0.0/28"], "prefix": 24, "gateway": "10.0.0.1", **only_hub}
    assert spec_of(tenant, "blue", "v1alpha2") == expected


def test_reading_and_writing_back_unchanged_changes_nothing(tenant: tenants.Tenant) -> None:
    tenant.pools(version="v1alpha1").create(manifests.pool("blue", SUBNET, version="v1alpha1"))
    tenant.counts("blue", total=254)  # the controller has written what it writes
    for version in ("v1alpha1", "v1alpha2"):
        pools = tenant.pools(version=version)
        body = pools.get("blue")

        assert pools.replace(body)["metadata"] == body["metadata"]


def test_a_list_in_the_old_version_holds_pools_of_both(tenant: tenants.Tenant) -> None:
    old = tenant.pools(version="v1alpha1")
    old.create(manifests.pool("old", SUBNET, version="v1alpha1"))
    tenant.add_pool("new", "10.1.0.0/28")

    specs = {pool["metadata"]["name"]: pool["spec"] for pool in old.list()}

    assert specs == {"old": SUBNET, "new": {"addresses": ["10.1.0.0/28"], "prefix": 24}}


def test_the_old_version_warns_that_it_is_deprecated(tenant: tenants.Tenant) -> None:
    pools = tenant.pools(version="v1alpha1")

    answer = pools.submit(manifests.pool("blue", SUBNET, version="v1alpha1"))

    [warning] = [text for text in answer.warnings if "deprecated" in text]
    assert "v1alpha1" in warning


@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
def test_status_is_the_same_in_both_versions(tenant: tenants.Tenant, version: str) -> None:
    tenant.pools(version="v1alpha1").create(manifests.pool("blue", SUBNET, version="v1alpha1"))

    counts = tenant.counts("blue", total=254)

    status = tenant.pools(version=version).get("blue")["status"]
    assert status["ipAddresses"] == counts
