# SPDX-License-Identifier: Apache-2.0
"""Models and schemas agree: for every kind in every version, whatever it is about."""

from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import kinds
from crdkit.models import model
from crdkit.schema import structural

Schema = dict[str, Any]

every_kind = pytest.mark.parametrize(
    "kind", kinds.KINDS, ids=lambda k: f"{k.version.name}.{k.__name__}"
)


def objects_of(schema: Schema) -> st.SearchStrategy[Any]:
    """Return values that a structural schema admits; its CEL rules are not looked at."""
    match schema["type"]:
        case "object":
            return fields_of(schema)
        case "array":
            low = schema.get("minItems", 0)
            return st.lists(objects_of(schema["items"]), min_size=low, max_size=low + 2)
        case "string":
            return texts_of(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
        case _:
            return st.booleans()


def fields_of(schema: Schema) -> st.SearchStrategy[Any]:
    required = set(schema.get("required", []))
    fields = {name: objects_of(child) for name, child in schema.get("properties", {}).items()}
    return st.fixed_dictionaries(
        {name: fields[name] for name in fields.keys() & required},
        optional={name: fields[name] for name in fields.keys() - required},
    )


def texts_of(schema: Schema) -> st.SearchStrategy[str]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        texts = st.from_regex(
            schema["pattern"].replace("$", r"\Z"), alphabet=st.characters(codec="ascii")
        )
        return texts.filter(lambda text: len(text) <= schema["maxLength"])
    return st.text(min_size=schema.get("minLength", 0), max_size=5)


OBJECTS = {kind: objects_of(structural.schema_of(kind)) for kind in kinds.KINDS}


def beyond_bounds(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield values just outside of each bound below the properties, with their paths."""
    for name, child in schema.get("properties", {}).items():
        here = (*path, name)
        dotted = ".".join(here)
        if "minimum" in child:
            yield dotted, child["minimum"] - 1
        if "maximum" in child:
            yield dotted, child["maximum"] + 1
        if "minItems" in child:
            yield dotted, []
        if "maxItems" in child:
            yield dotted, ["10.0.0.1"] * (child["maxItems"] + 1)
            yield dotted, ["x" * (child["items"]["maxLength"] + 1)]
        if "maxLength" in child:
            yield dotted, "x" * (child["maxLength"] + 1)
        yield dotted, {"of": "another type"} if child["type"] != "object" else "no object"
        yield from beyond_bounds(child, here)


@every_kind
@given(data=st.data())
def test_what_the_schema_admits_comes_back_unchanged(
    kind: type[model.Object], data: st.DataObject
) -> None:
    manifest = data.draw(OBJECTS[kind])

    assert kind.model_validate(manifest).as_json() == manifest


@every_kind
def test_what_the_schema_refuses_the_model_refuses(kind: type[model.Object]) -> None:
    for path, value in beyond_bounds(structural.schema_of(kind)):
        *parents, name = path.split(".")
        manifest: Schema = {name: value}
        for parent in reversed(parents):
            manifest = {parent: manifest}

        with pytest.raises(pydantic.ValidationError) as refusal:
            kind.model_validate(manifest)
        assert any(".".join(map(str, e["loc"])).startswith(path) for e in refusal.value.errors()), (
            path
        )


@every_kind
def test_what_is_required_is_required_by_both(kind: type[model.Object]) -> None:
    spec = structural.schema_of(kind)["properties"]["spec"]

    for name in spec.get("required", []):
        with pytest.raises(pydantic.ValidationError, match=name):
            kind.model_validate({"spec": {}})


@every_kind
def test_every_field_has_a_description(kind: type[model.Object]) -> None:
    def undescribed(schema: Schema, path: str) -> Iterator[str]:
        for name, child in schema.get("properties", {}).items():
            if "description" not in child:
                yield f"{path}.{name}"
            yield from undescribed(child.get("items", child), f"{path}.{name}")

    metadata_has_none = ".metadata"  # the API server refuses one there
    assert list(undescribed(structural.schema_of(kind), "")) == [metadata_has_none]
