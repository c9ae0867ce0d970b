# SPDX-License-Identifier: Apache-2.0
"""The rules of admission, on reviews as the API server sends them."""

import asyncio
import base64
import contextlib
import ipaddress
import json
import random
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from conversion import registry
from crdkit.webhook import errors as webhook_errors
from crdkit.webhook import worker
from envtest import manifests
from ipam import pool_specs
from ipam.address_sets import AddressSet
from objects import pools
from objects.metadata import MOVED_ANNOTATION
from webhook import admission, admission_review, cluster_reader
from webhook.pool_review import SKIP_DELETE_ANNOTATION
from webhook.reviewed_pool import removed

GROUP = "ipam.cluster.x-k8s.io"
KIND = "InClusterIPPool"
PREFIX_KIND = "InClusterPrefixPool"
KEY = pools.PoolKey(KIND, "default", "blue")
WORKER = worker.Worker()
PREFIX_KEY = pools.PoolKey(PREFIX_KIND, "default", "blue")
GOOD = {"addresses": ["10.0.0.1-10.0.0.9"], "prefix": 24}
PREFIXES = {"prefixes": ["2001:db8::/48"], "allocationPrefixLength": 64}

WEBHOOKS = Path(__file__).parent.parent.parent / "config" / "webhook" / "manifests.yaml"

Spec = Mapping[str, object]


class Sample(NamedTuple):
    """Specs of a kind, and an address that `good` offers and `smaller` does not."""

    good: Spec
    bad: Spec
    smaller: Spec
    taken: str


IP = Sample(GOOD, GOOD | {"gateway": "x"}, GOOD | {"addresses": ["10.0.0.1-10.0.0.5"]}, "10.0.0.9")
PREFIX = Sample(
    PREFIXES,
    PREFIXES | {"gateway": "x"},
    PREFIXES | {"excludedPrefixes": ["2001:db8:0:5::7"]},
    "2001:db8:0:5::",
)
of_all_kinds = pytest.mark.parametrize(
    ("kind", "sample"),
    [(kind, PREFIX if kind in pools.PREFIX_KINDS else IP) for kind in pools.RESOURCES],
)


def key_of(kind: str) -> pools.PoolKey:
    return pools.PoolKey(kind, "default" if pools.RESOURCES[kind].namespaced else "", "blue")


def pool(spec: object, kind: str = KIND, **metadata: Any) -> dict[str, Any]:
    where = {"namespace": key_of(kind).namespace}
    return manifests.pool("blue", spec, kind, **(where | metadata))


def from_v1alpha1(spec: object, **metadata: object) -> dict[str, Any]:
    """Return what the API server makes of a v1alpha1 object before it asks admission."""
    old: dict[str, Any] = pool(spec, KIND, **metadata) | {"apiVersion": f"{GROUP}/v1alpha1"}
    return registry.REGISTRY.convert(old, f"{GROUP}/v1alpha2")


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
    cluster: cluster_reader.ClusterReader | None = None,
    version: str = "v1alpha2",
) -> dict[str, Any]:
    operation = "DELETE" if new is None else "UPDATE" if old else "CREATE"
    kind = (new or old or {})["kind"]
    body = review(operation, new, old, version)
    answer = await admission_review.validate(
        body, kind, cluster or cluster_reader.FakeReader(), WORKER
    )
    response: dict[str, Any] = json.loads(answer)["response"]
    assert response["uid"] == "u-1"
    return response


async def mutate(new: dict[str, Any], old: dict[str, Any] | None, version: str) -> Any:
    body = review("UPDATE" if old else "CREATE", new, old, version)
    response = json.loads(await admission_review.mutate(body, new["kind"], WORKER))["response"]
    assert response["allowed"]
    return json.loads(base64.b64decode(response["patch"])) if "patch" in response else None


