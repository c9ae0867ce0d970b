# SPDX-License-Identifier: Apache-2.0
"""What the CRDs themselves refuse, on a real API server, with no webhook of ours asked.

The schemas are installed under groups of their own, which no webhook configuration names.
"""

import json
from functools import partial
from typing import NamedTuple, cast

import pytest
import yaml

from api import kinds
from envtest import errors, waiting
from envtest.client import Client, Json
from envtest.controlplane import install
from envtest.controlplane.provider import Provider
from generator import manifests, rbac
from ipam import pool_specs
from ipam.address_sets import AddressSet
from webhook import schema

Causes = list[tuple[str, str]]

GROUP = "rules.example.com"
PLURALS = {"ip": "globalinclusterippools", "prefix": "globalinclusterprefixpools"}
KINDS = {"ip": "GlobalInClusterIPPool", "prefix": "GlobalInClusterPrefixPool"}

HUB = {"addresses": ["10.0.0.8/29"], "prefix": 24}
HUB6 = {"addresses": ["2001:db8::1"], "prefix": 64}
PREFIX = {"prefixes": ["2001:db8::/48"]}
GOOD: dict[str, Json] = {"ip": HUB, "prefix": PREFIX}

V4_IN_V6 = "is IPv4, but this pool is IPv6: one pool has one IP family"
V6_IN_V4 = "is IPv6, but this pool is IPv4: one pool has one IP family"
NO_ADDRESS = "is not an IP address"
NO_ENTRY = "is not an IP address, a range or a CIDR"
NO_CIDR = "is not a CIDR such as 10.0.0.0/24"
NO_PREFIX = "is not a CIDR such as 2001:db8::/48"
NO_LENGTH = "needs a prefix length such as /24 after the slash"
LONG_V4 = "has a prefix longer than the 32 bits of IPv4"
LONG_V6 = "has a prefix longer than the 128 bits of IPv6"
HOST_BITS = "has host bits set"
TOO_LONG = "is longer than allocationPrefixLength, which is 64"


def crds(group: str) -> list[Json]:
    """Return the CRDs in another group, without conversion: only the schemas are of interest."""
    files = manifests.render(kinds.KINDS, rbac.Access((), ()), rbac.Access((), ()))
    texts = [text for path, text in files.items() if "crd" in path.parts]
    documents = [yaml.safe_load(text.replace("ipam.cluster.x-k8s.io", group)) for text in texts]
    for document in documents:
        document["spec"].pop("conversion", None)
    return documents


@pytest.fixture(scope="module")
def client(shared_provider: Provider) -> Client:
    install.crds(shared_provider.admin, crds(GROUP))
    return shared_provider.admin


def pool(kind: str, spec: Json, version: str = "v1alpha2", group: str = GROUP) -> Json:
    return {
        "apiVersion": f"{group}/{version}",
        "kind": KINDS[kind],
        "metadata": {"generateName": "pool-"},
        "spec": spec,
    }


def causes(client: Client, kind: str, body: Json) -> Causes:
    """Return field and message of each cause of refusal; none if the object is accepted."""
    path = client.resource(body["apiVersion"], PLURALS[kind]).path
    try:
        client.request("POST", path, body, query={"dryRun": "All"})
    except errors.RefusedError as error:
        return error.causes
    return []


ALLOWED = {
    "a CIDR": ("ip", HUB),
    "all notations": (
        "ip",
        {**HUB, "addresses": ["10.0.0.8", "10.0.0.9-10.0.0.12", "10.0.0.77/28"]},
    ),
    "an empty gateway": ("ip", {**HUB, "gateway": ""}),
    "everything": ("ip", {**HUB, "gateway": "10.0.0.1", "excludedAddresses": ["10.0.0.9"]}),
    "prefix 0": ("ip", {**HUB, "prefix": 0}),
    "IPv6": (
        "ip",
        {**HUB6, "gateway": "fe80::1", "excludedAddresses": ["2001:db8::1-2001:db8::2"]},
    ),
    "prefix 128": ("ip", {**HUB6, "prefix": 128}),
    "mapped": ("ip", {"addresses": ["::ffff:10.0.0.1"], "prefix": 120, "gateway": "::FFFF:a00:2"}),
    "a mapped range": ("ip", {"addresses": ["::ffff:10.0.0.1-::ffff:10.0.0.9"], "prefix": 120}),
    "a mapped CIDR": ("ip", {"addresses": ["::ffff:10.0.0.0/120"], "prefix": 120}),
    "a prefix": ("prefix", PREFIX),
    "prefixes": ("prefix", {**PREFIX, "gateway": "", "excludedPrefixes": ["2001:db8::/56"]}),
    "a mapped prefix": (
        "prefix",
        {"prefixes": ["::ffff:10.0.0.0/120"], "allocationPrefixLength": 128},
    ),
}


