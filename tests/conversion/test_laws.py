# SPDX-License-Identifier: Apache-2.0
"""The laws of conversion, on any object whose JSON types fit, good values or bad."""

import base64
import copy
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conversion import registry
from crdkit.conversion import annotation, errors, values
from envtest import manifests

V1ALPHA1 = "ipam.cluster.x-k8s.io/v1alpha1"
V1ALPHA2 = "ipam.cluster.x-k8s.io/v1alpha2"

addresses: st.SearchStrategy[str] = st.ip_addresses().map(str)
ranges: st.SearchStrategy[str] = st.builds("{}-{}".format, addresses, addresses)
networks: st.SearchStrategy[str] = st.builds("{}/{}".format, addresses, st.integers(0, 140))
entries = addresses | ranges | networks | st.text(max_size=12)
prefixes = st.integers(0, 128)

spokes: st.SearchStrategy[Mapping[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "addresses": st.lists(entries, max_size=4) | st.none(),
        "subnet": networks | st.text(max_size=6),
        "start": addresses | st.text(max_size=6),
        "end": addresses | st.text(max_size=6),
        "prefix": prefixes | st.none(),
        "gateway": addresses | st.just(""),
        "unknown": st.integers() | st.lists(st.text()),
        "excludedAddresses": st.lists(entries, max_size=2),
    },
)
extras: dict[str, st.SearchStrategy[object]] = {
    "allocateReservedIPAddresses": st.booleans(),
    "excludedAddresses": st.lists(entries, max_size=4),
    "addressReuseGracePeriodSeconds": st.integers(0, 2**31 - 1),
}
hubs: st.SearchStrategy[Mapping[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "addresses": st.lists(entries, max_size=4) | st.none(),
        "prefix": prefixes | st.none(),
        "gateway": addresses | st.just(""),
        "unknown": st.integers() | st.lists(st.text()),
        "subnet": networks,
        **extras,
    },
)
anything: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def saved(spec: object) -> str:
    return json.dumps({"spec": spec})


def saved_by_go(spec: object) -> str:
    return json.dumps({"spec": spec, "status": {}})


def packed(text: object) -> str:
    return json.dumps({"zlib": text})


annotations: st.SearchStrategy[str] = st.one_of(
    st.text(),
    anything.map(json.dumps),
    (spokes | hubs | anything).map(saved),
    spokes.map(saved_by_go),
    st.text().map(packed),
)


@st.composite
def objects(
    draw: st.DrawFn,
    api_version: str,
    specs: st.SearchStrategy[Mapping[str, object]],
    data: st.SearchStrategy[str] | None = None,
) -> values.JsonObject:
    """Draw a pool; foreign metadata and status are never to be touched."""
    kind = draw(st.sampled_from(["InClusterIPPool", "GlobalInClusterIPPool"]))
    obj: values.JsonObject = {"apiVersion": api_version, "kind": kind}
    metadata: dict[str, object] = {"name": "blue", "uid": "1-2"}
    kept = draw(st.dictionaries(st.text(), st.text(), max_size=2, min_size=1) | st.none())
    if kept is not None:
        metadata["annotations"] = dict(kept)
    if data is not None and draw(st.booleans()):
        own = {annotation.NAME: draw(data)}
        metadata["annotations"] = {**(kept or {}), **own}
    if draw(st.booleans()):
        metadata["labels"] = draw(st.dictionaries(st.text(), st.text(), max_size=2))
    if draw(st.integers(0, 9)):
        obj["metadata"] = metadata
    if draw(st.integers(0, 9)):
        obj["spec"] = draw(specs)
    if draw(st.booleans()):
        obj["status"] = {"ipAddresses": {"total": 1}}
    return obj


def bare(obj: values.JsonObject) -> values.JsonObject:
    """Return the object without the one annotation, and without what held nothing else."""
    metadata = dict(cast("Mapping[str, object]", obj.get("metadata", {})))
    kept = dict(cast("Mapping[str, object]", metadata.pop("annotations", {})))
    kept.pop(annotation.NAME, None)
    metadata |= {"annotations": kept} if kept else {}
    return {k: v for k, v in obj.items() if k != "metadata"} | (
        {"metadata": metadata} if metadata else {}
    )


