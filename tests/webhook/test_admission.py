# SPDX-License-Identifier: Apache-2.0
"""The rules of admission, on reviews as the API server sends them."""

import base64
import ipaddress
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest

from conversion import registry
from kube import objects
from webhook import admission, admission_review, inuse
from webhook import errors as webhook_errors

GROUP = "ipam.cluster.x-k8s.io"
KIND = "InClusterIPPool"
PREFIX_KIND = "InClusterPrefixPool"
KEY = objects.PoolKey(KIND, "default", "blue")
PREFIX_KEY = objects.PoolKey(PREFIX_KIND, "default", "blue")
GOOD = {"addresses": ["10.0.0.1-10.0.0.9"], "prefix": 24}
PREFIXES = {"prefixes": ["2001:db8::/48"], "allocationPrefixLength": 64}

Spec = Mapping[str, object]


def pool(spec: object, kind: str = KIND, **metadata: object) -> dict[str, Any]:
    name = {"name": "blue", "namespace": "default"}
    version = f"{GROUP}/v1alpha2"
    return {"apiVersion": version, "kind": kind, "metadata": {**name, **metadata}, "spec": spec}


def from_v1alpha1(spec: object, **metadata: object) -> dict[str, Any]:
    """Return what the API server makes of a v1alpha1 object before it asks admission."""
    old: dict[str, Any] = pool(spec, KIND, **metadata) | {"apiVersion": f"{GROUP}/v1alpha1"}
    return registry.convert(old, f"{GROUP}/v1alpha2")


def review(operation: str, new: object, old: object, version: str) -> bytes:
    request = {
        "uid": "u-1",
        "operation": operation,
        "kind": {"group": GROUP, "version": "v1alpha2", "kind": KIND},
        "requestKind": {"group": GROUP, "version": version, "kind": KIND},
        "object": new,
        "oldObject": old,
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(body).encode()


async def validate(
    new: dict[str, Any] | None,
    old: dict[str, Any] | None = None,
    in_use: inuse.InUse | None = None,
    version: str = "v1alpha2",
) -> dict[str, Any]:
    operation = "DELETE" if new is None else "UPDATE" if old else "CREATE"
    kind = (new or old or {})["kind"]
    body = review(operation, new, old, version)
    answer = await admission_review.validate(body, kind, in_use or inuse.FakeInUse())
    response: dict[str, Any] = json.loads(answer)["response"]
    assert response["uid"] == "u-1"
    return response


def mutate(new: dict[str, Any], old: dict[str, Any] | None, version: str) -> Any:
    body = review("UPDATE" if old else "CREATE", new, old, version)
    response = json.loads(admission_review.mutate(body, new["kind"]))["response"]
    assert response["allowed"]
    return json.loads(base64.b64decode(response["patch"])) if "patch" in response else None


async def test_a_good_pool_is_allowed_without_a_word() -> None:
    assert await validate(pool(GOOD)) == {"uid": "u-1", "allowed": True}


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"prefix": 24}, "spec.addresses", "Required value: at least one address is required"),
        ({"addresses": ["10.0.0.1"]}, "spec.prefix", "Required value: is required"),
        (GOOD | {"addresses": ["10.0.0.300"]}, "spec.addresses[0]", '"10.0.0.300"'),
        (GOOD | {"addresses": "10.0.0.3"}, "spec.addresses", "must be a list"),
        (GOOD | {"addresses": [3]}, "spec.addresses[0]", "must be a string"),
        (GOOD | {"prefix": 33}, "spec.prefix", "33: must be between 0 and 32 for IPv4"),
        (GOOD | {"prefix": 129}, "spec.prefix", "129"),
        (GOOD | {"gateway": "fd00::1"}, "spec.gateway", '"fd00::1": is IPv6'),
        (GOOD | {"excludedAddresses": ["x"]}, "spec.excludedAddresses[0]", '"x"'),
        (GOOD | {"addresses": ["10.0.0.1", "10.9.0.1"]}, "spec.addresses[1]", '"10.9.0.1"'),
        (GOOD | {"addressReuseGracePeriodSeconds": -1}, "addressReuseGracePeriodSeconds", "-1"),
        (None, "spec.addresses", "Required value"),
    ],
)
async def test_a_bad_pool_is_invalid_by_field_and_value(
    spec: Spec | None, field: str, text: str
) -> None:
    status = (await validate(pool(spec)))["status"]

    assert (status["code"], status["reason"]) == (422, "Invalid")
    cause = next(c for c in status["details"]["causes"] if c["field"].endswith(field))
    assert text in cause["message"]
    assert status["message"].startswith(f'{KIND}.{GROUP} "blue" is invalid: ')
    assert cause["message"] in status["message"]


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({"subnet": "10.0.0/24"}, "spec.subnet", '"10.0.0/24"'),
        ({"subnet": "10.0.0.0/33"}, "spec.subnet", '"10.0.0.0/33"'),
        ({"start": "10.0.0.9", "end": "x", "prefix": 24}, "spec.end", '"x"'),
        ({"start": "10.0.0.9", "end": "10.0.0.1", "prefix": 24}, "spec.end", "above its last"),
        ({"start": "10.0.0.9", "prefix": 24}, "spec.end", "Required value"),
        ({"end": "10.0.0.9", "prefix": 24}, "spec.start", "Required value"),
        (
            {"start": "10.0.0.1", "end": "fd00::1", "prefix": 24},
            "spec.end",
            "a range from one IP family",
        ),
        ({"subnet": "fd00::/64", "prefix": 24, "gateway": "10.0.0.1"}, "spec.gateway", "IPv4"),
        ({"addresses": ["10.0.0.1"], "subnet": "fd00::/64"}, "spec.subnet", "is IPv6"),
        ({"subnet": "10.0.0.0/24", "prefix": 33}, "spec.prefix", "33"),
    ],
)
async def test_a_v1alpha1_user_is_told_the_fields_that_he_wrote(
    spec: Spec, field: str, value: str
) -> None:
    status = (await validate(from_v1alpha1(spec), version="v1alpha1"))["status"]

    causes = status["details"]["causes"]
    assert [cause["field"] for cause in causes][:1] == [field]
    assert value in causes[0]["message"]