@pytest.mark.parametrize(("kind", "spec"), ALLOWED.values(), ids=ALLOWED)
def test_what_admission_allows_the_schema_allows(client: Client, kind: str, spec: Json) -> None:
    assert causes(client, kind, pool(kind, spec)) == []


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="empty"),
        pytest.param({"subnet": "10.0.0.0/24"}, id="subnet"),
        pytest.param(
            {"subnet": "", "start": "", "end": "", "gateway": "", "prefix": 0}, id="empty texts"
        ),
        pytest.param({"start": "10.0.0.1", "end": "10.0.0.9", "prefix": 24}, id="range"),
        pytest.param({"subnet": "::ffff:a00:0/120", "gateway": "::ffff:10.0.0.1"}, id="mapped"),
    ],
)
def test_the_old_version_allows_what_it_always_did(client: Client, spec: Json) -> None:
    assert causes(client, "ip", pool("ip", spec, "v1alpha1")) == []


class Bad(NamedTuple):
    """A change that makes a good spec bad, and the cause that is reported for it."""

    kind: str
    changes: Json
    field: str
    value: object
    message: str

    @property
    def spec(self) -> Json:
        return GOOD[self.kind] | self.changes


REFUSED = {
    "no address": Bad("ip", {"addresses": ["10.0.0.256"]}, "addresses[0]", "10.0.0.256", NO_ENTRY),
    "leading zero": Bad("ip", {"addresses": ["10.0.0.01"]}, "addresses[0]", "10.0.0.01", NO_ENTRY),
    "empty entry": Bad("ip", {"addresses": ["10.0.0.1", ""]}, "addresses[1]", "", NO_ENTRY),
    "half a range": Bad(
        "ip", {"addresses": ["10.0.0.1-x"]}, "addresses[0]", "10.0.0.1-x", NO_ENTRY
    ),
    "two dashes": Bad(
        "ip", {"addresses": ["::1-::2-::3"]}, "addresses[0]", "::1-::2-::3", NO_ENTRY
    ),
    "netmask": Bad(
        "ip", {"addresses": ["10.0.0.0/255.0"]}, "addresses[0]", "10.0.0.0/255.0", NO_LENGTH
    ),
    "long CIDR": Bad("ip", {"addresses": ["1.2.3.4/33"]}, "addresses[0]", "1.2.3.4/33", LONG_V4),
    "long IPv6": Bad("ip", {"addresses": ["::/129"]}, "addresses[0]", "::/129", LONG_V6),
    "bad CIDR": Bad("ip", {"addresses": ["x/24"]}, "addresses[0]", "x/24", NO_CIDR),
    "bad exclusion": Bad("ip", {"excludedAddresses": ["x"]}, "excludedAddresses[0]", "x", NO_ENTRY),
    "bad gateway": Bad("ip", {"gateway": "router"}, "gateway", "router", NO_ADDRESS),
    "long prefix of IPv4": Bad(
        "ip",
        {"prefix": 33},
        "prefix",
        33,
        "must be between 0 and 32 for IPv4",
    ),
    "IPv6 among IPv4": Bad("ip", {"addresses": ["10.0.0.1", "::1"]}, "addresses", "::1", V6_IN_V4),
    "IPv4 among IPv6": Bad(
        "ip", {"addresses": ["::1", "1.2.3.4"]}, "addresses", "1.2.3.4", V4_IN_V6
    ),
    "IPv6 exclusion": Bad(
        "ip", {"excludedAddresses": ["::1"]}, "excludedAddresses", "::1", V6_IN_V4
    ),
    "IPv6 gateway": Bad("ip", {"gateway": "::1"}, "gateway", "::1", V6_IN_V4),
    "no CIDR": Bad("prefix", {"prefixes": ["fd00::1"]}, "prefixes[0]", "fd00::1", NO_PREFIX),
    "IPv4 prefix": Bad(
        "prefix", {"prefixes": ["10.0.0.0/8"]}, "prefixes[0]", "10.0.0.0/8", V4_IN_V6
    ),
    "host bits": Bad(
        "prefix", {"prefixes": ["fd00::1/48"]}, "prefixes[0]", "fd00::1/48", HOST_BITS
    ),
    "long prefix": Bad("prefix", {"prefixes": ["fd00::/65"]}, "prefixes", "fd00::/65", TOO_LONG),
    "IPv4 router": Bad("prefix", {"gateway": "10.0.0.1"}, "gateway", "10.0.0.1", V4_IN_V6),
    "bad router": Bad("prefix", {"gateway": "router"}, "gateway", "router", NO_ADDRESS),
    "IPv4 hole": Bad(
        "prefix",
        {"excludedPrefixes": ["1.2.3.4"]},
        "excludedPrefixes[0]",
        "1.2.3.4",
        V4_IN_V6,
    ),
    "bad hole": Bad("prefix", {"excludedPrefixes": ["x"]}, "excludedPrefixes[0]", "x", NO_ENTRY),
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_a_rule_refuses_with_its_field_value_and_message(client: Client, bad: Bad) -> None:
    assert causes(client, bad.kind, pool(bad.kind, bad.spec)) == [
        (f"spec.{bad.field}", f"Invalid value: {json.dumps(bad.value)}: {bad.message}")
    ]


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED)
def test_admission_refuses_the_same_for_the_same_reason(bad: Bad) -> None:
    problems = address_set_of(bad.kind, bad.spec).errors

    # A rule can't compute what would be right, and can't point into a list from outside of it.
    same = [problem for problem in problems if problem.text.startswith(bad.message)]
    assert [problem.value for problem in same] == [bad.value]
    assert same[0].path.startswith(bad.field)