async def test_a_good_pool_is_allowed_without_a_word() -> None:
    assert await validate(pool(GOOD)) == {"uid": "u-1", "allowed": True}


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"prefix": 24}, "spec.addresses", "Required value: at least one address is required"),
        (GOOD | {"addressReuseGracePeriodSeconds": 3_000_000_000}, "Seconds", "3000000000"),
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


@of_all_kinds
async def test_a_bad_pool_of_any_kind_is_invalid(kind: str, sample: Sample) -> None:
    status = (await validate(pool(sample.bad, kind)))["status"]

    assert status["code"] == 422
    assert (status["details"]["kind"], status["details"]["name"]) == (kind, "blue")
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.gateway"]


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"prefixes": []}, "spec.prefixes", "at least one prefix is required"),
        ({"prefixes": "2001:db8::/48"}, "spec.prefixes", "must be a list"),
        ({"prefixes": ["10.0.0.0/8"]}, "spec.prefixes[0]", "is IPv4, but this pool is IPv6"),
        ({"prefixes": ["2001:db8::1/48"]}, "spec.prefixes[0]", "write 2001:db8::/48"),
        ({"prefixes": ["2001:db8::/65"]}, "spec.prefixes[0]", "longer than allocationPrefixLength"),
        ({"allocationPrefixLength": 129}, "spec.allocationPrefixLength", "129"),
        ({"excludedPrefixes": ["x"]}, "spec.excludedPrefixes[0]", '"x"'),
        ({"excludedPrefixes": ["10.0.0.1"]}, "spec.excludedPrefixes[0]", "is IPv4"),
        ({"gateway": "router"}, "spec.gateway", '"router": is not an IP address'),
        ({"gateway": "10.0.0.1"}, "spec.gateway", "is IPv4, but this pool is IPv6"),
    ],
)
async def test_a_bad_prefix_pool_is_invalid_by_field_and_value(
    spec: Spec, field: str, text: str
) -> None:
    status = (await validate(pool({**PREFIXES, **spec}, PREFIX_KIND)))["status"]

    assert status["code"] == 422
    assert [cause["field"] for cause in status["details"]["causes"]] == [field]
    assert text in status["message"]


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({"subnet": "10.0.0/24"}, "spec.subnet", '"10.0.0/24"'),
        ({"subnet": "10.0.0.0/33"}, "spec.subnet", '"10.0.0.0/33"'),
        ({"start": "10.0.0.9", "end": "x", "prefix": 24}, "spec.end", '"x"'),
        ({"start": "10.0.0.9", "end": "10.0.0.1", "prefix": 24}, "spec.end", "is below start"),
        ({"start": "10.0.0.9", "prefix": 24}, "spec.end", "Required value"),
        ({"end": "10.0.0.9", "prefix": 24}, "spec.start", "Required value"),
        (
            {"start": "10.0.0.1", "end": "fd00::1", "prefix": 24},
            "spec.end",
            "is not of the IP family of start",
        ),
        ({"subnet": "fd00::/64", "prefix": 24, "gateway": "10.0.0.1"}, "spec.gateway", "IPv4"),
        ({"addresses": ["10.0.0.1"], "subnet": "fd00::/64"}, "spec.subnet", "is IPv6"),
        ({"subnet": "10.0.0.0/24", "prefix": 33}, "spec.prefix", "33"),
    ],
)
async def test_a_v1alpha1_user_gets_the_fields_that_they_wrote(
    spec: Spec, field: str, value: str
) -> None:
    status = (await validate(from_v1alpha1(spec), version="v1alpha1"))["status"]

    causes = status["details"]["causes"]
    assert [cause["field"] for cause in causes][:1] == [field]
    assert value in causes[0]["message"]


async def test_every_bad_entry_is_reported_up_to_a_readable_number() -> None:
    status = (await validate(pool(GOOD | {"addresses": ["x"] * 60})))["status"]

    assert len(status["details"]["causes"]) == 50
    assert status["message"].endswith(", ... and 10 more]")


