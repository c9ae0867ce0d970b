# SPDX-License-Identifier: Apache-2.0
"""A management cluster of Cluster API 1.10, which knows IPAM v1beta1 and v1alpha1 only."""

from collections.abc import Generator

import pytest

from envtest import manifests, plugin, waiting
from envtest.contract import PAUSED
from envtest.controlplane import capi, provider, tenants


@pytest.fixture(scope="module")
def old_cluster(
    make_log_folder: plugin.MakeFolder,
) -> Generator[provider.Provider]:
    folder = make_log_folder()
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


def test_a_claim_without_a_group_gets_an_event_that_it_needs_one(
    old_tenant: tenants.Tenant,
) -> None:
    body = manifests.claim("web", "blue", version="v1beta1")
    del body["spec"]["poolRef"]["apiGroup"]
    old_tenant.claims.create(body)
    admin, namespace = old_tenant.provider.admin, old_tenant.namespace
    events = admin.resource("events.k8s.io/v1", "events", namespace)

    [event] = waiting.until("an Event says why", events.list, bool)

    assert (event["type"], event["reason"]) == ("Warning", "InvalidPoolReference")
    assert event["note"].startswith("spec.poolRef.apiGroup is empty")


def test_pauses_and_grace_periods_are_reported_in_the_conditions_of_the_contract_to_come(
    old_tenant: tenants.Tenant,
) -> None:
    old_tenant.add_pool("blue", "10.0.0.10", addressReuseGracePeriodSeconds=3600)
    old_tenant.add_claim("web", "blue", annotations={PAUSED: ""})
    assert "IPAddressClaim has" in old_tenant.says("web", "Paused")
    assert [each["type"] for each in old_tenant.status("web")["conditions"]] == ["Ready"]

    old_tenant.claims.merge("web", {"metadata": {"annotations": {PAUSED: None}}})

    assert old_tenant.bound("web") == ["10.0.0.10"]
    assert old_tenant.says("web", "Paused", "False") == ""
    old_tenant.claims.delete("web")
    assert "address 10.0.0.10 is held until" in old_tenant.says("web", "Deleting")
    old_tenant.pools().merge("blue", {"spec": {"addressReuseGracePeriodSeconds": 0}})
    waiting.until("web is gone", lambda: old_tenant.claims.find("web"), lambda seen: seen is None)