async def test_every_bad_entry_is_told_up_to_a_readable_number() -> None:
    status = (await validate(pool(GOOD | {"addresses": ["x"] * 60})))["status"]

    assert len(status["details"]["causes"]) == 50
    assert status["message"].endswith(", ... and 10 more]")


async def test_a_huge_value_is_not_repeated_in_full() -> None:
    status = (await validate(pool(GOOD | {"gateway": "x" * 100_000})))["status"]

    assert len(status["message"]) < 1000


async def test_what_is_legal_but_perhaps_not_meant_is_warned_about() -> None:
    spec = {
        "addresses": ["10.0.0.1-10.0.0.9", "10.0.0.9"],
        "prefix": 24,
        "gateway": "10.1.0.1",
        "excludedAddresses": ["10.0.0.99"],
    }

    warnings = (await validate(pool(spec)))["warnings"]

    assert [warning.split(":")[0] for warning in warnings] == [
        "spec.addresses[1]",
        "spec.excludedAddresses[0]",
        "spec.gateway",
    ]


@pytest.mark.parametrize("bad", [{"addresses": ["x"]}, None])
async def test_an_unchanged_spec_is_always_allowed(bad: Spec | None) -> None:
    response = await validate(pool(bad, labels={"a": "b"}), pool(bad))

    assert response["allowed"]


@pytest.mark.parametrize("bad", [{"start": "10.0.0.300"}, {"subnet": "10.0.0.0/33"}, {"end": "x"}])
async def test_a_v1alpha1_update_that_leaves_no_trace_in_the_hub_is_judged(bad: Spec) -> None:
    new, old = from_v1alpha1({**GOOD, **bad}), from_v1alpha1(GOOD)
    assert new["spec"] == old["spec"]

    assert (await validate(new, old, version="v1alpha1"))["status"]["code"] == 422
    assert (await validate(new, new, version="v1alpha1"))["allowed"]


async def test_an_object_that_is_being_deleted_can_be_updated() -> None:
    new = pool({"addresses": ["x"]}, deletionTimestamp="2026-01-01T00:00:00Z")

    assert (await validate(new, pool(GOOD)))["allowed"]