def own(obj: values.JsonObject) -> str | None:
    """Return the one annotation."""
    metadata = cast("dict[str, dict[str, str]]", obj.get("metadata", {}))
    return metadata.get("annotations", {}).get(annotation.NAME)


def spec_of(obj: values.JsonObject) -> dict[str, object]:
    return cast("dict[str, object]", obj.get("spec") or {})


def up(obj: values.JsonObject) -> values.JsonObject:
    return registry.REGISTRY.convert(obj, V1ALPHA2)


def down(obj: values.JsonObject) -> values.JsonObject:
    return registry.REGISTRY.convert(obj, V1ALPHA1)


@given(objects(V1ALPHA1, spokes, annotations))
def test_v1alpha1_comes_back_from_the_hub_as_it_was_written(old: values.JsonObject) -> None:
    assert bare(down(up(old))) == bare(old)


@given(objects(V1ALPHA2, hubs, annotations))
def test_the_hub_comes_back_from_v1alpha1_as_it_was_written(hub: values.JsonObject) -> None:
    assert bare(up(down(hub))) == bare(hub)


@given(objects(V1ALPHA1, spokes, annotations), hubs)
def test_a_hub_edit_of_a_v1alpha1_pool_loses_nothing(
    old: values.JsonObject, edited: Mapping[str, object]
) -> None:
    hub = up(old) | {"spec": edited}

    assert bare(up(down(hub))) == bare(hub)


@given(objects(V1ALPHA1, spokes), st.lists(entries, min_size=1, max_size=3), prefixes, addresses)
def test_a_hub_edit_is_seen_by_old_clients(
    old: values.JsonObject, new: list[str], prefix: int, gateway: str
) -> None:
    hub = up(old)
    edited = spec_of(hub) | {"addresses": new, "prefix": prefix, "gateway": gateway}
    assume(edited["addresses"] != spec_of(hub).get("addresses"))

    seen = spec_of(down(hub | {"spec": edited}))

    assert (seen["addresses"], seen["prefix"], seen["gateway"]) == (new, prefix, gateway)
    assert not seen.keys() & {"subnet", "start", "end"}


@given(objects(V1ALPHA1, spokes), addresses)
def test_a_new_gateway_leaves_the_rest_as_it_was_written(
    old: values.JsonObject, gateway: str
) -> None:
    hub = up(old)
    hub["spec"] = spec_of(hub) | {"gateway": gateway}

    assert spec_of(down(hub)) == spec_of(old) | {"gateway": gateway}


@given(objects(V1ALPHA2, hubs), spokes)
def test_an_old_clients_edit_wins_and_leaves_the_rest(
    hub: values.JsonObject, edit: Mapping[str, object]
) -> None:
    edit = {name: value for name, value in edit.items() if name not in extras}

    after = spec_of(up(down(hub) | {"spec": edit}))
    alone = spec_of(up({"apiVersion": V1ALPHA1, "kind": hub["kind"], "spec": edit}))

    assert {name: after.get(name) for name in extras} == {
        name: spec_of(hub).get(name) for name in extras
    }
    for name in ("addresses", "gateway", "unknown"):
        assert after.get(name) == alone.get(name)
    assert (after.get("prefix") or 0) == (alone.get("prefix") or 0)


@given(objects(V1ALPHA2, hubs, annotations) | objects(V1ALPHA1, spokes, annotations))
def test_round_trips_reach_a_fixed_point_at_once(obj: values.JsonObject) -> None:
    there, back = (down, up) if obj["apiVersion"] == V1ALPHA2 else (up, down)
    first = there(obj)

    again = first
    for _ in range(5):
        again = there(back(again))

    assert again == first


@given(objects(V1ALPHA2, hubs) | objects(V1ALPHA1, spokes))
def test_the_annotation_is_only_where_something_would_be_lost(obj: values.JsonObject) -> None:
    there, back = (down, up) if obj["apiVersion"] == V1ALPHA2 else (up, down)
    other = there(obj)

    assert own(other) is None or bare(back(bare(other))) != bare(obj)


HUNDREDS = [f"10.{i // 256}.{i % 256}.0-10.{i // 256}.{i % 256}.99" for i in range(4096)]


