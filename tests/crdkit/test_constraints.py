# SPDX-License-Identifier: Apache-2.0
"""No constraint is lost: what a model refuses by one, its schema refuses, or there is no schema."""

import json
from collections.abc import Callable, Sequence
from datetime import date
from enum import IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pydantic_core
import pytest
from made_models import make
from pydantic import (
    AfterValidator,
    AnyUrl,
    BeforeValidator,
    Field,
    JsonValue,
    PydanticUserError,
    SecretStr,
    ValidationError,
    WrapValidator,
)

from crdkit import errors
from crdkit.models import markers, model, values
from crdkit.schema import structural
from crdkit.validate import value_validation


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 9


TYPES: list[Any] = [
    *(int, float, str, bool, Any, list[int], tuple[int, ...], dict[str, int], dict[Colour, int]),
    *(Sequence[int], int | str, values.Quantity, SecretStr, AnyUrl, UUID, date, Level, Colour),
    *(Literal["a", "abcd"], IPv4Address | IPv6Address, Annotated[str, markers.Format("uri")]),
    Annotated[int, Field(ge=1)] | Annotated[str, Field(max_length=4)],
    Literal["a"] | Annotated[str, Field(min_length=2)],
]

CONSTRAINTS: list[Any] = [
    *(Field(ge=3), Field(lt=3), Field(multiple_of=2), Field(ge=1, gt=3), Field(le=3, lt=4)),
    *(Field(min_length=2), Field(max_length=2), Field(pattern="^a"), Field(ge=date(2020, 1, 1))),
    Field(min_length=1, max_length=1, pattern="b"),
]


def same(value: Any) -> Any:
    return value


def wrapped(value: Any, handler: Any) -> Any:
    return handler(value)


def or_none(kind: Any) -> Any:
    return kind | None


ASIDE: dict[str, Callable[[Any, Any], Any]] = {
    "plain": lambda kind, by: Annotated[kind, by],
    "optional inside": lambda kind, by: or_none(Annotated[kind, by]),
    "optional": lambda kind, by: Annotated[kind | None, by],
    "before after": lambda kind, by: Annotated[kind, by, AfterValidator(same)],
    "after": lambda kind, by: Annotated[kind, AfterValidator(same), by],
    "after, optional": lambda kind, by: Annotated[kind | None, AfterValidator(same), by],
    "before": lambda kind, by: Annotated[kind, BeforeValidator(same), by],
    "wrap": lambda kind, by: Annotated[kind, WrapValidator(wrapped), by],
    "twice": lambda kind, by: Annotated[kind, by, AfterValidator(same), by],
    "looser behind": lambda kind, by: Annotated[
        kind, by, AfterValidator(same), Field(min_length=0), Field(ge=0)
    ],
    "items": lambda kind, by: tuple[Annotated[kind, by], ...],
    "map": lambda kind, by: dict[str, Annotated[kind, by]],
    "keys": lambda kind, by: dict[Annotated[kind, by], int],
    "of a union": lambda kind, by: Annotated[kind, by] | Level | str,
}
"""Ways to put a constraint to a type."""

TRIED: list[JsonValue] = [
    *(0, 1, 2, 3, 4, 9, 0.5, 3.5, 4.0, -1, "", "a", "ab", "abcd", "b", "red", "blue", "3", "5Gi"),
    *(
        "10.0.0.1",
        "fd00::1",
        "2019-12-31",
        "2021-01-01",
        "2019-12-31T00:00:00Z",
        "x:y",
        "a:b",
        True,
    ),
    *("0b6e5d9c-5b1e-4e2c-8f3d-2a6b1c0d4e5f", "2021-01-01T00:00:00Z", [], [1], [1, 2, 3], {}),
    *({"a": 1}, {"a": 1, "b": 2, "c": 3}, {"red": 1}, {"red": 1, "blue": 2}, {"abcd": 1}, {"5": 1}),
]


def of_type(kind: Any) -> type[model.Model]:
    return make("Spec", model.Model, {"x": kind})


def takes(spec: type[model.Model], value: JsonValue) -> bool:
    try:
        spec.model_validate_json(json.dumps({"x": value}))
    except (ValidationError, TypeError):
        return False
    return True


def lost(kind: Any, way: str, constraint: Any, taken: list[JsonValue]) -> list[JsonValue]:
    """Return the values that a constraint refuses in Python, but not in the schema."""
    try:
        spec = of_type(ASIDE[way](kind, constraint))
        refused = [value for value in taken if not takes(spec, value)]
        if len(refused) in (0, len(taken)):  # it fails at any value, as Python says at the first
            return []
        schema = structural.schema_of(spec)["properties"]["x"]
    except (PydanticUserError, pydantic_core.SchemaError, TypeError, errors.SchemaError):
        return []
    return [value for value in refused if not list(value_validation.problems(value, schema))]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("way", ASIDE)
def test_no_constraint_is_lost_wherever_it_stands(way: str, kind: Any) -> None:
    free = of_type(ASIDE[way](kind, None))
    inside: dict[str, Callable[[Any], Any]] = {
        "items": lambda it: [it],
        "map": lambda it: {"k": it},
    }
    taken = [value for value in map(inside.get(way, same), TRIED) if takes(free, value)]

    found = {str(by): these for by in CONSTRAINTS if (these := lost(kind, way, by, taken))}

    assert found == {}
