# SPDX-License-Identifier: Apache-2.0
"""Schemas, models and admission agree about whatever anybody may write.

Generated objects, good, bad and nearly good ones, go to a real API server as dry runs.  The CRDs
are those that are shipped, under groups of their own, so that no webhook of ours is asked there.
"""

import functools
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import hypothesis
import pydantic
import pytest
import yaml
from hypothesis import strategies as st

from api import kinds, resources, v1alpha1, v1alpha2
from crdkit.conversion import errors as conversion_errors
from crdkit.conversion import values
from crdkit.models import model
from envtest import errors
from envtest.client import Client, Json, Resource
from envtest.controlplane import install
from envtest.controlplane.provider import Provider
from envtest.waiting import until
from webhook import reviewed_pool

pytestmark = pytest.mark.own_cluster  # elsewhere kubectl would find these kinds for ours

GROUP = "fuzz.example.com"
RATCHETED = "ratcheted.example.com"
IP, PREFIX = v1alpha2.InClusterIPPool, v1alpha2.InClusterPrefixPool
OLD = v1alpha1.GlobalInClusterIPPool
EXAMPLES = max(50, hypothesis.settings().max_examples // 50)  # 2,000 of each in `make fuzz`

every_kind = pytest.mark.parametrize(
    "kind", kinds.KINDS, ids=lambda kind: f"{kind.version.name}.{kind.__name__}"
)
GOOD: dict[type[model.Object], Json] = {
    kind: {"prefixes": ["2001:db8::/48"]}
    if "Prefix" in kind.resource.kind
    else {"addresses": ["10.0.0.8/29"], "prefix": 24}
    for kind in kinds.KINDS
}
fuzzed = hypothesis.settings(max_examples=EXAMPLES)


def shipped(group: str) -> list[Json]:
    """Return the CRDs in another group, without conversion: only the schemas are of interest."""
    files = sorted((install.CONFIG / "crd" / "bases").glob("*.yaml"))
    texts = [file.read_text().replace(resources.GROUP, group) for file in files]
    documents: list[Json] = [yaml.safe_load(text) for text in texts]
    for document in documents:
        document["spec"].pop("conversion", None)
    return documents


@pytest.fixture(scope="module")
def client(shared_provider: Provider) -> Client:
    install.crds(shared_provider.admin, shipped(GROUP))
    return shared_provider.admin


def rarely(times: int, rare: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> Any:
    """Return a strategy that draws from `rare` once in so many times."""
    return st.integers(1, times).flatmap(lambda number: usual if number < times else rare)


def whole(low: int, high: int) -> st.SearchStrategy[Any]:
    """Return integers between two bounds, seldom one beyond or one that is written as `24.0`."""
    beyond = st.sampled_from([low - 1, high + 1, -1, 2**31, 2**63, float(low), high + 0.5])
    return rarely(8, beyond, st.sampled_from([low, high]) | st.integers(low, high))


V4 = st.ip_addresses(v=4).map(str) | st.sampled_from(["10.0.0.1", "10.0.0.9", "0.0.0.0"])
V6 = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.sampled_from(["::", "::1", "2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "::1.2.3.4"]),
    st.sampled_from(["::ffff:10.0.0.1", "::FFFF:a00:2", "0:0:0:0:0:ffff:10.0.0.3"]),
)
_OCTETS = st.sampled_from(["0", "1", "255", "256", "01", "00", "-1", "", "x", "1e1"])
_GROUPS = st.sampled_from(["0", "1", "ffff", "fe80", "00001", "0001", "g", "", "1.2.3.4"])
NO_ADDRESS = st.one_of(
    st.lists(_OCTETS, min_size=3, max_size=5).map(".".join),
    st.lists(_GROUPS, min_size=2, max_size=9).map(":".join),
    st.sampled_from(["fe80::1%eth0", " 10.0.0.1", "10.0.0.1\n", "10.0.0.1/24", "\U0001f600" * 100]),
    st.sampled_from(["1" * 100, "1" * 101, "::ffff:" + "0" * 93, "::ffff:" + "0" * 94]),
    st.text(max_size=8),
    st.text(alphabet="0123456789abcdef.:/-%", max_size=20),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([24.0, 0.5, ""]) | st.just("1"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("x"), inner),
    max_leaves=3,
)


def address(family: int) -> st.SearchStrategy[str]:
    """Return texts that mostly are addresses, of one family most of the time."""
    right, other = (V4, V6) if family == 4 else (V6, V4)
    return rarely(12, NO_ADDRESS | other, right)


def cidr(family: int) -> st.SearchStrategy[str]:
    """Return texts that mostly are CIDRs; those without host bits are few."""
    lengths = st.integers(0, 32 if family == 4 else 128).map(str)
    bad = st.sampled_from(["33", "129", "00", "08", "+8", "-1", "", "255.0.0.0", "\u0661"])
    return st.builds("{}/{}".format, address(family), rarely(8, bad, lengths))


def entry(family: int) -> st.SearchStrategy[str]:
    """Return texts that mostly are what stands in `addresses`."""
    ends = st.builds("{}-{}".format, address(family), address(family))
    return address(family) | cidr(family) | ends


def network() -> st.SearchStrategy[str]:
    """Return texts that mostly are what stands in `prefixes`."""
    good = ("2001:db8::/48", "2001:db8::/60", "2001:db8:0:1::/64", "fd00::/8", "::/0", "::1/128")
    other = st.builds("{}/{}".format, V6, st.integers(0, 129).map(str))
    return rarely(8, entry(6) | entry(4) | other, st.sampled_from(good))


def some(item: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Return short lists; seldom one with what is no text, or with as many as are allowed."""
    texts = ("10.0.0.1", "2001:db8::/48")  # good: thousands of errors take the server seconds
    long = st.sampled_from([[text] * count for text in texts for count in (4096, 4097)])
    odd = rarely(4, long, st.lists(JSON, max_size=2))
    return rarely(40, odd, st.lists(item, min_size=1, max_size=3))


@functools.cache  # strategies are costly to make, cheap to draw from
def fields_of(kind: type[model.Object], family: int) -> dict[str, st.SearchStrategy[Any]]:
    """Return what fields of a spec may hold; those that are required come first, sorted."""
    gateway = rarely(5, st.just(""), address(family))
    if "Prefix" in kind.resource.kind:
        return {
            "prefixes": some(network()),
            "allocationPrefixLength": rarely(2, st.integers(60, 64), whole(1, 128)),
            "gateway": gateway,
            "excludedPrefixes": some(entry(6)),
        }
    both = {
        "addresses": some(entry(family)),
        "prefix": whole(0, 32 if family == 4 else 128),
        "gateway": gateway,
    }
    if kind.version.storage:
        return {
            **both,
            "allocateReservedIPAddresses": st.booleans(),
            "excludedAddresses": some(entry(family)),
            "addressReuseGracePeriodSeconds": whole(0, 2**31 - 1),
        }
    return {**both, "subnet": cidr(family), "start": address(family), "end": address(family)}


UNKNOWN = st.dictionaries(st.sampled_from(["unknown", "subnet", "prefixes"]), JSON)


@st.composite
def specs(draw: st.DrawFn, kind: type[model.Object]) -> Json:
    """Draw a spec with some of its fields, seldom with one of a wrong type, or an unknown one."""
    family = 6 if "Prefix" in kind.resource.kind else draw(st.sampled_from([4, 6]))
    fields = fields_of(kind, family)
    required = [*fields][:2] if draw(st.integers(0, 7)) else []
    names = dict.fromkeys([*required, *draw(st.lists(st.sampled_from([*fields]), max_size=3))])
    spec = {name: draw(fields[name] if draw(st.integers(0, 30)) else JSON) for name in names}
    return spec | ({} if draw(st.integers(0, 9)) else draw(UNKNOWN))


CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["Ready", "example.com/Ready", "Ready\n", "-", "x" * 317, ""]),
    "status": st.sampled_from(["True", "False", "Unknown", "true", ""]),
    "reason": st.sampled_from(["Ready", "A:b,c", "1", "A,", "Re ady", "A\n", "x" * 1025, ""]),
    "message": st.text(max_size=3) | st.sampled_from(["x" * 32768, "x" * 32769]),
    "lastTransitionTime": st.sampled_from(
        ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+01:00", "2026-01-02", "now", ""]
    ),
}


@st.composite
def objects(draw: st.DrawFn, **fields: st.SearchStrategy[Any]) -> Json:
    """Draw objects: mostly all fields, of which seldom one is of a wrong type."""
    names = [name for name in fields if draw(st.integers(0, 15))]
    return {name: draw(fields[name] if draw(st.integers(0, 30)) else JSON) for name in names}


COUNT = whole(0, 2**63 - 1)
STATUSES = objects(
    ipAddresses=objects(total=COUNT, used=COUNT, free=COUNT, outOfRange=COUNT),
    conditions=st.lists(
        objects(**{**CONDITIONS, "observedGeneration": COUNT}),
        max_size=2,
        unique_by=lambda item: str(item.get("type")),  # the same twice is refused for all lists
    ),
    observedGeneration=COUNT,
    unknown=JSON,
)


BESIDES = st.dictionaries(st.sampled_from(["unknown", "status"]), JSON)


@st.composite
def pools(draw: st.DrawFn, kind: type[model.Object]) -> Json:
    """Draw a pool.  Its metadata is good: that is the API server's own."""
    body: Json = bare(kind)
    if draw(st.integers(0, 30)):
        body["spec"] = draw(specs(kind) if draw(st.integers(0, 30)) else JSON)
    return body | ({} if draw(st.integers(0, 9)) else draw(BESIDES))


POOLS = {kind: pools(kind) for kind in kinds.KINDS}


def bare(kind: type[model.Object], group: str = GROUP, name: str = "pool") -> Json:
    return {
        "apiVersion": f"{group}/{kind.version.name}",
        "kind": kind.resource.kind,
        "metadata": {"name": name},
    }


def collection(client: Client, kind: type[model.Object], group: str = GROUP) -> Resource:
    namespace = "default" if kind.resource.scope == "Namespaced" else None
    return client.resource(f"{group}/{kind.version.name}", kind.resource.plural, namespace)


def send(client: Client, method: str, path: str, body: Json) -> Json | str:
    """Write in a dry run; return the object as it would be stored, or why it is refused."""
    try:
        return client.request(method, path, body, query={"dryRun": "All"}).body
    except errors.RefusedError as error:
        if error.code not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise
        return error.message


def admitted(kind: type[model.Object], body: Json) -> bool:
    """Return whether admission admits a pool, of which it sees no fields that the schema lacks."""
    ours: values.JsonObject = {**body, "apiVersion": f"{resources.GROUP}/{kind.version.name}"}
    if isinstance(spec := body.get("spec"), dict):
        ours["spec"] = {name: spec[name] for name in fields_of(kind, 4) if name in spec}
    try:
        return not reviewed_pool.ReviewedPool.read(ours).errors(kind.version.name, None)
    except conversion_errors.ConversionError:
        return False


def parsed(kind: type[model.Object], body: Json) -> bool:
    """Return whether the model parses a pool, of which no client writes the status here."""
    try:
        kind.model_validate({**body, "status": None})
    except pydantic.ValidationError:
        return False
    return True


def check(client: Client, kind: type[model.Object], body: Json) -> bool:
    """Check that all three agree about a pool, and return whether the schema admits it."""
    answer = send(client, "POST", collection(client, kind).path, body)
    if isinstance(answer, str):
        assert not admitted(kind, body), f"admission admits what is refused: {answer}"
        return False
    assert kind.model_validate(answer).as_json() == answer
    assert parsed(kind, body) or not admitted(kind, body)
    return True


@every_kind
@fuzzed
@hypothesis.given(data=st.data())
def test_schema_model_and_admission_agree(
    client: Client, kind: type[model.Object], data: st.DataObject
) -> None:
    body = data.draw(POOLS[kind])

    hypothesis.event("accepted" if check(client, kind, body) else "refused")


def at_bounds(kind: type[model.Object]) -> Iterator[object]:
    """Yield values at and next to the bounds of a field, and of each JSON type."""
    yield from (None, True, "", "x", "24", 24, 24.0, 24.5, -1, {}, {"x": 1}, [], [None], [[]], [5])
    yield from (0, 1, 32, 33, 128, 129, 2**31 - 1, 2**31, 2**63, 2**64)
    yield from ("1" * 100, "1" * 101, "::ffff:" + "0" * 93, "::ffff:" + "0" * 94)
    first = "2001:db8::/48" if "Prefix" in kind.resource.kind else "10.0.0.1"
    for text in ("", "1" * 100, "1" * 101, "::ffff:" + "0" * 93, "::ffff:" + "0" * 94):
        yield [first, text]
    yield from ([first] * 4096, [first] * 4097)


@every_kind
def test_they_agree_at_the_bounds_of_each_field(client: Client, kind: type[model.Object]) -> None:
    for name in fields_of(kind, 4):
        for value in at_bounds(kind):
            check(client, kind, {**bare(kind), "spec": {**GOOD[kind], name: value}})
            if "addresses" in GOOD[kind]:
                spec = {"addresses": ["2001:db8::1"], "prefix": 64, name: value}
                check(client, kind, {**bare(kind), "spec": spec})


@every_kind
@fuzzed
@hypothesis.given(status=STATUSES)
def test_the_model_parses_each_status_that_the_schema_admits(
    client: Client, kind: type[model.Object], status: Json
) -> None:
    place = collection(client, kind)
    name = f"{kind.version.name}-pool"
    stored = place.find(name) or place.create({**bare(kind, name=name), "spec": GOOD[kind]})

    answer = send(client, "PUT", f"{place.path}/{name}/status", {**stored, "status": status})

    hypothesis.event("refused" if isinstance(answer, str) else "accepted")
    if not isinstance(answer, str):
        assert kind.model_validate(answer).as_json() == answer


IN_ONE_FIELD: dict[str, tuple[type[model.Object], Json]] = {
    "a bad entry": (IP, {"addresses": ["10.0.0.1", "x"]}),
    "no entry": (IP, {"addresses": []}),
    "a long entry": (IP, {"addresses": ["1" * 101]}),
    "a long list": (IP, {"addresses": ["10.0.0.1"] * 4097}),
    "a long list of exclusions": (IP, {"excludedAddresses": ["10.0.0.1"] * 4097}),
    "a bad gateway": (IP, {"gateway": "x"}),
    "a number below its bound": (IP, {"addressReuseGracePeriodSeconds": -1}),
    "host bits": (PREFIX, {"prefixes": ["2001:db8::1/48"]}),
    "IPv4 prefixes": (PREFIX, {"prefixes": ["10.0.0.0/8"]}),
    "a long list of prefixes": (PREFIX, {"prefixes": ["2001:db8::/48"] * 4097}),
    "a bad entry of the old version": (OLD, {"addresses": ["x"]}),
    "a long list of the old version": (OLD, {"addresses": ["10.0.0.1"] * 4097}),
    "a bad subnet": (OLD, {"subnet": "x"}),
    "a long end": (OLD, {"end": "1" * 101}),
}
IN_SEVERAL_FIELDS: dict[str, tuple[type[model.Object], Json]] = {
    "a long length of IPv4": (IP, {"prefix": 33}),
    "two families": (IP, {"addresses": ["10.0.0.1", "::1"]}),
    "an exclusion of IPv6": (IP, {"excludedAddresses": ["::1"]}),
    "a long prefix": (PREFIX, {"prefixes": ["2001:db8::/65"]}),
}
STORED = list((IN_ONE_FIELD | IN_SEVERAL_FIELDS).items())


def without_rules(schema: Json) -> Json:
    """Return a schema as it may have been once: with neither rules nor bounds."""
    bounds = {"maxItems", "minItems", "maxLength", "maximum", "minimum"}
    gone = {"x-kubernetes-validations", *bounds}
    kept: Json = json.loads(
        json.dumps(schema),
        object_hook=lambda item: {key: value for key, value in item.items() if key not in gone},
    )
    return kept


@pytest.fixture(scope="module")
def old_pools(shared_provider: Provider) -> dict[str, tuple[Resource, Json]]:
    """Pools that were stored before there were rules, by what is wrong with each."""
    admin, strict = shared_provider.admin, shipped(RATCHETED)
    install.crds(admin, [without_rules(document) for document in strict])
    found: dict[str, tuple[Resource, Json]] = {}
    for number, (what, (kind, bad)) in enumerate(STORED):
        place, body = collection(admin, kind, RATCHETED), bare(kind, RATCHETED, f"pool-{number}")
        found[what] = (place, place.create({**body, "spec": {**GOOD[kind], **bad}}))
    install.crds(admin, strict)
    for what, (kind, bad) in STORED:
        body = {**bare(kind, RATCHETED, "new"), "spec": {**GOOD[kind], **bad}}
        refused = functools.partial(is_refused, found[what][0], body)
        until(f"a new pool with {what} is refused", refused, bool)
    return found


def is_refused(place: Resource, body: Json) -> bool:
    return isinstance(send(place.client, "POST", place.path, body), str)


@pytest.mark.parametrize("what", IN_ONE_FIELD | IN_SEVERAL_FIELDS)
def test_whatever_is_stored_can_be_updated_outside_of_its_spec(
    old_pools: dict[str, tuple[Resource, Json]], what: str
) -> None:
    place, before = old_pools[what]
    name = before["metadata"]["name"]

    place.merge(name, {"metadata": {"labels": {"touched": ""}}})
    place.edit(name, lambda body: body["metadata"].update(finalizers=["example.com/held"]))
    place.edit(name, lambda body: body["metadata"].update(finalizers=[]))
    after = place.merge(name, {"status": {"observedGeneration": 1}}, "status")

    assert after["spec"] == before["spec"]


@pytest.mark.parametrize("what", IN_ONE_FIELD | IN_SEVERAL_FIELDS)
def test_a_bad_field_holds_up_no_other_one_unless_a_rule_is_about_both(
    old_pools: dict[str, tuple[Resource, Json]], what: str
) -> None:
    place, before = old_pools[what]
    kind, bad = (IN_ONE_FIELD | IN_SEVERAL_FIELDS)[what]
    other = "prefix" if "gateway" in bad else "gateway"
    value = {"prefix": 25, "gateway": "2001:db8::7" if kind is PREFIX else "10.0.0.7"}[other]
    body = place.get(before["metadata"]["name"])
    changed = {**body, "spec": {**body["spec"], other: value}}

    answer = send(place.client, "PUT", f"{place.path}/{body['metadata']['name']}", changed)

    # The API server forgives what is unchanged at the place of the rule: here that is the spec.
    assert isinstance(answer, str) == (what in IN_SEVERAL_FIELDS)