async def test_an_update_that_strands_an_address_names_it() -> None:
    in_use = inuse.FakeInUse({KEY: ["10.0.0.2", "10.0.0.9"]})

    status = (
        await validate(pool(GOOD | {"addresses": ["10.0.0.1-10.0.0.5"]}), pool(GOOD), in_use)
    )["status"]

    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert "InClusterIPPool default/blue: 1 address (10.0.0.9) in use would" in status["message"]


async def test_what_was_out_of_range_before_does_not_keep_a_pool_from_changing() -> None:
    in_use = inuse.FakeInUse({KEY: ["10.7.7.7", "not an address"]})

    grown = pool(GOOD | {"addresses": ["10.0.0.2-10.0.0.99"]})

    assert (await validate(grown, pool(GOOD), in_use))["allowed"]


async def test_only_a_change_that_takes_addresses_away_asks_the_cluster() -> None:
    in_use = inuse.FakeInUse()
    in_use.broken = True

    grown = await validate(pool(GOOD | {"addresses": ["10.0.0.0/24"]}), pool(GOOD), in_use)
    shrunk = await validate(pool(GOOD | {"addresses": ["10.0.0.1"]}), pool(GOOD), in_use)

    assert grown["allowed"]
    assert (shrunk["allowed"], shrunk["status"]["code"]) == (False, 503)


async def test_admission_gives_up_in_time_where_there_is_no_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_review, "ADMISSION_SECONDS", 0.0)

    status = (await validate(None, pool(GOOD), inuse.Later()))["status"]

    assert (status["code"], status["message"]) == (
        503,
        "the cluster's addresses could not be read in time; try again",
    )


async def test_a_pool_in_use_cannot_be_deleted() -> None:
    in_use = inuse.FakeInUse({KEY: [f"10.0.0.{number}" for number in range(1, 13)]})

    status = (await validate(None, pool(GOOD), in_use))["status"]

    assert status["code"] == 400
    assert status["message"].startswith(
        "InClusterIPPool default/blue still has 12 addresses (10.0.0.1, 10.0.0.2,"
    )


@pytest.mark.parametrize(
    "annotation", [admission.SKIP_DELETE_ANNOTATION, admission.MOVE_ANNOTATION]
)
async def test_clusterctl_can_delete_a_pool_in_use(annotation: str) -> None:
    in_use = inuse.FakeInUse({KEY: ["10.0.0.1"]})

    response = await validate(None, pool(GOOD, annotations={annotation: ""}), in_use)

    assert response["allowed"]


async def test_an_unused_pool_can_be_deleted_whatever_its_spec() -> None:
    assert (await validate(None, pool({"addresses": ["x"]})))["allowed"]


async def test_a_stored_list_that_is_too_long_can_stay_and_cannot_come() -> None:
    long = GOOD | {"addresses": ["10.0.0.1"] * 4097}

    stays = await validate(pool(long | {"gateway": "10.0.0.1"}), pool(long))
    comes = await validate(pool(long))

    assert stays["allowed"]
    assert comes["status"]["details"]["causes"][0]["field"] == "spec.addresses"


async def test_a_list_that_no_annotation_can_hold_is_refused() -> None:
    dice = random.Random(5)  # noqa: S311 - seeded, so that a failure comes again
    random_ipv6 = [f"{ipaddress.IPv6Address(dice.getrandbits(128))}" for _ in range(8192)]
    excluded = sorted(random_ipv6, key=ipaddress.IPv6Address)
    ranges = [f"{a}-{b}" for a, b in zip(excluded[::2], excluded[1::2], strict=True)]
    fits = {"addresses": ["::/0"], "prefix": 0, "excludedAddresses": ranges[:1000]}
    annotations = {"other": "x" * 150_000}

    assert (await validate(pool(fits, annotations=annotations)))["allowed"]
    status = (await validate(pool(fits | {"excludedAddresses": ranges}, annotations=annotations)))[
        "status"
    ]

    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.excludedAddresses"
    assert "262144 are allowed" in cause["message"]


async def test_annotations_that_leave_no_room_for_those_of_another_version_are_refused() -> None:
    dice = random.Random(5)  # noqa: S311 - seeded, so that a failure comes again
    addresses = [f"{ipaddress.IPv6Address(dice.getrandbits(128))}" for _ in range(4000)]
    spec = {"addresses": ["::/0"], "prefix": 0, "excludedAddresses": addresses}
    old, full = pool(spec), pool(spec, annotations={"other": "x" * 200_000})
    fuller = pool(spec, annotations={"other": "x" * 200_001})

    assert (await validate(pool(spec, annotations={"other": "x"}), old))["allowed"]
    status = (await validate(full, old))["status"]
    assert status["code"] == 400
    assert "metadata.annotations: in v1alpha1, the pool's annotations would" in status["message"]
    assert (await validate(fuller, full))["allowed"]  # it was so before


