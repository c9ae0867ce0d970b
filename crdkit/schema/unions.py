# SPDX-License-Identifier: Apache-2.0
"""Unions: what a structural schema can say of a value that is one of several things.

It is an integer or a string, or all alternatives are of one plain type and differ in what they
demand: an IPv4 or an IPv6 address, `auto` or a name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SchemaError

Schema = Mapping[str, Any]

INT_OR_STRING = "x-kubernetes-int-or-string"
EITHER: Schema = {"anyOf": [{"type": "integer"}, {"type": "string"}], INT_OR_STRING: True}
"""The one way to say int-or-string that the API server takes."""

_FOR_PEOPLE = frozenset({"description", "example", "title"})
"""Keys that alternatives can't have."""

_PLAIN = frozenset({"boolean", "integer", "number", "string"})
_OF_STRINGS = frozenset({"maxLength", "minLength", "pattern"})
_OF_NUMBERS = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"}
)
_OF_ALTERNATIVES = _OF_STRINGS | _OF_NUMBERS | {"enum", "format"}

_MODELS = "write one model with the fields of all, and a CEL rule in its `rules`"


def merged(options: Sequence[Schema], path: str) -> dict[str, Any]:
    """Return one structural schema for several.

    Raises:
        SchemaError: they are of types that can't stand beside each other.
    """
    kinds = [str(option.get("type", "any")) for option in options]
    if set(kinds) == {"integer", "string"}:
        return _either(options, path)
    if len(set(kinds)) == 1 and kinds[0] in _PLAIN:
        return _one_of(kinds[0], options, path)
    raise SchemaError(
        path, f"a value has one type, not one of several: {', '.join(kinds)}; {_advice(kinds)}"
    )


def _advice(kinds: Sequence[str]) -> str:
    if set(kinds) == {"integer", "number"}:
        return "write float, which is for integers, too"
    if set(kinds) == {"object"}:
        return _MODELS
    return "choose one, or int | str, or a model with a field for each"


def _either(options: Sequence[Schema], path: str) -> dict[str, Any]:
    """Return int-or-string; a number obeys the bounds, a string its length and its pattern."""
    result = dict(EITHER)
    for option in options:
        demands = _demands(option, _OF_STRINGS | _OF_NUMBERS, path)
        if twice := sorted(demands.keys() & result.keys()):
            raise SchemaError(path, f"two of its alternatives have a {twice[0]}: keep one of them")
        result |= demands
    return result


def _one_of(kind: str, options: Sequence[Schema], path: str) -> dict[str, Any]:
    """Return the common type with what each alternative demands; nothing where one takes any."""
    demands = [_demands(option, _OF_ALTERNATIVES, path) for option in options]
    if not all(demands):
        return {"type": kind}
    if all(demand.keys() == {"enum"} for demand in demands):
        values = dict.fromkeys(value for demand in demands for value in demand["enum"])
        return {"type": kind, "enum": list(values)}
    return {"type": kind, "anyOf": demands}


def _demands(option: Schema, known: frozenset[str], path: str) -> dict[str, Any]:
    """Return what an alternative demands besides its type."""
    demands = {
        key: value for key, value in option.items() if key not in _FOR_PEOPLE and key != "type"
    }
    if strange := sorted(demands.keys() - known):
        raise SchemaError(
            path, f"one of its alternatives has {strange[0]}, which only a whole value can have: "
            "say it in a CEL rule of the field"
        )  # fmt: skip
    return demands
