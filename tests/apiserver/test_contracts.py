# SPDX-License-Identifier: Apache-2.0
"""A management cluster of Cluster API 1.10, which knows IPAM v1beta1 and v1alpha1 only."""

from collections.abc import Generator

import pytest

from envtest import capi, plugin, provider, tenants


@pytest.fixture(scope="module")
def old_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[provider.Provider]:
    folder = plugin.log_folder(tmp_path_factory)
    with provider.Provider(folder, capi_series=capi.OLDEST) as cluster:
        yield cluster


@pytest.fixture
def old_tenant(old_cluster: provider.Provider, request: pytest.FixtureRequest) -> tenants.Tenant:
    name = request.node.name.replace("_", "-")[:63].rstrip("-")
    return tenants.Tenant(old_cluster, old_cluster.new_namespace(name))


def test_a_claim_gets_an_address_in_v1beta1(old_tenant: tenants.Tenant) -> None:
    old_tenant.add_pool("blue", "10.0.0.10-10.0.0.20", gateway="10.0.0.1")
    claim = old_tenant.add_claim("web", "blue")

    address = old_tenant.address("web")

    assert address["apiVersion"] == claim["apiVersion"] == "ipam.cluster.x-k8s.io/v1beta1"
    assert address["spec"]["address"] == "10.0.0.10"
    assert address["metadata"]["ownerReferences"][0]["apiVersion"] == claim["apiVersion"]
    old_tenant.release("web")
    assert old_tenant.addresses.find("web") is None


def test_both_forms_of_conditions_are_written(old_tenant: tenants.Tenant) -> None:
    old_tenant.add_claim("web", "blue")

    message = old_tenant.not_ready("web", "PoolNotReady")

    [old] = old_tenant.status("web")["conditions"]
    assert (old["type"], old["status"], old["reason"]) == ("Ready", "False", "PoolNotReady")
    assert old["message"] == message
    assert old["severity"]
