# SPDX-License-Identifier: Apache-2.0
"""The laws of conversion, as clients of either version meet them at a real API server."""

import threading
from collections.abc import Iterator

import pytest

from envtest import client, errors, manifests, tenants
from envtest.client import Json

OLD, HUB = "v1alpha1", "v1alpha2"
MANY = 500
HUB_SPECS: list[Json] = [
    {"addresses": ["10.0.0.1", "10.0.0.5-10.0.0.9", "10.0.1.0/30"], "prefix": 16},
    {"addresses": ["10.0.0.0/24"], "prefix": 24, "gateway": "10.0.0.1", "excludedAddresses": []},
    {"addresses": ["10.0.0.0/24"], "prefix": 24, "excludedAddresses": ["10.0.0.7", "10.0.0.9"]},
    {"addresses": ["fd00::/120"], "prefix": 64, "allocateReservedIPAddresses": True},
    {"addresses": ["10.0.0.1"], "prefix": 0, "addressReuseGracePeriodSeconds": 0},
]
OLD_SPECS: list[Json] = [
    {"subnet": "10.9.0.0/24"},
    {"subnet": "10.9.0.0/24", "start": "10.9.0.10", "end": "10.9.0.20", "gateway": "10.9.0.1"},
    {"start": "10.9.0.10", "end": "10.9.0.20", "prefix": 24},
    {"addresses": ["10.9.0.10"], "prefix": 24, "gateway": ""},
    {"addresses": ["10.9.0.1"], "subnet": "10.9.0.0/24", "prefix": 0},
    {"subnet": "fd00::/112"},
]


def pool(version: str, spec: Json, **metadata: object) -> Json:
    body = manifests.pool("blue", spec, version=version)
    body["metadata"] |= metadata
    return body


def spec_of(user: tenants.Tenant, version: str) -> Json:
    spec: Json = user.pools(version=version).get("blue")["spec"]
    return spec


@pytest.mark.parametrize(
    ("version", "other", "spec"),
    [*((HUB, OLD, spec) for spec in HUB_SPECS), *((OLD, HUB, spec) for spec in OLD_SPECS)],
)
def test_a_client_of_the_other_version_that_writes_back_what_it_reads_changes_nothing(
    tenant: tenants.Tenant, version: str, other: str, spec: Json
) -> None:
    notes = {"example.com/note": "ä ✓"}
    tenant.pools(version=version).create(pool(version, spec, annotations=notes, labels={"a": "b"}))

    for _ in range(3):
        tenant.pools(version=other).edit("blue", lambda _body: None)

    found = tenant.pools(version=version).get("blue")
    assert found["spec"] == spec
    assert found["metadata"]["labels"] == {"a": "b"}
    assert notes.items() <= found["metadata"]["annotations"].items()


def test_replacing_with_an_old_manifest_keeps_what_it_cannot_say(tenant: tenants.Tenant) -> None:
    only_hub = {"excludedAddresses": ["10.0.0.7"], "allocateReservedIPAddresses": True}
    tenant.pools().create(pool(HUB, {"addresses": ["10.0.0.0/28"], "prefix": 28, **only_hub}))

    tenant.counts("blue", total=15)  # the controller has nothing more to write
    revision = tenant.pools().get("blue")["metadata"]["resourceVersion"]  # as kubectl looks it up
    manifest = pool(OLD, {"subnet": "10.0.0.0/24"}, resourceVersion=revision)
    tenant.pools(version=OLD).replace(manifest)

    expected = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24, **only_hub}
    assert spec_of(tenant, HUB) == expected
    assert spec_of(tenant, OLD) == {"subnet": "10.0.0.0/24"}


@pytest.mark.parametrize("version", [OLD, HUB])
def test_a_merge_patch_in_one_version_is_seen_in_the_other(
    tenant: tenants.Tenant, version: str
) -> None:
    tenant.pools(version=OLD).create(pool(OLD, {"subnet": "10.0.0.0/24"}))

    tenant.pools(version=version).merge("blue", {"spec": {"gateway": "10.0.0.1"}})

    assert spec_of(tenant, OLD) == {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}
    expected = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24, "gateway": "10.0.0.1"}
    assert spec_of(tenant, HUB) == expected


def test_a_hub_client_that_changes_the_addresses_is_heard_by_old_ones(
    tenant: tenants.Tenant,
) -> None:
    tenant.pools(version=OLD).create(pool(OLD, {"subnet": "10.0.0.0/24"}))

    tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.1-10.0.0.99"]}})

    assert spec_of(tenant, OLD) == {"addresses": ["10.0.0.1-10.0.0.99"], "prefix": 24}


