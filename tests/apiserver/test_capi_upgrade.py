# SPDX-License-Identifier: Apache-2.0
"""Cluster API is upgraded under a running manager: a newer version appears, the older one goes."""

from collections.abc import Generator

import pytest

from envtest import client, contract, plugin, waiting
from envtest.controlplane import capi, install, provider, tenants

CRDS = "customresourcedefinitions"


@pytest.fixture
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    folder = make_log_folder()
    with provider.Provider(folder, capi_series=capi.OLDEST) as started:
        yield started


def test_claims_keep_their_addresses_while_a_newer_version_appears_and_the_older_one_goes(
    cluster: provider.Provider,
) -> None:
    team = tenants.Tenant(cluster, cluster.new_namespace("team"))
    team.add_claim("waiting", "none")
    team.not_ready("waiting", "PoolNotReady")
    team.add_pool("blue", "10.0.0.10-10.0.0.20")
    team.add_claim("old", "blue")
    before = team.address("old")
    assert owner_version(before) == "ipam.cluster.x-k8s.io/v1beta1"

    team = appears(cluster, capi.PREVIOUS)
    is_used_though_the_older_one_is_still_served(team)
    team = appears(cluster, capi.NEWEST)
    stop_serving(cluster.admin, "v1beta1")
    claims_are_served_in_it_alone(team)
    belongs_in_it_to_whom_it_belonged(team, before)


def appears(cluster: provider.Provider, series: str) -> tenants.Tenant:
    """Upgrade Cluster API; return the same user, who speaks its version from now on."""
    install.crds(cluster.admin, capi.crds(series))
    cluster.capi_series = series
    return tenants.Tenant(cluster, "team")


def is_used_though_the_older_one_is_still_served(team: tenants.Tenant) -> None:
    waiting.until(
        "the condition is written in the new form",
        lambda: team.ready("waiting"),
        lambda ready: bool(ready.get("observedGeneration")),
    )


def claims_are_served_in_it_alone(team: tenants.Tenant) -> None:
    team.add_claim("new", "blue")
    assert team.bound("new") == ["10.0.0.11"]
    conditions = team.status("new")["conditions"]
    assert [condition["type"] for condition in conditions] == ["Ready"]


def belongs_in_it_to_whom_it_belonged(team: tenants.Tenant, before: client.Json) -> None:
    after = waiting.until(
        "the owner is renewed in the version that is served",
        lambda: team.addresses.get("old"),
        lambda address: owner_version(address) == "ipam.cluster.x-k8s.io/v1beta2",
    )
    assert after["spec"] == before["spec"]
    assert [owner["uid"] for owner in after["metadata"]["ownerReferences"]] == [
        owner["uid"] for owner in before["metadata"]["ownerReferences"]
    ]
    team.release("old")
    team.add_claim("next", "blue")
    assert team.bound("next") == ["10.0.0.10"]


def owner_version(address: client.Json) -> str:
    version: str = address["metadata"]["ownerReferences"][0]["apiVersion"]
    return version


def stop_serving(admin: client.Client, version: str) -> None:
    """Take a version of Cluster API's IPAM types out of service, as 1.16 is to do."""
    for plural in ("ipaddressclaims", "ipaddresses"):
        crds = admin.resource("apiextensions.k8s.io/v1", CRDS)

        def unserve(crd: client.Json) -> None:
            for each in crd["spec"]["versions"]:
                each["served"] = each["served"] and each["name"] != version

        crds.edit(f"{plural}.{contract.GROUP}", unserve)