@pytest.mark.parametrize(
    "obj",
    [
        {"spec": {"subnet": "10.9.0.0/24", "prefix": 25}},
        {"spec": {"start": "10.9.0.9"}, "status": {"ipAddresses": {"total": 1}}},
        {"spec": {"addresses": HUNDREDS, "prefix": 8, "subnet": ""}},
        {"apiVersion": V1ALPHA2, "spec": {"addresses": HUNDREDS, "excludedAddresses": HUNDREDS}},
        {"apiVersion": V1ALPHA2, "spec": {"subnet": "10.9.0.0/24", "unknown": 1}},
        {"apiVersion": V1ALPHA2},
    ],
    ids=range(6),
)
def test_a_hundred_round_trips_end_where_the_first_did(obj: values.JsonObject) -> None:
    obj = {"apiVersion": V1ALPHA1, "kind": "InClusterIPPool", "metadata": {"name": "blue"}} | obj
    there, back = (down, up) if obj["apiVersion"] == V1ALPHA2 else (up, down)
    first = there(obj)

    again = first
    for _ in range(100):
        again = there(back(again))

    assert again == first
    assert back(again) == obj


@given(objects(V1ALPHA2, hubs, annotations) | objects(V1ALPHA1, spokes, annotations))
def test_nothing_but_version_spec_and_the_annotation_changes(obj: values.JsonObject) -> None:
    before = copy.deepcopy(obj)

    after = (down if obj["apiVersion"] == V1ALPHA2 else up)(obj)

    assert obj == before
    same = {"apiVersion", "spec"}
    assert {k: v for k, v in bare(after).items() if k not in same} == {
        k: v for k, v in bare(before).items() if k not in same
    }


@given(objects(V1ALPHA1, spokes, annotations))
def test_the_annotations_are_never_nested(old: values.JsonObject) -> None:
    for obj in (up(old), down(up(old))):
        assert annotation.NAME not in json.dumps(annotation.read(obj))


def pool(api_version: str, spec: Mapping[str, object], kept: str = "") -> values.JsonObject:
    metadata: dict[str, Any] = {"annotations": {annotation.NAME: kept}} if kept else {}
    return {**manifests.pool("blue", spec, **metadata), "apiVersion": api_version}


@pytest.mark.parametrize(
    ("api_version", "spec"),
    [
        (V1ALPHA1, {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": "10.0.0.254"}),
        (V1ALPHA2, {"addresses": ["10.0.0.1"], "prefix": 24, "gateway": ""}),
    ],
)
def test_no_annotation_where_nothing_would_be_lost(
    api_version: str, spec: Mapping[str, object]
) -> None:
    other = V1ALPHA2 if api_version == V1ALPHA1 else V1ALPHA1

    assert registry.REGISTRY.convert(pool(api_version, spec), other) == pool(other, spec)


def test_the_hub_keeps_the_go_providers_form() -> None:
    hub = up(pool(V1ALPHA1, {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}))

    assert hub == pool(
        V1ALPHA2,
        {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24, "gateway": "10.9.0.1"},
        '{"spec":{"gateway":"10.9.0.1","subnet":"10.9.0.0/24"}}',
    )


def test_an_annotation_written_by_go_is_read() -> None:
    written = {"spec": {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}, "status": {}}
    hub = pool(
        V1ALPHA2,
        {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24, "gateway": "10.9.0.1"},
        json.dumps(written),
    )

    assert down(hub) == pool(V1ALPHA1, written["spec"])


def test_a_whole_hub_spec_saved_by_go_gives_only_what_v1alpha1_lacks() -> None:
    whole = {"addresses": ["10.0.0.9"], "prefix": 8, "excludedAddresses": ["10.0.0.3"]}
    old = pool(V1ALPHA1, {"addresses": ["10.0.0.0/28"], "prefix": 28}, saved_by_go(whole))

    assert spec_of(up(old)) == {
        "addresses": ["10.0.0.0/28"],
        "prefix": 28,
        "excludedAddresses": ["10.0.0.3"],
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"excludedAddresses": "10.0.0.3"},
        {"excludedAddresses": [3]},
        {"allocateReservedIPAddresses": "yes"},
        {"addressReuseGracePeriodSeconds": -1},
        {"addressReuseGracePeriodSeconds": 2**31},
        {"addressReuseGracePeriodSeconds": True},
        {"prefix": 12},
        {"allocateReservedIPAddresses": 1},
        {"bogus": 1},
        {"subnet": "10.0.0.0/24"},
    ],
    ids=str,
)
def test_an_entry_that_the_hub_would_not_admit_counts_as_absent(
    entry: Mapping[str, object],
) -> None:
    old = pool(V1ALPHA1, {"addresses": ["10.0.0.1"]}, saved(entry))

    assert up(old) == pool(V1ALPHA2, {"addresses": ["10.0.0.1"]})


