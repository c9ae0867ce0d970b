# SPDX-License-Identifier: Apache-2.0
"""Editors underline what the API server would refuse, and nothing else."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import Field

from api import kinds
from crdkit.models import markers, model, resources
from crdkit.render import editor
from crdkit.schema import crds, structural

DOCUMENTED = Path(__file__).parent.parent.parent / "docs" / "reference" / "editors.md"
Json = dict[str, Any]

FILES = {
    path: json.loads(text)
    for path, text in editor.files(crds.definitions(kinds.KINDS), "x").items()
}
VALIDATORS: dict[Path, Any] = {path: Draft7Validator(schema) for path, schema in FILES.items()}
ALL = Path("all.json")
GROUP = "ipam.cluster.x-k8s.io"
POOL: Json = {
    "apiVersion": f"{GROUP}/v1alpha2",
    "kind": "InClusterIPPool",
    "metadata": {"name": "blue", "labels": {"any": "thing"}, "managedFields": [{"manager": "me"}]},
    "spec": {"addresses": ["10.0.0.7"], "prefix": 24},
}
OLD: Json = {
    "apiVersion": f"{GROUP}/v1alpha1",
    "kind": "GlobalInClusterIPPool",
    "metadata": {"name": "blue"},
    "spec": {"subnet": "10.0.0.0/24"},
}
CLAIM: Json = {
    "apiVersion": f"{GROUP}/v1beta2",
    "kind": "IPAddressClaim",
    "metadata": {"name": "web"},
    "spec": {"poolRef": {"kind": "InClusterIPPool", "name": "blue"}},
}

SPECS: dict[type[model.Object], Json] = {
    kind: structural.schema_of(kind)["properties"]["spec"] for kind in kinds.KINDS
}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        ["", "10.0.0.7", "x" * 101, None, True, {}, [], ["10.0.0.7"], [7], ["x" * 101]]
    ),
    st.integers(-2, 130),
    st.sampled_from([2**31 - 1, 2**31, 0.5]),
)
"""Of every type, and on both sides of the bounds."""

every_kind = pytest.mark.parametrize(
    "kind", kinds.KINDS, ids=lambda k: f"{k.version.name}.{k.__name__}"
)


def file_of(api_version: str, kind: str) -> Path:
    group, version = api_version.split("/")
    return Path(group, f"{kind.lower()}_{version}.json")


def underlined(document: Json, path: Path = ALL) -> list[str]:
    """Return where an editor would underline something, and why, in the validator's words."""
    return problems(VALIDATORS[path], document)


def problems(validator: Any, value: object) -> list[str]:
    found = validator.iter_errors(value)
    return [f"{'.'.join(map(str, it.absolute_path))}: {it.message}" for it in found]


def changed(document: Json, **spec: object) -> Json:
    result = copy.deepcopy(document)
    result["spec"] |= spec
    return result


def properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of all fields with the required ones of their objects, at any depth."""
    for name, child in schema.get("properties", {}).items():
        inner = child.get("items", child)
        yield name, inner.get("required", [])
        yield from properties(inner)


def test_there_is_one_file_for_each_kind_and_version_and_one_for_all() -> None:
    one_each = {file_of(f"{GROUP}/{it.version.name}", it.resource.kind) for it in kinds.KINDS}

    assert set(FILES) == one_each | {ALL}


def test_the_documentation_names_files_that_exist() -> None:
    named = set(re.findall(r"config/schemas/([-\w./]+\.json)", DOCUMENTED.read_text()))

    assert named == {"all.json", file_of(POOL["apiVersion"], POOL["kind"]).as_posix()}
    assert {Path(name) for name in named} <= FILES.keys()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_is_a_schema_of_the_draft_that_editors_know(path: Path) -> None:
    assert FILES[path]["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(FILES[path])


@every_kind
def test_a_file_has_the_fields_of_the_structural_schema(kind: type[model.Object]) -> None:
    schema = FILES[file_of(f"{GROUP}/{kind.version.name}", kind.resource.kind)]

    assert list(properties(schema)) == list(properties(structural.schema_of(kind)))


@every_kind
@given(data=st.data())
def test_a_spec_is_underlined_if_it_does_not_fit_or_has_unknown_fields(
    kind: type[model.Object], data: st.DataObject
) -> None:
    api_version = f"{GROUP}/{kind.version.name}"
    schema = SPECS[kind]
    known = sorted(schema["properties"])
    spec: Json = data.draw(st.dictionaries(st.sampled_from([*known, "excludeAddresses"]), VALUES))
    document = {"apiVersion": api_version, "kind": kind.__name__, "metadata": {}, "spec": spec}

    fits = not problems(Draft7Validator(schema), spec) and spec.keys() <= set(known)

    assert (underlined(document) == []) is fits
    assert (underlined(document, file_of(api_version, kind.__name__)) == []) is fits


@every_kind
def test_all_says_the_same_as_each_file(kind: type[model.Object]) -> None:
    alone = dict(FILES[file_of(f"{GROUP}/{kind.version.name}", kind.resource.kind)])
    del alone["$schema"], alone["$comment"]

    name = f"{GROUP}.{kind.version.name}.{kind.resource.kind}"
    assert FILES[ALL]["definitions"][name] == alone


@pytest.mark.parametrize("document", [POOL, OLD], ids=["v1alpha2", "v1alpha1"])
def test_a_good_pool_is_not_underlined(document: Json) -> None:
    assert underlined(document) == []
    assert underlined(document, file_of(document["apiVersion"], document["kind"])) == []


@pytest.mark.parametrize(
    "document",
    [CLAIM, {"apiVersion": "v1", "kind": "Service"}, {"kind": "InClusterIPPool"}, {}],
    ids=["claim", "service", "half-typed", "empty"],
)
def test_all_is_silent_about_what_is_not_ours(document: Json) -> None:
    assert underlined(document) == []


@pytest.mark.parametrize("path", [ALL, file_of(POOL["apiVersion"], POOL["kind"])], ids=str)
@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param(
            {"excludeAddresses": []},
            "spec: Additional properties are not allowed ('excludeAddresses' was unexpected)",
            id="misspelled",
        ),
        pytest.param(
            {"subnet": "10.0.0.0/24"},
            "spec: Additional properties are not allowed ('subnet' was unexpected)",
            id="field-of-the-old-version",
        ),
        pytest.param(
            {"prefix": 129}, "spec.prefix: 129 is greater than the maximum of 128", id="bound"
        ),
        pytest.param({"prefix": "24"}, "spec.prefix: '24' is not of type 'integer'", id="type"),
        pytest.param(
            {"gateway": None}, "spec.gateway: None is not of type 'string'", id="left-empty"
        ),
        pytest.param({"addresses": []}, "spec.addresses: [] should be non-empty", id="no-items"),
    ],
)
def test_a_mistake_in_a_spec_is_underlined(path: Path, spec: Json, problem: str) -> None:
    assert underlined(changed(POOL, **spec), path) == [problem]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"apiVersion": f"{GROUP}/v1beta2"}, "apiVersion: 'ipam.cluster.x-k8s.io/v1beta2' is not"),
        ({"kind": "InClusterIpPool"}, "kind: 'InClusterIpPool' is not one of"),
    ],
    ids=["version", "kind"],
)
def test_a_version_or_kind_that_does_not_exist_is_underlined(wrong: Json, problem: str) -> None:
    (only,) = underlined(POOL | wrong)

    assert only.startswith(problem)


def test_apiversion_kind_and_metadata_are_needed() -> None:
    found = underlined({"spec": POOL["spec"]}, file_of(POOL["apiVersion"], POOL["kind"]))

    assert found == [
        f": {name!r} is a required property" for name in ("apiVersion", "kind", "metadata")
    ]


def test_a_deprecated_version_is_pointed_out() -> None:
    old = FILES[file_of(OLD["apiVersion"], OLD["kind"])]["properties"]["apiVersion"]

    assert old["deprecationMessage"] == (
        f"{GROUP}/v1alpha1 GlobalInClusterIPPool is deprecated; "
        f"use {GROUP}/v1alpha2 GlobalInClusterIPPool"
    )


def test_a_version_that_is_deprecated_without_a_text_is_pointed_out_in_the_servers_words() -> None:
    class Old(Thing):
        version: ClassVar = markers.Version("v0", deprecated=True)

    files = editor.files(crds.definitions([Old, Thing]), "make")

    old = json.loads(files[Path("example.com", "thing_v0.json")])
    warning = old["properties"]["apiVersion"]["deprecationMessage"]
    assert warning == "example.com/v0 Thing is deprecated"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param(
            {"type": "integer", "format": "int32", "minimum": 0},
            {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
            id="int32",
        ),
        pytest.param(
            {"type": "integer", "format": "int64"}, {"type": "integer"}, id="unknown-format"
        ),
        pytest.param(
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date-time"},
            id="known-format",
        ),
        pytest.param(
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
            id="nullable",
        ),
        pytest.param(
            {
                "x-kubernetes-int-or-string": True,
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            {
                "type": ["integer", "string"],
                "anyOf": [{"type": "integer"}, {"type": "string"}],
            },
            id="int-or-string",
        ),
        pytest.param(
            {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1},
            {"type": "number", "minimum": 0, "exclusiveMinimum": 0, "maximum": 1},
            id="exclusive",
        ),
        pytest.param(
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            id="set",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "object", "properties": {}}},
            {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {},
                    "additionalProperties": False,
                },
            },
            id="map",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "x-kubernetes-preserve-unknown-fields": True,
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": True,
            },
            id="unknown-fields",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"spec": {"type": "object"}},
                "x-kubernetes-embedded-resource": True,
            },
            {"type": "object", "properties": {"spec": {"type": "object"}}},
            id="embedded",
        ),
        pytest.param(
            {"type": "string", "title": "Name", "example": "a"},
            {"type": "string", "title": "Name", "examples": ["a"]},
            id="example",
        ),
    ],
)
def test_what_kubernetes_says_its_own_way_is_said_in_draft_07(schema: Json, expected: Json) -> None:
    assert editor.draft_07(schema) == expected
    Draft7Validator.check_schema(expected)


class Spec(model.Model):
    """What a thing is."""

    size: Annotated[int, Field(ge=1)] = 3
    """In meters."""


class Thing(model.Object):
    """Something."""

    resource: ClassVar = resources.Resource(
        "example.com", "Thing", "things", "Cluster", ("v0", "v1")
    )
    version: ClassVar = markers.Version("v1", storage=True)
    spec: Spec


def test_what_is_said_of_metadata_holds_and_the_rest_of_it_is_free() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}

    assert editor.draft_07(schema, closed=False) == schema


def test_a_version_that_is_not_served_has_no_file() -> None:
    class Old(Thing):
        version: ClassVar = markers.Version("v0", served=False)

    assert editor.files(crds.definitions([Old, Thing]), "make") == editor.files(
        crds.definitions([Thing]), "make"
    )


def test_the_files_of_a_small_api() -> None:
    thing = {
        "title": "Thing v1",
        "description": "Something.",
        "properties": {
            "apiVersion": {
                "description": "Group and version of this object's schema.",
                "type": "string",
                "enum": ["example.com/v1"],
            },
            "kind": {
                "description": "The kind of this object.",
                "type": "string",
                "enum": ["Thing"],
            },
            "metadata": {"type": "object"},
            "spec": {
                "description": "What a thing is.",
                "properties": {
                    "size": {
                        "default": 3,
                        "description": "In meters.",
                        "minimum": 1,
                        "type": "integer",
                    }
                },
                "type": "object",
                "additionalProperties": False,
            },
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "type": "object",
        "additionalProperties": False,
    }
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated by `make`; do not edit.",
    }

    def choice(conditions: Json, then: Json) -> Json:
        return {"if": {"properties": conditions, "required": list(conditions)}, "then": then}

    texts = editor.files(crds.definitions([Thing]), "make")

    assert {path: json.loads(text) for path, text in texts.items()} == {
        Path("example.com", "thing_v1.json"): head | thing,
        ALL: {
            **head,
            "type": "object",
            "allOf": [
                choice(
                    {"apiVersion": {"const": "example.com/v1"}, "kind": {"const": "Thing"}},
                    {"$ref": "#/definitions/example.com.v1.Thing"},
                ),
                choice(
                    {"apiVersion": {"pattern": "^example[.]com/"}, "kind": {"const": "Thing"}},
                    {"properties": {"apiVersion": {"enum": ["example.com/v1"]}}},
                ),
                choice(
                    {"apiVersion": {"const": "example.com/v1"}},
                    {"properties": {"kind": {"enum": ["Thing"]}}},
                ),
            ],
            "definitions": {"example.com.v1.Thing": thing},
        },
    }
    assert all(text.endswith("}\n") for text in texts.values())
