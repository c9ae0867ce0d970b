# SPDX-License-Identifier: Apache-2.0
"""Each step from Pydantic's schema to a structural one, and each refusal."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import ConfigDict, Field, ValidationError

from crdkit import errors
from crdkit.models import markers, model, values
from crdkit.schema import structural


class Inner(model.Model):
    """What is inside."""

    size: int


class Outer(model.Model):
    """All that is supported."""

    plain: Annotated[str, Field(min_length=1, max_length=9, pattern="^a")]
    choice: Literal["x", "y"]
    only: Literal["z"]
    may_be_absent: bool | None = None
    with_default: Annotated[int, Field(ge=0, le=9)] = 5
    inner: Inner
    described: Inner | None = None
    """A better description."""
    inners: Annotated[tuple[Inner, ...], Field(max_length=3)]
    by_name: dict[str, Inner]
    any_fields: dict[str, Any]
    any_value: Any


INNER = {
    "description": "What is inside.",
    "properties": {"size": {"type": "integer"}},
    "required": ["size"],
    "type": "object",
}


def field(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = structural.schema_of(Outer)["properties"][name]
    return schema


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("plain", {"maxLength": 9, "minLength": 1, "pattern": "^a", "type": "string"}),
        ("choice", {"enum": ["x", "y"], "type": "string"}),
        ("only", {"enum": ["z"], "type": "string"}),
        ("mayBeAbsent", {"type": "boolean"}),
        ("withDefault", {"default": 5, "maximum": 9, "minimum": 0, "type": "integer"}),
        ("inner", INNER),
        ("described", {**INNER, "description": "A better description."}),
        ("inners", {"items": INNER, "maxItems": 3, "type": "array"}),
        ("byName", {"additionalProperties": INNER, "type": "object"}),
        ("anyFields", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ("anyValue", {"x-kubernetes-preserve-unknown-fields": True}),
    ],
)
def test_a_field_becomes_structural(name: str, schema: dict[str, Any]) -> None:
    assert field(name) == schema


def test_the_object_itself_says_what_is_required_and_nothing_else() -> None:
    schema = structural.schema_of(Outer)

    assert schema.keys() == {"description", "properties", "required", "type"}
    assert schema["required"] == [
        "anyFields",
        "anyValue",
        "byName",
        "choice",
        "inner",
        "inners",
        "only",
        "plain",
    ]


def test_keys_are_in_alphabetical_order() -> None:
    schema = structural.schema_of(Outer)

    assert list(schema) == sorted(schema)
    assert list(schema["properties"]) == sorted(schema["properties"])
    assert list(field("only")) == sorted(field("only"))


class Bounded(model.Model):
    above: Annotated[int, Field(gt=0)]
    below: Annotated[float, Field(lt=1, multiple_of=0.5)]


def test_an_exclusive_bound_is_a_flag_as_openapi_has_it() -> None:
    assert structural.schema_of(Bounded)["properties"] == {
        "above": {"exclusiveMinimum": True, "minimum": 0, "type": "integer"},
        "below": {"exclusiveMaximum": True, "maximum": 1, "multipleOf": 0.5, "type": "number"},
    }


class Colour(StrEnum):
    """A colour."""

    RED = "red"


class Named(model.Model):
    model_config = ConfigDict(title="A named thing")

    own: Annotated[int, Field(title="A number", examples=[3])]
    maybe: Annotated[int | None, Field(title="Maybe a number", examples=[3])] = None
    inner: Annotated[Inner, Field(title="What is in it", examples=[{"size": 1}])]
    colour: Annotated[Colour, Field(title="The colour")]
    bare: Inner
    bare_colour: Colour


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("own", {"example": 3, "title": "A number", "type": "integer"}),
        ("maybe", {"example": 3, "title": "Maybe a number", "type": "integer"}),
        ("inner", {**INNER, "example": {"size": 1}, "title": "What is in it"}),
        (
            "colour",
            {
                "description": "A colour.",
                "enum": ["red"],
                "title": "The colour",
                "type": "string",
            },
        ),
        ("bare", INNER),
        ("bareColour", {"description": "A colour.", "enum": ["red"], "type": "string"}),
    ],
)
def test_titles_and_examples_are_those_that_were_written(name: str, schema: dict[str, Any]) -> None:
    whole = structural.schema_of(Named)

    assert whole["title"] == "A named thing"
    assert whole["properties"][name] == schema


class Described(model.Model):
    how_many: int = 1
    note: str | None = None


class Ruled(model.Model):
    rules: ClassVar = (markers.CEL("self.size > 0", "is empty"),)

    size: int = 1


class Ruling(model.Model):
    required: Annotated[Ruled, markers.CEL("self.size < 9", "is full")]
    optional: Annotated[Ruled, markers.CEL("self.size < 9", "is full")] | None = None
    around: Annotated[Ruled | None, markers.CEL("self.size < 9", "is full")] = None


@pytest.mark.parametrize("name", ["required", "optional", "around"])
def test_the_rules_of_a_model_and_of_its_field_both_hold(name: str) -> None:
    assert structural.schema_of(Ruling)["properties"][name]["x-kubernetes-validations"] == [
        {"message": "is empty", "rule": "self.size > 0"},
        {"message": "is full", "rule": "self.size < 9"},
    ]


class Defaulting(model.Model):
    inner: Described = Described()
    inners: tuple[Described, ...] = (Described(note="x"),)


def test_a_default_has_json_names_and_no_nulls() -> None:
    properties = structural.schema_of(Defaulting)["properties"]

    assert properties["inner"]["default"] == {"howMany": 1}
    assert properties["inners"]["default"] == [{"howMany": 1, "note": "x"}]


class Either(model.Model):
    size: bool | str


class MustBeNull(model.Model):
    size: int | None


class Tree(model.Model):
    left: "Tree | None" = None


class Forest(model.Model):
    trees: tuple[Tree, ...]


class Closed(model.Model):
    model_config = ConfigDict(extra="forbid")


class Sets(model.Model):
    names: list[frozenset[str]]


class Cat(model.Model):
    kind: Literal["cat"]


class Dog(model.Model):
    kind: Literal["dog"]


class Tagged(model.Model):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Keyed(model.Model):
    names: dict[Annotated[str, Field(pattern="^a")], int]


class Pair(model.Model):
    pair: tuple[int, str]


class Extended(model.Model):
    name: Annotated[str, Field(json_schema_extra={"x-kubernetes-colour": "red"})]


class Mixed(model.Model):
    choice: Literal["a", 1]


class Extra(model.Model):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]  # pyright: ignore[reportIncompatibleVariableOverride] - as Pydantic documents

    known: bool


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Either,
            (
                "Either.size: a value has one type, not one of several: boolean, string; choose "
                "one, or int | str, or a model with a field for each"
            ),
        ),
        (
            MustBeNull,
            (
                "MustBeNull.size: may be null and must be there: give it the default None, or "
                "mark it as Nullable"
            ),
        ),
        (
            Tree,
            (
                "Tree.left: Tree contains itself: a structural schema has an end; type the inner "
                "one dict[str, Any], or give each level a model"
            ),
        ),
        (
            Forest,
            (
                "Forest.trees[].left: Tree contains itself: a structural schema has an end; type "
                "the inner one dict[str, Any], or give each level a model"
            ),
        ),
        (
            Closed,
            (
                'Closed: extra="forbid" has no place in a structural schema: fields are pruned; '
                "take it out of model_config"
            ),
        ),
        (
            Sets,
            (
                "Sets.names[]: 'uniqueItems' (True) has no place in a structural schema: "
                'write tuple[X, ...] with ListType("set")'
            ),
        ),
        (
            Keyed,
            (
                "Keyed.names: 'patternProperties' ({'^a': {'type': 'integer'}}) has no place in a "
                "structural schema: a schema can't restrict keys: do it by a CEL rule of the map"
            ),
        ),
        (Mixed, "Mixed.choice: its values are of several types: choose one type"),
        (
            Extra,
            "Extra: has fields and unknown fields of one type: give these a map of their own",
        ),
    ],
)
def test_what_has_no_structural_schema_is_refused_with_its_place(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == message
    assert refusal.value.path == message.partition(":")[0]
    assert refusal.value.problem == message.partition(": ")[2]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Tagged, "write one model with the fields of all, and a CEL rule in its `rules`"),
        (Pair, "all items of a list are of one type: write tuple[X, ...]"),
        (Extended, "take it out of the field's type"),
    ],
)
def test_a_refusal_says_what_to_write_instead(kind: type[model.Model], message: str) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value).endswith(f"has no place in a structural schema: {message}")


class Valued(model.Model):
    share: values.IntOrString
    memory: values.Quantity
    at: values.Timestamp


@pytest.mark.parametrize(
    "manifest",
    [
        {"share": 3, "memory": 5, "at": "2026-01-02T03:04:05Z"},
        {"share": "50%", "memory": "1.5Gi", "at": "2026-01-02T03:04:05.678900+01:00"},
    ],
)
def test_the_values_of_kubernetes_come_back_as_they_were_written(manifest: dict[str, Any]) -> None:
    assert Valued.model_validate(manifest).as_json() == manifest


@pytest.mark.parametrize(
    "bad",
    [
        {"share": 1.5},
        {"share": True},
        {"memory": "1.5 Gi"},
        {"at": 5},
        {"at": "2026-01-02T03:04:05"},
        {"at": "noon"},
    ],
)
def test_other_values_are_refused_in_python_too(bad: dict[str, Any]) -> None:
    good = {"share": 3, "memory": 5, "at": "2026-01-02T03:04:05Z"}

    with pytest.raises(ValidationError):
        Valued.model_validate({**good, **bad})
