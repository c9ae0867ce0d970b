# SPDX-License-Identifier: Apache-2.0
"""What managedFields tell about pruning; tests/apiserver/test_version_laws.py has the rest."""

import json
from typing import Any

import msgspec
import pytest

from webhook import reviewed_pool, server_side_apply

GROUP = "ipam.cluster.x-k8s.io"
OLD, HUB = "v1alpha1", "v1alpha2"
BOTH = {"addresses": ["10.0.0.1", "10.0.1.1-10.0.1.254"], "prefix": 24}
ONLY = {"addresses": ["10.0.1.1-10.0.1.254"], "prefix": 24}


def entry(version: str, *fields: str, manager: str = "gitops", **more: str) -> dict[str, Any]:
    spec: dict[str, Any] = {f"f:{name}": dict[str, Any]() for name in fields}
    owned = {"f:spec": spec}
    known = {"manager": manager, "operation": "Apply", "apiVersion": f"{GROUP}/{version}"}
    return {**known, "fieldsType": "FieldsV1", "fieldsV1": owned, **more}


def stored(spec: Any, *entries: dict[str, Any], saved: Any = None) -> reviewed_pool.ReviewedPool:
    metadata: dict[str, Any] = {"name": "blue"}
    metadata["managedFields"] = msgspec.Raw(json.dumps(entries).encode())
    if saved:
        kept = json.dumps({"spec": saved})
        metadata["annotations"] = {"cluster.x-k8s.io/conversion-data": kept}
    known: dict[str, Any] = {
        "apiVersion": f"{GROUP}/{HUB}",
        "kind": "InClusterIPPool",
        "metadata": metadata,
    }
    return reviewed_pool.ReviewedPool(known | ({} if spec is None else {"spec": spec}))


BEFORE = stored({"addresses": ["10.0.0.1"], "prefix": 24}, entry(OLD, "addresses", "prefix"))
SUBNET = {"addresses": ["10.0.0.1"], "prefix": 24, "subnet": "10.0.1.0/24"}
"""As the API server merges it: what the manifest said, and what it says."""


def spec_after(
    *entries: dict[str, Any], old: reviewed_pool.ReviewedPool = BEFORE, version: str = OLD
) -> Any:
    new = stored(BOTH, *entries, saved=SUBNET)
    return server_side_apply.corrected(new, old, version, "gitops")["spec"]


def test_what_a_manifest_gave_up_goes() -> None:
    assert spec_after(entry(OLD, "subnet")) == ONLY


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="managedFields cleared"),
        pytest.param([entry(OLD, "addresses", "prefix", "subnet")], id="still applied"),
        pytest.param([entry(OLD, "subnet", manager="another")], id="another manager's manifest"),
        pytest.param([entry(OLD, "subnet", subresource="status")], id="a subresource"),
        pytest.param([entry(OLD, "subnet", operation="Update")], id="no server-side apply"),
        pytest.param(
            [entry(OLD, "subnet"), entry(OLD, "addresses", "prefix", manager="b")], id="owned by b"
        ),
        pytest.param(
            [entry(OLD, "subnet"), entry(HUB, "addresses", manager="b")], id="owned in the hub"
        ),
    ],
)
def test_what_somebody_may_still_mean_stays(entries: list[dict[str, Any]]) -> None:
    assert spec_after(*entries) == BOTH


def test_a_client_of_the_hub_version_prunes_for_itself() -> None:
    assert spec_after(entry(OLD, "subnet"), version=HUB) == BOTH


def test_what_is_applied_in_the_hub_version_but_pruned_comes_back() -> None:
    new = stored({"gateway": "10.0.0.9"}, entry(HUB, "addresses", "prefix", "gateway"))

    after: Any = server_side_apply.corrected(new, BEFORE, HUB, "gitops")

    assert after["spec"] == {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": "10.0.0.9"}


@pytest.mark.parametrize(
    "left",
    [entry(HUB, "gateway"), entry(OLD, "addresses"), entry(HUB, "addresses", operation="Update")],
    ids=["not applied", "in another version", "no server-side apply"],
)
def test_what_is_not_applied_in_the_hub_version_stays_away(left: dict[str, Any]) -> None:
    new = stored(None, left)

    assert server_side_apply.corrected(new, BEFORE, HUB, "gitops") is new.obj


def test_only_the_manifest_that_is_applied_gives_anything_up() -> None:
    new = stored(BOTH, entry(OLD, "subnet"), saved=SUBNET)

    assert server_side_apply.corrected(new, BEFORE, OLD, "kubectl-patch") is new.obj


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ([entry(HUB, "addresses")], set[str]()),
        ([entry(HUB, "addresses"), entry(HUB, "excludedAddresses", manager="b")], {"excluded"}),
    ],
    ids=["nobody's", "another's"],
)
def test_a_field_of_the_hub_alone_goes_with_its_manifest(
    entries: list[dict[str, Any]], kept: set[str]
) -> None:
    spec = {"addresses": ["10.0.0.1"], "prefix": 24, "excludedAddresses": ["10.0.0.9"]}
    old = stored(spec, entry(HUB, "addresses", "prefix", "excludedAddresses"))

    after: Any = server_side_apply.corrected(stored(spec, *entries), old, HUB, "gitops")

    assert after["spec"].keys() == {"addresses", "prefix"} | {f"{name}Addresses" for name in kept}


@pytest.mark.parametrize("raw", [b"5", b'[{"fieldsV1": 5}]', b'[{"fieldsV1": {"f:spec": 5}}]'])
def test_senseless_managed_fields_change_nothing(raw: bytes) -> None:
    new = stored(BOTH, saved=SUBNET)
    new.metadata["managedFields"] = msgspec.Raw(raw)

    assert server_side_apply.corrected(new, BEFORE, OLD, "gitops") is new.obj


# ---- after managedFields were lost ----


def nobody(version: str, *fields: str) -> dict[str, Any]:
    """What the API server makes up at the first apply after the loss."""
    return entry(version, *fields, manager="before-first-apply", operation="Update")


@pytest.mark.parametrize("version", [OLD, HUB])
def test_what_a_manifest_gives_up_goes_though_nobody_owned_it_before_the_loss(version: str) -> None:
    spec = {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": "10.0.0.9"}
    lapsed = nobody(version, *spec)
    old = stored(spec, entry(version, *spec), lapsed)
    new = stored(spec, entry(version, "addresses", "prefix"), lapsed)

    after: Any = server_side_apply.corrected(new, old, version, "gitops")

    assert after["spec"] == {"addresses": ["10.0.0.1"], "prefix": 24}


@pytest.mark.parametrize("version", [OLD, HUB])
def test_what_another_manager_applied_since_the_loss_stays(version: str) -> None:
    spec = {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": "10.0.0.9"}
    others = [nobody(version, *spec), entry(version, "gateway", manager="network")]
    old = stored(spec, entry(version, *spec), *others)
    new = stored(spec, entry(version, "addresses", "prefix"), *others)

    assert server_side_apply.corrected(new, old, version, "gitops") is new.obj


def test_the_first_manifest_after_the_loss_leaves_what_it_does_not_have() -> None:
    new = stored(BOTH, nobody(HUB, "addresses", "prefix", "gateway"), entry(HUB, "addresses"))

    assert server_side_apply.unowned(new, stored(BOTH)) == {"prefix", "gateway"}
    assert server_side_apply.unowned(new, new) == set()  # it is told once
    assert server_side_apply.unowned(stored(BOTH, entry(HUB, "addresses")), stored(BOTH)) == set()
