# SPDX-License-Identifier: Apache-2.0
"""Who owns what stays the same when an entry of managedFields gets another version."""

from typing import Any

import pytest

from conversion import managed_fields, registry
from envtest import manifests

GROUP = "ipam.cluster.x-k8s.io"
HUB = frozenset({"v1alpha2"})
SUBNET = {"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}


def pool(spec: dict[str, Any], *entries: dict[str, Any]) -> dict[str, Any]:
    """Return a pool that was written in v1alpha1, in the hub version."""
    obj = manifests.pool("blue", spec, version="v1alpha1", managedFields=list(entries))
    return registry.REGISTRY.convert(obj, f"{GROUP}/v1alpha2")


def entry(manager: str, *spec: str, version: str = "v1alpha1", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {f"f:{name}": {} for name in spec}} if spec else {}
    return {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": f"{GROUP}/{version}",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def owned(entries: list[Any] | None) -> dict[str, list[str]]:
    """Return the fields of the spec that each manager owns."""
    assert entries is not None
    assert {each["apiVersion"] for each in entries} == {f"{GROUP}/v1alpha2"}
    return {each["manager"]: sorted(each["fieldsV1"].get("f:spec", {})) for each in entries}


def test_an_object_without_old_entries_is_not_written() -> None:
    obj = pool(SUBNET, entry("argo", "addresses", version="v1alpha2"))

    assert managed_fields.in_hub(obj, HUB) is None
    assert managed_fields.in_hub(pool(SUBNET), HUB) is None


def test_entries_in_a_version_that_is_kept_stay_as_they_are() -> None:
    old, new = entry("old", "subnet"), entry("new", "prefix", version="v1alpha2")
    obj = pool(SUBNET, old, new, entry("ancient", version="v1alpha0"))

    assert managed_fields.in_hub(obj, HUB | {"v1alpha1"}) == [old, new]


@pytest.mark.parametrize(
    ("spec", "names", "expected"),
    [
        (SUBNET, ["subnet"], ["f:addresses", "f:prefix"]),
        (SUBNET, ["gateway"], ["f:gateway"]),
        (SUBNET, ["gateway", "subnet"], ["f:addresses", "f:gateway", "f:prefix"]),
        ({"start": "10.0.0.1", "end": "10.0.0.9", "prefix": 24}, ["start"], ["f:addresses"]),
        ({"start": "10.0.0.1", "end": "10.0.0.9", "prefix": 24}, ["prefix"], ["f:prefix"]),
        ({"addresses": ["10.0.0.5"], "prefix": 24}, ["addresses"], ["f:addresses"]),
        ({"subnet": "10.0.0.0/24", "prefix": 24}, ["prefix"], ["f:prefix"]),
        (SUBNET | {"start": "10.0.0.7", "end": "10.0.0.9"}, ["subnet"], ["f:prefix"]),
    ],
)
def test_a_manager_owns_in_the_hub_version_what_its_fields_come_to_be(
    spec: dict[str, Any], names: list[str], expected: list[str]
) -> None:
    obj = pool(spec, entry("argo", *names))

    assert owned(managed_fields.in_hub(obj, HUB)) == {"argo": expected}


def test_nobody_owns_a_field_that_the_object_does_not_have() -> None:
    obj = pool({"subnet": "not a subnet"}, entry("argo", "subnet", "gateway"))

    assert managed_fields.in_hub(obj, HUB) == []


def test_metadata_and_status_are_owned_as_before() -> None:
    fields: Any = {"f:metadata": {"f:labels": {"f:a": {}}}, "f:status": {"f:conditions": {}}}
    obj = pool(SUBNET, entry("argo", fieldsV1=fields, subresource="status"))

    [found] = managed_fields.in_hub(obj, HUB) or []

    assert found == entry("argo", version="v1alpha2", fieldsV1=fields, subresource="status")


def test_two_entries_of_a_manager_become_one_with_all_fields_and_the_later_time() -> None:
    update = {"operation": "Update"}
    later = entry("kubectl", "gateway", **update, time="2026-02-02T00:00:00Z")
    obj = pool(SUBNET, entry("kubectl", "prefix", version="v1alpha2", **update), later)

    found = managed_fields.in_hub(obj, HUB)

    assert owned(found) == {"kubectl": ["f:gateway", "f:prefix"]}
    assert found
    assert found[0]["time"] == "2026-02-02T00:00:00Z"


def test_entries_that_differ_in_more_than_the_version_stay_apart() -> None:
    obj = pool(
        SUBNET,
        entry("kubectl", "gateway", version="v1alpha2"),
        entry("kubectl", "gateway", operation="Update"),
        entry("kubectl", fieldsV1={"f:status": {}}, subresource="status"),
    )

    assert len(managed_fields.in_hub(obj, HUB) or []) == 3


def test_of_a_version_that_nobody_knows_the_fields_that_the_hub_has_are_owned() -> None:
    obj = pool(SUBNET, entry("argo", "addresses", "ranges", "excludedAddresses", version="v9"))

    assert owned(managed_fields.in_hub(obj, HUB)) == {"argo": ["f:addresses"]}


def test_the_object_itself_is_not_changed() -> None:
    obj = pool(SUBNET, entry("argo", "subnet"))

    managed_fields.in_hub(obj, HUB)

    assert managed_fields.versions(obj) == {"v1alpha1"}