async def test_subnet_start_and_end_count_as_an_entry() -> None:
    spec = {"addresses": [f"10.0.{n // 256}.{n % 256}" for n in range(4096)]}
    bounds = {"subnet": "10.1.0.0/16", "prefix": 8}

    status = (await validate(from_v1alpha1(spec | bounds), version="v1alpha1"))["status"]

    [cause] = status["details"]["causes"]
    assert cause["field"] == "spec.addresses"
    assert cause["message"].endswith("; subnet, start and end together are one more")


async def test_the_length_of_sub_prefixes_is_immutable() -> None:
    new = pool(PREFIXES | {"allocationPrefixLength": 65}, PREFIX_KIND)

    status = (await validate(new, pool(PREFIXES, PREFIX_KIND)))["status"]

    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 65: is immutable",
            "field": "spec.allocationPrefixLength",
        }
    ]


async def test_a_prefix_in_use_cannot_be_excluded() -> None:
    in_use = inuse.FakeInUse({PREFIX_KEY: ["2001:db8:0:5::"]})
    new = pool(PREFIXES | {"excludedPrefixes": ["2001:db8:0:5::7"]}, PREFIX_KIND)

    status = (await validate(new, pool(PREFIXES, PREFIX_KIND), in_use))["status"]

    assert status["code"] == 400


def test_a_prefix_pool_gets_the_default_length() -> None:
    new = pool({"prefixes": ["2001:db8::/48"]}, PREFIX_KIND)

    assert mutate(new, None, "v1alpha2") == [
        {"op": "add", "path": "/spec/allocationPrefixLength", "value": 64}
    ]


def test_an_old_manifest_keeps_what_its_version_cannot_say() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"], "allocateReservedIPAddresses": True})
    replaced = from_v1alpha1({"subnet": "10.0.0.0/24"})

    patch = mutate(replaced, stored, "v1alpha1")

    assert sorted(patch, key=lambda step: step["path"]) == [
        {"op": "add", "path": "/spec/allocateReservedIPAddresses", "value": True},
        {"op": "add", "path": "/spec/excludedAddresses", "value": ["10.0.0.3"]},
    ]


def test_an_old_manifest_without_a_spec_keeps_it_too() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"]})
    replaced = from_v1alpha1(None)

    assert mutate(replaced, stored, "v1alpha1") == [
        {"op": "add", "path": "/spec", "value": {"excludedAddresses": ["10.0.0.3"]}}
    ]


def test_an_old_client_that_brings_the_annotation_has_said_all() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"], "allocateReservedIPAddresses": True})
    saved = json.dumps({"spec": {"excludedAddresses": ["10.0.0.4"]}})
    written = from_v1alpha1(GOOD, annotations={"cluster.x-k8s.io/conversion-data": saved})

    assert mutate(written, stored, "v1alpha1") is None


def test_a_hub_client_may_drop_its_fields() -> None:
    assert mutate(pool(GOOD), pool(GOOD | {"excludedAddresses": ["10.0.0.3"]}), "v1alpha2") is None


@pytest.mark.parametrize("obj", [5, {"kind": "Pod", "apiVersion": "v1"}, pool([]), {}])
async def test_an_object_that_is_none_of_ours_is_denied(obj: object) -> None:
    body = review("CREATE", obj, None, "v1alpha2")

    response = json.loads(await admission_review.validate(body, KIND, inuse.FakeInUse()))

    assert not response["response"]["allowed"]
    assert response["response"]["status"]["code"] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
        b'{"kind":"AdmissionReview","request":{"uid":1,"operation":"CREATE"}}',
        review("CREATE", {}, None, "v1alpha2").replace(b"k8s.io/v1", b"k8s.io/v1beta1"),
    ],
)
async def test_what_is_no_review_is_refused_as_a_request(body: bytes) -> None:
    with pytest.raises(webhook_errors.RequestError):
        await admission_review.validate(body, KIND, inuse.FakeInUse())
