# SPDX-License-Identifier: Apache-2.0
"""Cluster API is upgraded under a running manager: a newer version appears, the older one goes."""

from collections.abc import Generator

import pytest

from envtest import capi, client, install, plugin, provider, tenants, waiting

CRDS = "customresourcedefinitions"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[provider.Provider]:
    folder = plugin.log_folder(tmp_path_factory)
    with provider.Provider(folder, capi_series=capi.OLDEST) as started:
        yield started


def test_claims_keep_their_addresses_and_new_ones_are_served_in_the_new_version(
    cluster: provider.Provider,
) -> None:
    tenant = tenants.Tenant(cluster, cluster.new_namespace("team"))
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("old", "blue")
    before = tenant.address("old")
    assert owner_version(before) == "ipam.cluster.x-k8s.io/v1beta1"

    install.crds(cluster.admin, capi.crds(capi.NEWEST))
    cluster.capi_series = capi.NEWEST
    tenant = tenants.Tenant(cluster, "team")
    stop_serving(cluster.admin, "v1beta1")
    tenant.add_claim("new", "blue")

    assert tenant.bound("new") == ["10.0.0.11"]
    conditions = tenant.status("new")["conditions"]
    assert [condition["type"] for condition in conditions] == ["Ready"]
    after = waiting.until(
        "the owner is renewed in the version that is served",
        lambda: tenant.addresses.get("old"),
        lambda address: owner_version(address) == "ipam.cluster.x-k8s.io/v1beta2",
    )
    assert after["spec"] == before["spec"]
    assert [owner["uid"] for owner in after["metadata"]["ownerReferences"]] == [
        owner["uid"] for owner in before["metadata"]["ownerReferences"]
    ]
    tenant.release("old")
    tenant.add_claim("next", "blue")
    assert tenant.bound("next") == ["10.0.0.10"]


def test_a_newer_version_is_used_though_the_older_one_is_still_served(
    cluster: provider.Provider,
) -> None:
    tenant = tenants.Tenant(cluster, cluster.new_namespace("team"))
    tenant.add_claim("web", "blue")
    tenant.not_ready("web", "PoolNotReady")

    install.crds(cluster.admin, capi.crds(capi.NEWEST))

    cluster.capi_series = capi.NEWEST
    tenant = tenants.Tenant(cluster, "team")
    waiting.until(
        "the condition is written in the new form",
        lambda: tenant.ready("web"),
        lambda ready: bool(ready.get("observedGeneration")),
    )


def owner_version(address: client.Json) -> str:
    version: str = address["metadata"]["ownerReferences"][0]["apiVersion"]
    return version


def stop_serving(admin: client.Client, version: str) -> None:
    """Take a version of Cluster API's IPAM types out of service, as a later release does."""
    for plural in ("ipaddressclaims", "ipaddresses"):
        crds = admin.resource("apiextensions.k8s.io/v1", CRDS)

        def unserve(crd: client.Json) -> None:
            for each in crd["spec"]["versions"]:
                each["served"] = each["served"] and each["name"] != version

        crds.edit(f"{plural}.{provider.GROUP}", unserve)