async def test_a_huge_value_is_not_repeated_in_full() -> None:
    status = (await validate(pool(GOOD | {"gateway": "x" * 100_000})))["status"]

    assert len(status["message"]) < 1000


@pytest.mark.parametrize("spec", ["@", '{"addresses": @, "prefix": 24}'])
@pytest.mark.parametrize("version", ["v1alpha1", "v1alpha2"])
async def test_a_value_nested_too_deeply_is_denied(spec: str, version: str) -> None:
    obj = json.dumps(pool("@")).replace('"@"', spec).replace("v1alpha2", version)
    nested = review("CREATE", "@", None, version).replace(b'"@"', obj.encode())
    codes = set[int]()
    for depth in range(900, 1000):  # some are too deep for the decoder, some only for a message
        body = nested.replace(b"@", b"[" * depth + b"]" * depth)
        with contextlib.suppress(webhook_errors.RequestError):
            answer = await admission_review.validate(
                body, KIND, cluster_reader.FakeReader(), WORKER
            )
            codes.add(json.loads(answer)["response"]["status"]["code"])
            await admission_review.mutate(body, KIND, WORKER)

    assert codes <= {400, 422}
    assert 400 in codes


ALL_RESERVED = "every address is reserved; add addresses or set allocateReservedIPAddresses to true"

REDUNDANT = {
    "a duplicate": (
        {"addresses": ["10.0.0.1", "10.0.0.1"]},
        "addresses[1]: '10.0.0.1': overlaps another entry of addresses: 10.0.0.1",
    ),
    "entries that overlap": (
        {"addresses": ["10.0.0.1-10.0.0.9", "10.0.0.8/30"]},
        "addresses[1]: '10.0.0.8/30': overlaps another entry of addresses: 10.0.0.1-10.0.0.9",
    ),
    "exclusions that overlap": (
        {"excludedAddresses": ["10.0.0.4", "10.0.0.4"]},
        "excludedAddresses[1]: '10.0.0.4': overlaps another entry of excludedAddresses: 10.0.0.4",
    ),
    "an exclusion of nothing": (
        {"excludedAddresses": ["10.0.0.99"]},
        "excludedAddresses[0]: '10.0.0.99': excludes nothing: the pool has no such address",
    ),
    "no address left": (
        {"addresses": ["10.0.0.0/31"], "prefix": 31},
        f"addresses: ['10.0.0.0/31']: nothing can be allocated: {ALL_RESERVED}",
    ),
    "a gateway elsewhere": (
        {"gateway": "10.1.0.1"},
        "gateway: '10.1.0.1': is outside the pool's subnet",
    ),
}


@pytest.mark.parametrize(("spec", "warning"), REDUNDANT.values(), ids=REDUNDANT)
async def test_what_is_legal_but_perhaps_not_meant_is_warned_about(
    spec: Spec, warning: str
) -> None:
    answer = await validate(pool({**GOOD, **spec}))

    assert answer == {"uid": "u-1", "allowed": True, "warnings": [f"spec.{warning}"]}


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({"prefixes": ["2001:db8::/48", "2001:db8:0:7::/64"]}, "prefixes[1]", "overlaps another"),
        ({"excludedPrefixes": ["2001:db9::1"]}, "excludedPrefixes[0]", "excludes nothing"),
        ({"excludedPrefixes": ["2001:db8::/48"]}, "prefixes", "nothing can be allocated"),
        ({"allocationPrefixLength": 128}, "allocationPrefixLength", "allocates single addresses"),
    ],
)
async def test_a_prefix_pool_is_warned_about_too(spec: Spec, field: str, text: str) -> None:
    [warning] = (await validate(pool({**PREFIXES, **spec}, PREFIX_KIND)))["warnings"]

    assert warning.startswith(f"spec.{field}: ")
    assert text in warning