@pytest.mark.parametrize(
    ("seconds", "wrong"),
    [
        (0, ""),
        (2**31 - 1, ""),
        (-1, "should be greater than or equal to 0"),
        (2**31, "should be less than or equal to 2147483647"),
        (3_000_000_000, "should be less than or equal to 2147483647"),
    ],
)
def test_both_bound_the_grace_period_alike(client: Client, seconds: int, wrong: str) -> None:
    spec = HUB | {"addressReuseGracePeriodSeconds": seconds}

    refused = [text for _, text in causes(client, "ip", pool("ip", spec))]
    problems = [problem.text for problem in schema.errors_of(KINDS["ip"], spec, {})]

    assert problems == [wrong] * bool(wrong)
    assert bool(refused) == bool(problems)
    assert not wrong or any(text.endswith(wrong) for text in refused)


def address_set_of(kind: str, spec: Json) -> AddressSet:
    gateway = spec.get("gateway", "")
    if kind == "prefix":
        return pool_specs.prefix_pool(
            spec["prefixes"], 64, gateway, spec.get("excludedPrefixes", [])
        )
    excluded = spec.get("excludedAddresses", [])
    return pool_specs.ip_pool(
        spec["addresses"], spec["prefix"], gateway, excluded, allocate_reserved=False
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("subnet", "10.0.0.0", NO_CIDR),
        ("subnet", "10.0.0.0/33", LONG_V4),
        ("start", "first", NO_ADDRESS),
        ("end", "10.0.0.1-10.0.0.2", NO_ADDRESS),
        ("gateway", "10.0.0.0/24", NO_ADDRESS),
    ],
)
def test_the_old_version_refuses_under_its_own_field_names(
    client: Client, field: str, value: str, message: str
) -> None:
    ((where, text),) = causes(client, "ip", pool("ip", {field: value}, "v1alpha1"))

    assert where == f"spec.{field}"
    assert text == f'Invalid value: "{value}": {message}'


def test_the_allocation_prefix_length_never_changes(client: Client) -> None:
    pools = client.resource(f"{GROUP}/v1alpha2", PLURALS["prefix"])
    created = pools.create(pool("prefix", PREFIX))

    assert created["spec"]["allocationPrefixLength"] == 64
    with pytest.raises(errors.RefusedError) as refusal:
        pools.merge(created["metadata"]["name"], {"spec": {"allocationPrefixLength": 65}})
    ((where, text),) = refusal.value.causes
    assert where == "spec.allocationPrefixLength"
    assert text.endswith(": is immutable")


def test_stored_objects_that_break_new_rules_can_still_be_labelled(
    shared_provider: Provider,
) -> None:
    group, admin = "ratcheting.example.com", shared_provider.admin
    strict = crds(group)
    install.crds(admin, [without_rules(document) for document in strict])
    pools = admin.resource(f"{group}/v1alpha2", PLURALS["ip"])
    bad: list[Json] = [
        {"addresses": ["x"]},
        {"prefix": 33},
        {"gateway": "x"},
        {"addresses": ["x"] * 4097},
    ]
    stored = [pools.create(pool("ip", {**HUB, **spec}, group=group)) for spec in bad]

    install.crds(admin, strict)
    worst = pool("ip", {**HUB, **bad[-1]}, group=group)
    waiting.until("the rules are in force", partial(causes, admin, "ip", worst), bool)

    for before in stored:
        name = before["metadata"]["name"]
        after = pools.merge(name, {"metadata": {"labels": {"touched": ""}}})
        assert after["spec"] == before["spec"]
        with pytest.raises(errors.RefusedError):
            pools.merge(name, {"spec": {"addresses": ["y"]}})


def without_rules(schema: Json) -> Json:
    """Return a schema that allows more: neither rules nor bounds."""
    gone = {"x-kubernetes-validations", "maxItems", "maxLength", "maximum"}
    kept = json.loads(
        json.dumps(schema),
        object_hook=lambda item: {key: value for key, value in item.items() if key not in gone},
    )
    return cast("Json", kept)


def test_the_longest_lists_are_accepted_and_no_longer_ones(client: Client) -> None:
    entry = "2001:0db8:0000:0000:0000:0000:0000:{:04x}"
    entries = [f"{entry.format(n)}-{entry.format(n)}" for n in range(4096)]
    spec = {"addresses": entries, "excludedAddresses": entries, "prefix": 64}

    assert causes(client, "ip", pool("ip", spec)) == []
    too_many = causes(client, "ip", pool("ip", {**spec, "addresses": [*entries, "::1"]}))
    assert too_many[0] == ("spec.addresses", "Too many: 4097: must have at most 4096 items")
