# SPDX-License-Identifier: Apache-2.0
"""The laws of conversion, as clients of either version meet them at a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from envtest import client, contract, manifests
from envtest.client import Json
from envtest.controlplane import tenants

OLD, HUB = "v1alpha1", "v1alpha2"
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


def pool(version: str, spec: Json, **metadata: Any) -> Json:
    return manifests.pool("blue", spec, version=version, **metadata)


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


def apply(user: tenants.Tenant, version: str, spec: Json, manager: str = "gitops") -> None:
    user.pools(version=version).apply(pool(version, spec), manager)


def test_a_manifest_that_moves_to_the_hub_version_and_back_is_applied_each_time(
    tenant: tenants.Tenant,
) -> None:
    old: Json = {"addresses": ["10.0.0.1-10.0.0.50"], "prefix": 24}
    shared = {"addresses": ["10.0.0.1-10.0.0.99"], "prefix": 24, "gateway": "10.0.0.1"}
    excluded = {"excludedAddresses": ["10.0.0.9"]}
    apply(tenant, OLD, old)

    apply(tenant, HUB, shared | excluded)
    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (shared | excluded, shared)

    apply(tenant, OLD, old)  # which cannot say that it gives up what is excluded
    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (old | excluded, old)

    check_managed_fields(tenant, OLD, HUB)

    apply(tenant, HUB, shared | excluded)
    apply(tenant, HUB, shared)
    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (shared, shared)
    check_managed_fields(tenant, HUB)


def test_a_manifest_that_moves_back_to_a_subnet_offers_no_more_than_that(
    tenant: tenants.Tenant,
) -> None:
    subnet = {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}
    offered = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24, "gateway": "10.0.0.1"}
    listed: Json = {"addresses": ["10.0.0.1-10.0.0.99"], "prefix": 24, "gateway": "10.0.0.1"}
    excluded = {"excludedAddresses": ["10.0.0.9"]}
    apply(tenant, OLD, subnet)
    apply(tenant, HUB, listed | excluded)
    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (listed | excluded, listed)

    apply(tenant, OLD, subnet)

    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (offered | excluded, subnet)
    check_managed_fields(tenant, OLD, HUB)

    apply(tenant, HUB, listed | excluded)
    assert (spec_of(tenant, HUB), spec_of(tenant, OLD)) == (listed | excluded, listed)


@pytest.mark.parametrize(
    "more", [{}, {"gateway": "10.0.0.2"}, {"excludedAddresses": ["10.0.0.9"]}], ids=str
)
def test_a_manifest_that_moves_to_the_hub_version_and_says_the_same_there_is_applied(
    tenant: tenants.Tenant, more: Json
) -> None:
    same = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24}
    apply(tenant, OLD, {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"})

    apply(tenant, HUB, same | more)

    assert spec_of(tenant, HUB) == same | more


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"subnet": "10.0.0.0/24"}, {"start": "10.0.0.1", "end": "10.0.0.9", "prefix": 24}),
        ({"subnet": "10.0.0.0/24"}, {"addresses": ["10.0.0.1"], "prefix": 24}),
        ({"addresses": ["10.0.0.1"], "prefix": 24}, {"subnet": "10.0.0.0/28"}),
    ],
    ids=str,
)
def test_what_a_manifest_of_the_old_version_no_longer_says_is_gone(
    tenant: tenants.Tenant, before: Json, after: Json
) -> None:
    apply(tenant, OLD, before)
    tenant.counts("blue")  # the controller has written, in the hub version

    apply(tenant, OLD, after)

    assert spec_of(tenant, OLD) == after


def test_a_manifest_gives_up_a_field_of_the_hub_alone_beside_another(
    tenant: tenants.Tenant,
) -> None:
    listed: Json = {"addresses": ["10.0.0.1-10.0.0.99"], "prefix": 24}
    grace = {"addressReuseGracePeriodSeconds": 60}
    apply(tenant, OLD, {"gateway": "10.0.0.1", **listed}, "network")
    apply(tenant, HUB, listed | grace | {"excludedAddresses": ["10.0.0.9"]})

    apply(tenant, HUB, listed | grace)

    assert spec_of(tenant, HUB) == listed | grace | {"gateway": "10.0.0.1"}


def test_what_another_manager_says_stays_when_one_gives_it_up(tenant: tenants.Tenant) -> None:
    apply(tenant, OLD, {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": "10.0.0.254"})
    apply(tenant, OLD, {"gateway": "10.0.0.254"}, "network")

    apply(tenant, OLD, {"subnet": "10.0.0.0/24"})

    assert spec_of(tenant, OLD) == {"subnet": "10.0.0.0/24", "gateway": "10.0.0.254"}


def test_two_managers_of_different_versions_own_what_they_applied(tenant: tenants.Tenant) -> None:
    apply(tenant, HUB, {"addresses": ["10.0.0.0/28"], "prefix": 28}, "owner")

    apply(tenant, OLD, {"gateway": "10.0.0.1"}, "network")
    apply(tenant, HUB, {"addresses": ["10.0.0.0/27"], "prefix": 27}, "owner")

    expected = {"addresses": ["10.0.0.0/27"], "prefix": 27, "gateway": "10.0.0.1"}
    assert spec_of(tenant, HUB) == expected
    entries = check_managed_fields(tenant, OLD, HUB)
    assert entries["owner"] == {"addresses", "prefix"}
    assert entries["network"] == {"gateway"}


@pytest.mark.parametrize(("version", "other"), [(OLD, HUB), (HUB, OLD)])
def test_managed_fields_stay_valid_when_clients_of_both_versions_write(
    tenant: tenants.Tenant, version: str, other: str
) -> None:
    notes, labels = {"example.com/note": "1"}, {"a": "b"}
    spec: Json = {"addresses": ["10.0.0.0/28", "10.0.0.32/28"], "prefix": 24, "gateway": "10.0.0.1"}
    tenant.pools(version=version).create(pool(version, spec, annotations=notes, labels=labels))
    tenant.pools().merge("blue", {"spec": {"excludedAddresses": ["10.0.0.7"]}})

    def set_gateway(body: Json) -> None:
        body["spec"]["gateway"] = "10.0.0.2"
        body["metadata"]["annotations"]["example.com/note"] = "2"

    tenant.pools(version=other).edit("blue", set_gateway)

    check_managed_fields(tenant, OLD, HUB)


def check_managed_fields(user: tenants.Tenant, *versions: str) -> dict[str, set[str]]:
    """Check that what each entry owns is there in the entry's own version; return specs' fields.

    `versions` are those of the entries; the controller's, of the hub version, are two of them.
    """
    user.counts("blue")
    entries: list[Json] = user.pools().get("blue")["metadata"]["managedFields"]
    for entry in entries:
        body = user.pools(version=entry["apiVersion"].rpartition("/")[2]).get("blue")
        assert list(missing(body, entry["fieldsV1"])) == [], entry
    assert {entry["apiVersion"] for entry in entries} == {f"{contract.GROUP}/{v}" for v in versions}
    return {entry["manager"]: set(owned(entry)) for entry in entries}


def owned(entry: Json) -> Iterator[str]:
    for name in entry["fieldsV1"].get("f:spec", {}):
        yield name.removeprefix("f:")


def missing(value: object, fields: Json, path: str = "") -> Iterator[str]:
    """Yield the paths of a FieldsV1 that a value does not have."""
    for key, below in fields.items():
        if key == ".":
            continue
        found = list(members(value, key))
        if not found:
            yield f"{path}/{key}"
        for member in found:
            yield from missing(member, below, f"{path}/{key}")


def members(value: Any, key: str) -> Iterator[object]:
    """Yield what a key of FieldsV1 means in a value: a field, an item by its keys, or one of a set.

    Source: https://pkg.go.dev/sigs.k8s.io/structured-merge-diff/v6/fieldpath
    """
    kind, _, name = key.partition(":")
    if kind == "f" and name in value:
        yield value[name]
    elif kind == "k":
        yield from (item for item in value if json.loads(name).items() <= item.items())
    elif kind == "v":
        yield from (item for item in value if item == json.loads(name))


def test_a_path_that_an_object_lacks_is_found_at_any_depth() -> None:
    value: Json = {"list": [{"type": "Ready", "status": "True"}], "set": ["a"], "map": {"x": {}}}
    there: Json = {
        "f:list": {'k:{"type":"Ready"}': {".": {}, "f:status": {}}},
        "f:set": {'v:"a"': {}},
        "f:map": {"f:x": {}},
    }
    lacking: Json = {
        "f:list": {'k:{"type":"Ready"}': {"f:reason": {}}, 'k:{"type":"Other"}': {}},
        "f:set": {'v:"b"': {}},
        "f:map": {"f:x": {"f:y": {}}},
    }

    assert list(missing(value, there)) == []
    assert list(missing(value, lacking)) == [
        '/f:list/k:{"type":"Ready"}/f:reason',
        '/f:list/k:{"type":"Other"}',
        '/f:set/v:"b"',
        "/f:map/f:x/f:y",
    ]


@pytest.mark.parametrize(("version", "other"), [(OLD, HUB), (HUB, OLD)])
def test_a_watch_reports_writes_of_the_other_version(
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