async def test_a_v1alpha1_user_is_warned_of_the_fields_that_he_wrote() -> None:
    twice = from_v1alpha1({"addresses": ["10.0.0.0/24"], "subnet": "10.0.0.0/24"})

    [warning] = (await validate(twice, version="v1alpha1"))["warnings"]

    assert warning.startswith("spec.subnet: '10.0.0.0/24': overlaps another entry of addresses")


@pytest.mark.parametrize(
    ("number", "last"), [(10, "spec.excludedAddresses[9]: "), (12, "... and 2 more")]
)
async def test_no_more_warnings_are_given_than_somebody_reads(number: int, last: str) -> None:
    idle = [f"10.0.1.{n}" for n in range(number)]

    warnings = (await validate(pool(GOOD | {"excludedAddresses": idle})))["warnings"]

    assert len(warnings) == min(number, 11)
    assert warnings[-1].startswith(last)


def beside(*names: str) -> cluster_reader.FakeReader:
    """Return what a cluster says that has other pools with the addresses of GOOD."""
    cluster = cluster_reader.FakeReader()
    offered = pool_specs.ip_pool(["10.0.0.9"], 24, "", [], allocate_reserved=False)
    cluster.pools = {pools.PoolKey(KIND, "default", name): offered for name in names}
    return cluster


@pytest.mark.parametrize(
    ("old", "warnings"),
    [
        pytest.param(None, 1, id="a new pool"),
        pytest.param(GOOD | {"addresses": ["10.0.0.1"]}, 1, id="other addresses"),
        pytest.param(GOOD | {"gateway": "10.0.0.254"}, 0, id="the same addresses"),
    ],
)
async def test_addresses_that_come_to_be_in_two_pools_are_warned_about(
    old: Spec | None, warnings: int
) -> None:
    answer = await validate(pool(GOOD), pool(old) if old else None, beside("red"))

    told = "spec.addresses: 10.0.0.9 is also in InClusterIPPool default/red: "
    told += "both pools may give them out"
    assert answer.get("warnings", []) == [told] * warnings


