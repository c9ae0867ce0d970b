# SPDX-License-Identifier: Apache-2.0
"""Each step from Pydantic's schema to a structural one, and each refusal."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field

from api import model
from generator import errors, structural


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


class Either(model.Model):
    size: int | str


class MustBeNull(model.Model):
    size: int | None


class Tree(model.Model):
    left: "Tree | None" = None


class Closed(model.Model):
    model_config = ConfigDict(extra="forbid")


class Sets(model.Model):
    names: list[frozenset[str]]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Either, "Either.size: a value has one type, not one of several: integer, string"),
        (MustBeNull, "MustBeNull.size: may be null and must be there: give it the default None"),
        (Tree, "Tree.left: Tree contains itself: a structural schema has an end"),
        (
            Closed,
            'Closed: extra="forbid" has no place in a structural schema: fields are pruned',
        ),
        (Sets, "Sets.names[]: 'uniqueItems' (True) has no place in a structural schema"),
    ],
)
def test_what_the_api_server_would_refuse_is_refused_with_its_place(
    kind: type[model.Model], message: str
) -> None:
    with pytest.raises(errors.SchemaError) as refusal:
        structural.schema_of(kind)

    assert str(refusal.value) == message
    assert refusal.value.path == message.partition(":")[0]
    assert refusal.value.problem == message.partition(": ")[2]
