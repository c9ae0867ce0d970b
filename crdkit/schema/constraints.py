# SPDX-License-Identifier: Apache-2.0
"""Constraints by the names that the API server has for them, whatever Pydantic calls them.

Behind a validator, Pydantic gives a constraint its Python name (`ge`), or the name that it has for
strings (`maxLength` of a list).  It does so, too, around a type that it can't constrain itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SchemaError

Schema = Mapping[str, Any]

_NAMES = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_NUMBERS = frozenset({"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"})
_SIZES = frozenset(f"{end}{what}" for end in ("min", "max") for what in ("Length", "Items"))
_UNITS = {"array": "Items", "object": "Properties", "string": "Length"}
"""What the size of a value counts, by its type."""

_TIGHTER: Mapping[str, Callable[[Any, Any], Any]] = {"min": max, "max": min}
"""Which of two bounds holds, by how their names begin."""


def of_a_union(schema: Schema, path: str) -> None:
    """Make sure that only its alternatives constrain an int-or-string.

    Raises:
        SchemaError: a constraint stands at all alternatives, but can only be applied to one.
    """
    for key in schema:
        if _NAMES.get(key, key) in _NUMBERS | _SIZES:
            raise SchemaError(
                path,
                f"{key} stands at the whole union, and fails at values of the other type: write it "
                "at its own type, as in Annotated[int, Field(ge=0)] | str",
            )


def normalized(schema: Schema, path: str) -> dict[str, Any]:
    """Return a schema with its constraints by the API server's names.

    Raises:
        SchemaError: a constraint means nothing for the type of the value.
    """
    result = dict[str, Any]()
    for key, value in schema.items():
        name = _name(key, schema, path)
        if name != key and name in schema:
            raise SchemaError(path, f"has two of {name}: write one")
        result[name] = value
    for bound in ("minimum", "maximum"):
        result |= _exclusive(result.pop(f"exclusive{bound.capitalize()}", None), bound, result)
    return result


def _name(key: str, schema: Schema, path: str) -> str:
    """Return the API server's name of a constraint; other keys stay as they are."""
    name = _NAMES.get(key, key)
    kind = schema.get("type")
    if name in _NUMBERS and (
        kind not in {"integer", "number"} or not isinstance(schema[key], int | float)
    ):
        raise _misplaced(key, kind, path)
    if name in _SIZES:
        if kind not in _UNITS:
            raise _misplaced(key, kind, path)
        return f"{name[:3]}{_UNITS[kind]}"
    return name


def _misplaced(key: str, kind: object, path: str) -> SchemaError:
    return SchemaError(
        path,
        f"{key} stands at a value of type {kind or 'any'}, which has no such bound: take it out",
    )


def _exclusive(edge: float | None, bound: str, schema: Schema) -> dict[str, Any]:
    """Return a bound that is out of bounds itself: a flag beside the bound, in OpenAPI 3.0.

    Where there are both, the tighter one holds.
    """
    if edge is None or (bound in schema and _TIGHTER[bound[:3]](edge, schema[bound]) != edge):
        return {}
    return {bound: edge, f"exclusive{bound.capitalize()}": True}