@pytest.mark.parametrize("entry", [{"subnet": 5}, {"end": ["x"]}], ids=str)
def test_an_entry_that_v1alpha1_would_not_admit_counts_as_absent(
    entry: Mapping[str, object],
) -> None:
    hub: dict[str, object] = {"addresses": ["10.0.0.1"], "prefix": 24}

    assert down(pool(V1ALPHA2, hub, saved({**hub, **entry}))) == pool(V1ALPHA1, hub)


@pytest.mark.parametrize("prefix", [24, 0])
def test_a_prefix_that_an_old_client_writes_beats_the_saved_0(prefix: int) -> None:
    hub = pool(V1ALPHA2, {"addresses": ["10.0.0.1"], "prefix": 0})
    old = down(hub)

    old["spec"] = spec_of(old) | ({"prefix": prefix} if prefix else {})

    assert spec_of(up(old))["prefix"] == prefix


def packed_list(cut: int = 0, junk: str = "") -> str:
    """Return an annotation with a packed list of exclusions, perhaps damaged."""
    plain = json.dumps({"spec": {"excludedAddresses": ["10.0.0.3"]}}).encode()
    data = zlib.compress(plain)
    text = base64.b64encode(data[: len(data) - cut]).decode()
    return packed(text[:4] + junk + text[4:])


def test_a_packed_annotation_is_unpacked() -> None:
    old = pool(V1ALPHA1, {"addresses": ["10.0.0.1"]}, packed_list())

    assert spec_of(up(old))["excludedAddresses"] == ["10.0.0.3"]


@pytest.mark.parametrize(("cut", "junk"), [(1, ""), (4, ""), (0, "!"), (0, "\n")])
def test_a_damaged_packed_annotation_counts_as_absent(cut: int, junk: str) -> None:
    old = pool(V1ALPHA1, {"addresses": ["10.0.0.1"]}, packed_list(cut, junk))

    assert spec_of(up(old)) == {"addresses": ["10.0.0.1"]}


def test_long_lists_are_compressed() -> None:
    excluded = [f"10.{i // 256}.{i % 256}.0-10.{i // 256}.{i % 256}.99" for i in range(4096)]
    hub = pool(V1ALPHA2, {"excludedAddresses": excluded})

    kept = own(down(hub))

    assert kept is not None
    assert len(kept) < len(json.dumps(excluded)) / 2
    assert up(down(hub)) == hub


@pytest.mark.parametrize(
    ("obj", "error"),
    [
        ({"spec": []}, r"^spec: must be an object, not \[\]$"),
        ({"spec": {"subnet": 5}}, r"^spec\.subnet: must be a string, not 5$"),
        ({"spec": {"addresses": ["a", 5]}}, r"^spec\.addresses: must be a list of strings, not "),
        ({"spec": {"prefix": True}}, r"^spec\.prefix: must be an integer, not True$"),
        ({"metadata": "x"}, r"^metadata: must be an object, not 'x'$"),
        ({"metadata": {"annotations": 1}}, r"^metadata\.annotations: must be an object, not 1$"),
        ({"kind": "Pod"}, r"^Pod of ipam\.cluster\.x-k8s\.io/v1alpha1 is unknown here; known are"),
        ({"kind": ["Pod"]}, r"is unknown here"),
        ({"apiVersion": "v1"}, r"^InClusterIPPool of v1 is unknown here"),
        ({"apiVersion": "example.com/v1alpha1"}, r"^InClusterIPPool of example\.com/v1alpha1 is"),
        ({"apiVersion": None}, r"^InClusterIPPool of None is unknown here"),
        ({"kind": "InClusterPrefixPool"}, r"^InClusterPrefixPool of .*/v1alpha1 is unknown here"),
    ],
)
def test_wrong_types_and_kinds_are_refused_by_name(obj: values.JsonObject, error: str) -> None:
    with pytest.raises(errors.ConversionError, match=error):
        up(pool(V1ALPHA1, {}) | obj)