async def turns_during(work: Awaitable[object]) -> int:
    """Return how often the event loop comes round to somebody else until the work is done."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_other_reviews_have_their_turn_between_the_pools_that_are_compared() -> None:
    cluster = beside(*(f"red-{number}" for number in range(50)))

    assert await turns_during(validate(pool(GOOD), None, cluster)) > 50


async def test_warnings_of_other_pools_are_those_found_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_OVERLAPS_SECONDS", 0.0)
    silent = beside("red")
    silent.silent = True

    async with asyncio.timeout(10):
        unanswered = await validate(pool(GOOD), None, silent)
    interrupted = await validate(pool(GOOD), None, beside("pink", "red"))

    assert unanswered == {"uid": "u-1", "allowed": True}
    assert [warning.count("default/pink") for warning in interrupted["warnings"]] == [1]


@pytest.mark.parametrize("bad", [{"addresses": ["x"]}, None])
async def test_an_unchanged_spec_is_always_allowed(bad: Spec | None) -> None:
    response = await validate(pool(bad, labels={"a": "b"}), pool(bad))

    assert response["allowed"]


@pytest.mark.parametrize("bad", [{"start": "10.0.0.300"}, {"subnet": "10.0.0.0/33"}, {"end": "x"}])
async def test_a_v1alpha1_update_that_leaves_no_trace_in_the_hub_is_checked(bad: Spec) -> None:
    new, old = from_v1alpha1({**GOOD, **bad}), from_v1alpha1(GOOD)
    assert new["spec"] == old["spec"]

    assert (await validate(new, old, version="v1alpha1"))["status"]["code"] == 422
    assert (await validate(new, new, version="v1alpha1"))["allowed"]


async def test_an_object_that_is_being_deleted_can_be_updated() -> None:
    new = pool({"addresses": ["x"]}, deletionTimestamp="2026-01-01T00:00:00Z")

    assert (await validate(new, pool(GOOD)))["allowed"]


async def test_an_update_that_strands_an_address_names_it() -> None:
    cluster = cluster_reader.FakeReader({KEY: ["10.0.0.2", "10.0.0.9"]})

    status = (
        await validate(pool(GOOD | {"addresses": ["10.0.0.1-10.0.0.5"]}), pool(GOOD), cluster)
    )["status"]

    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"] == (
        "InClusterIPPool default/blue: 1 IPAddress in use would no longer be in the pool: "
        "default/ip-1 (10.0.0.9); keep it in, or delete the IPAddressClaim of the same name first, "
        "or the IPAddress itself if it has no claim"
    )


@of_all_kinds
async def test_a_pool_of_any_kind_keeps_what_is_in_use(kind: str, sample: Sample) -> None:
    cluster = cluster_reader.FakeReader({key_of(kind): [sample.taken]})
    good, smaller = pool(sample.good, kind), pool(sample.smaller, kind)

    shrunk = (await validate(smaller, good, cluster))["status"]
    deleted = (await validate(None, good, cluster))["status"]

    assert (shrunk["code"], deleted["code"]) == (400, 400)
    held = f"default/ip-0 ({sample.taken})"
    gone = f"{key_of(kind)}: 1 IPAddress in use would no longer be in the pool: {held}"
    assert gone in shrunk["message"]
    assert f"{key_of(kind)} still has 1 IPAddress in use: {held}" in deleted["message"]


SEVEN = {"addresses": ["10.0.0.0-10.0.0.7"], "prefix": 24, "allocateReservedIPAddresses": True}
STRANDING = {
    "the gateway": ({"gateway": "10.0.0.7"}, "10.0.0.7"),
    "an exclusion": ({"excludedAddresses": ["10.0.0.4/30"]}, "10.0.0.7"),
    "reserved ones": ({"allocateReservedIPAddresses": False}, "10.0.0.0"),
    "reserved ones, unset": ({"allocateReservedIPAddresses": None}, "10.0.0.0"),
    "the other family": ({"addresses": ["::a00:0-::a00:9"], "prefix": 96}, "10.0.0.7"),
}


@pytest.mark.parametrize(("change", "taken"), STRANDING.values(), ids=STRANDING)
async def test_whatever_field_strands_an_address_is_refused(change: Spec, taken: str) -> None:
    new = pool({**SEVEN, **change})

    status = (await validate(new, pool(SEVEN), cluster_reader.FakeReader({KEY: [taken]})))["status"]

    assert status["code"] == 400
    assert f"({taken})" in status["message"]
    assert (await validate(new, pool(SEVEN), cluster_reader.FakeReader({KEY: ["10.0.0.99"]})))[
        "allowed"
    ]


async def test_a_prefix_that_makes_an_address_the_broadcast_address_strands_it() -> None:
    wide = {"addresses": ["10.0.0.1-10.0.0.7"], "prefix": 24}
    cluster = cluster_reader.FakeReader({KEY: ["10.0.0.7"]})

    assert (await validate(pool(wide | {"prefix": 29}), pool(wide), cluster))["status"][
        "code"
    ] == 400
    assert (await validate(pool(wide | {"prefix": 28}), pool(wide), cluster))["allowed"]


def subnets(length: int) -> AddressSet:
    return pool_specs.prefix_pool(["::/48"], length, "", [])


@pytest.mark.parametrize(
    ("before", "after", "can"),
    [
        pytest.param(subnets(56), subnets(64), True, id="the step changes"),
        pytest.param(subnets(64), subnets(64), False, id="nothing changes"),
        pytest.param(AddressSet(), subnets(64), False, id="there was nothing to strand"),
    ],
)
def test_numbers_of_allocations_are_compared_only_if_they_count_the_same(
    before: AddressSet, after: AddressSet, *, can: bool
) -> None:
    assert bool(removed(before, after)) == can


async def test_what_was_out_of_range_before_does_not_keep_a_pool_from_changing() -> None:
    cluster = cluster_reader.FakeReader({KEY: ["10.7.7.7", "not an address"]})

    grown = pool(GOOD | {"addresses": ["10.0.0.2-10.0.0.99"]})

    assert (await validate(grown, pool(GOOD), cluster))["allowed"]


async def test_only_a_change_that_takes_addresses_away_asks_the_cluster() -> None:
    cluster = cluster_reader.FakeReader()
    cluster.broken = cluster_reader.ClusterReadError("broken; try again")

    grown = await validate(pool(GOOD | {"addresses": ["10.0.0.0/24"]}), pool(GOOD), cluster)
    shrunk = await validate(pool(GOOD | {"addresses": ["10.0.0.1"]}), pool(GOOD), cluster)

    assert grown["allowed"]
    assert (shrunk["allowed"], shrunk["status"]["code"]) == (False, 503)


async def test_admission_gives_up_in_time_where_there_is_no_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_review, "ADMISSION_SECONDS", 0.0)

    async with asyncio.timeout(10):
        status = (await validate(None, pool(GOOD), cluster_reader.DeferredReader()))["status"]

    assert (status["code"], status["message"]) == (
        503,
        "the cluster's addresses could not be read in time; try again",
    )


async def test_a_cluster_that_never_answers_is_no_reason_to_allow_an_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_review, "ADMISSION_SECONDS", 0.0)
    cluster = cluster_reader.FakeReader()
    cluster.silent = True

    async with asyncio.timeout(10):
        status = (await validate(pool(IP.smaller), pool(GOOD), cluster))["status"]

    assert (status["code"], status["reason"]) == (503, "ServiceUnavailable")
    assert status["message"].endswith("; try again")


def test_admission_answers_before_the_api_server_gives_up() -> None:
    configurations = yaml.safe_load_all(WEBHOOKS.read_text())
    webhooks = [webhook for each in configurations for webhook in each["webhooks"]]

    assert len(webhooks) == 8
    assert 1 < admission_review.ADMISSION_SECONDS < min(w["timeoutSeconds"] for w in webhooks)


async def test_a_pool_in_use_cannot_be_deleted() -> None:
    cluster = cluster_reader.FakeReader({KEY: [f"10.0.0.{number}" for number in range(1, 13)]})

    status = (await validate(None, pool(GOOD), cluster))["status"]

    assert status["code"] == 400
    assert status["message"].startswith(
        "InClusterIPPool default/blue still has 12 IPAddresses in use: default/ip-0 (10.0.0.1), "
    )
    assert status["message"].endswith(
        "default/ip-9 (10.0.0.10), ...; delete the IPAddressClaims of the same names first, "
        "or the IPAddresses themselves if they have no claims"
    )


async def test_where_not_all_were_counted_the_number_is_a_least_one() -> None:
    cluster = cluster_reader.FakeReader({KEY: [f"10.0.{n // 256}.{n % 256}" for n in range(1001)]})

    status = (await validate(None, pool(GOOD), cluster))["status"]

    assert "still has at least 1000 IPAddresses in use: " in status["message"]


async def test_a_right_that_is_missing_is_no_reason_to_try_again() -> None:
    cluster = cluster_reader.FakeReader()
    cluster.broken = cluster_reader.NotAllowedError("the ServiceAccount may not list")

    status = (await validate(None, pool(GOOD), cluster))["status"]

    assert (status["code"], status["reason"]) == (500, "InternalError")
    assert status["message"] == "the ServiceAccount may not list"


@pytest.mark.parametrize("annotation", [SKIP_DELETE_ANNOTATION, MOVED_ANNOTATION])
async def test_clusterctl_can_delete_a_pool_in_use(annotation: str) -> None:
    cluster = cluster_reader.FakeReader({KEY: ["10.0.0.1"]})

    response = await validate(None, pool(GOOD, annotations={annotation: ""}), cluster)

    assert response["allowed"]


async def test_an_unused_pool_can_be_deleted_whatever_its_spec() -> None:
    assert (await validate(None, pool({"addresses": ["x"]})))["allowed"]


async def test_a_stored_list_that_is_too_long_can_stay_and_cannot_come() -> None:
    long = GOOD | {"addresses": ["10.0.0.1"] * 4097}

    stays = await validate(pool(long | {"gateway": "10.0.0.1"}), pool(long))
    comes = await validate(pool(long))

    assert stays["allowed"]
    assert comes["status"]["details"]["causes"][0]["field"] == "spec.addresses"


def random_ranges() -> list[str]:
    """Return a list as long as it may be, and as hard to compress."""
    dice = random.Random(5)  # noqa: S311 - seeded, so that a failure comes again
    ends = sorted(ipaddress.IPv6Address(dice.getrandbits(128)) for _ in range(8192))
    return [f"{a}-{b}" for a, b in zip(ends[::2], ends[1::2], strict=True)]


async def test_a_list_that_no_annotation_can_hold_is_refused() -> None:
    ranges = random_ranges()
    fits = {"addresses": ["::/0"], "prefix": 0, "excludedAddresses": ranges[:1000]}
    annotations = {"other": "x" * 150_000}

    assert (await validate(pool(fits, annotations=annotations)))["allowed"]
    status = (await validate(pool(fits | {"excludedAddresses": ranges}, annotations=annotations)))[
        "status"
    ]

    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.excludedAddresses"
    assert "262144 are allowed" in cause["message"]


async def test_a_v1alpha1_list_that_no_annotation_can_hold_is_refused() -> None:
    spec = {"addresses": random_ranges()[:4000], "subnet": "::/0"}
    new = from_v1alpha1(spec, annotations={"other": "x" * 100_000})

    status = (await validate(new, version="v1alpha1"))["status"]

    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.addresses"
    assert "in v1alpha2, the pool's annotations would have" in cause["message"]


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


@pytest.mark.parametrize("spec", [GOOD, GOOD | {"excludedAddresses": ["10.0.0.4"]}])
async def test_annotations_of_others_that_are_too_large_are_blamed_themselves(spec: Spec) -> None:
    new = pool(spec, annotations={"small": "x", "large": "x" * 262_139})

    status = (await validate(new))["status"]

    [cause] = status["details"]["causes"]
    assert cause["field"] == "metadata.annotations"
    assert cause["message"].startswith('Invalid value: "large": has 262144 bytes: in v1alpha')
    assert "metadata.annotations: Invalid" in status["message"]


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
    cluster = cluster_reader.FakeReader({PREFIX_KEY: ["2001:db8:0:5::"]})
    new = pool(PREFIXES | {"excludedPrefixes": ["2001:db8:0:5::7"]}, PREFIX_KIND)

    status = (await validate(new, pool(PREFIXES, PREFIX_KIND), cluster))["status"]

    assert status["code"] == 400


async def test_a_prefix_pool_gets_the_default_length() -> None:
    new = pool({"prefixes": ["2001:db8::/48"]}, PREFIX_KIND)

    assert await mutate(new, None, "v1alpha2") == [
        {"op": "add", "path": "/spec/allocationPrefixLength", "value": 64}
    ]


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
async def test_only_what_is_written_and_stays_is_completed(operation: str) -> None:
    short = {"prefixes": ["2001:db8::/48"]}
    going = pool(short, PREFIX_KIND, deletionTimestamp="2026-01-01T00:00:00Z")

    assert await completed(operation, pool(short, PREFIX_KIND)) != {"uid": "u-1", "allowed": True}
    assert await completed(operation, going) == {"uid": "u-1", "allowed": True}
    assert await completed(operation, None) == {"uid": "u-1", "allowed": True}
    assert await completed("DELETE", pool(short, PREFIX_KIND)) == {"uid": "u-1", "allowed": True}


async def completed(operation: str, new: object) -> Any:
    body = review(operation, new, None, "v1alpha2")
    return json.loads(await admission_review.mutate(body, PREFIX_KIND, WORKER))["response"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ({"kind": {"group": GROUP, "version": "v1alpha1", "kind": KIND}}, "spec.subnet"),
        ({}, "spec.addresses"),
    ],
)
async def test_a_review_that_names_one_kind_is_of_that_version(kind: Spec, field: str) -> None:
    new = from_v1alpha1({"subnet": "x"})
    request = {"uid": "u-1", "operation": "CREATE", "object": new, **kind}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}

    answer = await admission_review.validate(
        json.dumps(body).encode(), KIND, cluster_reader.FakeReader(), WORKER
    )

    status = json.loads(answer)["response"]["status"]
    assert status["details"]["causes"][0]["field"] == field


async def test_an_old_manifest_keeps_what_its_version_cannot_say() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"], "allocateReservedIPAddresses": True})
    replaced = from_v1alpha1({"subnet": "10.0.0.0/24"})

    patch = await mutate(replaced, stored, "v1alpha1")

    assert sorted(patch, key=lambda step: step["path"]) == [
        {"op": "add", "path": "/spec/allocateReservedIPAddresses", "value": True},
        {"op": "add", "path": "/spec/excludedAddresses", "value": ["10.0.0.3"]},
    ]


async def test_an_old_manifest_for_all_of_ipv4_keeps_the_exclusions() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"]})
    replaced = from_v1alpha1({"subnet": "0.0.0.0/0"})

    assert await mutate(replaced, stored, "v1alpha1") == [
        {"op": "add", "path": "/spec/excludedAddresses", "value": ["10.0.0.3"]}
    ]


async def test_an_old_manifest_without_a_prefix_gets_none_from_a_stored_zero() -> None:
    stored = pool(GOOD | {"prefix": 0, "excludedAddresses": ["10.0.0.3"]})
    replaced = from_v1alpha1({"addresses": ["10.0.0.1"]})

    assert await mutate(replaced, stored, "v1alpha1") == [
        {"op": "add", "path": "/spec/excludedAddresses", "value": ["10.0.0.3"]}
    ]


async def test_an_old_manifest_without_a_spec_keeps_it_too() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"]})
    replaced = from_v1alpha1(None)

    assert await mutate(replaced, stored, "v1alpha1") == [
        {"op": "add", "path": "/spec", "value": {"excludedAddresses": ["10.0.0.3"]}}
    ]


async def test_an_old_client_that_brings_the_annotation_has_said_all() -> None:
    stored = pool(GOOD | {"excludedAddresses": ["10.0.0.3"], "allocateReservedIPAddresses": True})
    saved = json.dumps({"spec": {"excludedAddresses": ["10.0.0.4"]}})
    written = from_v1alpha1(GOOD, annotations={"cluster.x-k8s.io/conversion-data": saved})

    assert await mutate(written, stored, "v1alpha1") is None


async def test_a_hub_client_may_drop_its_fields() -> None:
    assert (
        await mutate(pool(GOOD), pool(GOOD | {"excludedAddresses": ["10.0.0.3"]}), "v1alpha2")
        is None
    )


@pytest.mark.parametrize("obj", [5, {"kind": "Pod", "apiVersion": "v1"}, pool([]), {}])
async def test_an_object_that_is_none_of_ours_is_denied(obj: object) -> None:
    body = review("CREATE", obj, None, "v1alpha2")

    response = json.loads(
        await admission_review.validate(body, KIND, cluster_reader.FakeReader(), WORKER)
    )

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
        await admission_review.validate(body, KIND, cluster_reader.FakeReader(), WORKER)