def test_a_manifest_that_moves_to_the_hub_version_and_back_is_applied_each_time(
    tenant: tenants.Tenant,
) -> None:
    old, hub = tenant.pools(version=OLD), tenant.pools()
    before = pool(OLD, {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"})
    between = pool(
        HUB,
        {
            "addresses": ["10.0.0.1-10.0.0.99"],
            "prefix": 24,
            "gateway": "10.0.0.1",
            "excludedAddresses": ["10.0.0.9"],
        },
    )

    old.apply(before, "gitops")
    hub.apply(between, "gitops")
    assert spec_of(tenant, HUB) == between["spec"]
    check_managed_fields(hub.get("blue"))

    hub.apply(between | {"metadata": {"name": "blue"}}, "gitops")
    old.apply(before, "gitops")
    assert spec_of(tenant, OLD).items() >= before["spec"].items()
    hub_spec = spec_of(tenant, HUB)
    assert "10.0.0.1-10.0.0.254" in hub_spec["addresses"]
    check_managed_fields(old.get("blue"))


def test_two_managers_of_different_versions_own_what_they_applied(tenant: tenants.Tenant) -> None:
    old, hub = tenant.pools(version=OLD), tenant.pools()
    hub.apply(pool(HUB, {"addresses": ["10.0.0.0/28"], "prefix": 28}), "owner")

    old.apply(pool(OLD, {"gateway": "10.0.0.1"}), "network")
    hub.apply(pool(HUB, {"addresses": ["10.0.0.0/27"], "prefix": 27}), "owner")

    expected = {"addresses": ["10.0.0.0/27"], "prefix": 27, "gateway": "10.0.0.1"}
    assert spec_of(tenant, HUB) == expected
    check_managed_fields(hub.get("blue"))


def check_managed_fields(body: Json) -> None:
    """Hold each manager's entry in the version of the body against the fields that are there."""
    entries = body["metadata"]["managedFields"]
    assert entries
    for entry in entries:
        assert entry["apiVersion"].endswith((OLD, HUB))
        if entry["apiVersion"] == body["apiVersion"] and not entry.get("subresource"):
            assert set(owned(entry)) <= body["spec"].keys()


def owned(entry: Json) -> Iterator[str]:
    for name in entry["fieldsV1"].get("f:spec", {}):
        if name.startswith("f:"):
            yield name.removeprefix("f:")


@pytest.mark.parametrize(("version", "other"), [(OLD, HUB), (HUB, OLD)])
def test_a_watch_tells_writes_of_the_other_version(
    tenant: tenants.Tenant, version: str, other: str
) -> None:
    tenant.pools().create(pool(HUB, {"addresses": ["10.0.0.0/28"], "prefix": 24}))
    watched = tenant.pools(version=version)
    since = watched.listing()["metadata"]["resourceVersion"]

    with watched.watch(since, seconds=30) as events:
        tenant.pools(version=other).merge("blue", {"spec": {"gateway": "10.0.0.1"}})
        event = next(event for event in events if "gateway" in event["object"]["spec"])

    assert event["object"]["apiVersion"].endswith(version)
    assert event["object"]["spec"]["addresses"] == ["10.0.0.0/28"]


def test_a_list_of_many_old_pools_is_whole_also_when_the_webhook_restarts(
    tenant: tenants.Tenant,
) -> None:
    old = tenant.pools(version=OLD)
    expected: dict[str, Json] = {}
    for number in range(MANY):
        spec = {"subnet": f"10.{number // 256}.{number % 256}.0/24"}
        body = manifests.pool(f"pool-{number:03}", spec, version=OLD)
        old.create(body)
        expected[body["metadata"]["name"]] = spec
    results: list[dict[str, Json]] = []
    refusals: list[str] = []

    def read() -> None:
        try:
            results.append({item["metadata"]["name"]: item["spec"] for item in old.list()})
        except errors.RefusedError as error:
            refusals.append(str(error))

    reading = threading.Thread(target=read)
    reading.start()
    tenant.provider.manager.kill()
    reading.join()
    tenant.provider.manager.run()
    read()

    assert all(found == expected for found in results)  # never a part of them
    assert all("conversion webhook" in text for text in refusals)
    assert results


def test_every_page_of_a_list_is_in_the_version_asked_for(tenant: tenants.Tenant) -> None:
    for number in range(5):
        tenant.add_pool(f"pool-{number}", f"10.0.{number}.0/24")

    pages: list[client.Json] = []
    following = ""
    while not pages or following:
        query = {"limit": "2"} | ({"continue": following} if following else {})
        pages.append(tenant.pools(version=OLD).listing(**query))
        following = pages[-1]["metadata"].get("continue", "")

    items = [item for page in pages for item in page["items"]]
    assert len(pages) == 3
    assert [item["spec"]["addresses"] for item in items] == [
        [f"10.0.{number}.0/24"] for number in range(5)
    ]
