# SPDX-License-Identifier: Apache-2.0
"""Whether a value is one that a structural schema admits, as the API server would judge it.

Caveats:
    CEL rules are not looked at.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from . import formats, patterns

Schema = Mapping[str, Any]
Problems = Iterator[tuple[str, str]]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}

_EMBEDDED: Mapping[str, Schema] = {
    "apiVersion": {"type": "string", "minLength": 1},
    "kind": {"type": "string", "pattern": "^[A-Za-z]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$"},
    "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
"""The fields that an embedded object has besides those of its schema; it needs the first two.

Source: k8s.io/apiextensions-apiserver, pkg/apiserver/schema/objectmeta/validation.go
"""

_ROUNDING = 1e-9
"""By how much, relatively, a quotient may differ from a whole number.

Source: github.com/go-openapi/swag, IsFloat64AJSONInteger
"""


def problems(value: JsonValue, schema: Schema, path: str = "") -> Problems:
    """Yield where something is wrong with a value, and what; the place ends in `: ` if any."""
    where = f"{path}: " if path else ""
    if value is None and schema.get("nullable"):
        return
    wanted = _wanted(schema)
    if wanted and not any(_is(value, name) for name in wanted):
        yield where, f"{value!r} is no {' or '.join(wanted)}"
        return
    if value not in schema.get("enum", [value]):
        yield where, f"{value!r} is none of {', '.join(map(repr, schema['enum']))}"
    for problem in (*_beyond(value, schema), *_none_of(value, schema)):
        yield where, problem
    if isinstance(value, dict):
        yield from _fields(value, schema, path)
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), f"{path}[{number}]")


def _wanted(schema: Schema) -> list[str]:
    if "x-kubernetes-int-or-string" in schema:
        return ["integer", "string"]
    return [schema["type"]] if "type" in schema else []


def _is(value: JsonValue, name: str) -> bool:
    """Return whether a JSON value has a type; true and false are not numbers."""
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _beyond(value: JsonValue, schema: Schema) -> Iterator[str]:
    """Yield the bounds that a value exceeds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(value, schema)
    if isinstance(value, str | list | dict):
        name = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
        size = len(value)
        low, high = schema.get(f"min{name}", 0), schema.get(f"max{name}", size)
        if not low <= size <= high:
            yield f"{value!r} is not between min{name} {low} and max{name} {high}"
    if isinstance(value, str):
        yield from _text(value, schema)


def _none_of(value: JsonValue, schema: Schema) -> Iterator[str]:
    """Yield why a value is none of the alternatives."""
    reasons = [[problem for _, problem in problems(value, it)] for it in schema.get("anyOf", ())]
    if reasons and all(reasons):
        yield ", and ".join(each[0] for each in reasons)


def _text(value: str, schema: Schema) -> Iterator[str]:
    if "pattern" in schema and not patterns.matches(schema["pattern"], value):
        yield f"{value!r} does not match {schema['pattern']}"
    if "format" in schema and not formats.fits_text(value, schema["format"]):
        yield f"{value!r} is no {schema['format']}"


def _number(value: float, schema: Schema) -> Iterator[str]:
    if not abs(value) <= sys.float_info.max:  # so is nan, which is neither more nor less
        yield f"{value!r} is no number in JSON"
        return
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if value < low or (value == low and schema.get("exclusiveMinimum")):
        yield f"{value!r} is below the minimum of {low}"
    if value > high or (value == high and schema.get("exclusiveMaximum")):
        yield f"{value!r} is above the maximum of {high}"
    if "multipleOf" in schema and not _is_multiple(value, schema["multipleOf"]):
        yield f"{value!r} is no multiple of {schema['multipleOf']}"
    name = schema.get("format", "int64" if schema.get("type") == "integer" else "double")
    if not formats.fits_number(value, name):
        yield f"{value!r} is no {name}"


def _is_multiple(value: float, of: float) -> bool:
    """Return whether a number is a multiple; of floats up to rounding, as 0.3 is one of 0.1."""
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    return abs(math.remainder(value, of)) <= _ROUNDING * abs(value)


def _fields(value: Mapping[str, JsonValue], schema: Schema, path: str) -> Problems:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    required = list(schema.get("required", []))
    where = f"{path}: " if path else ""
    if "x-kubernetes-embedded-resource" in schema:
        known = {**_EMBEDDED, **known}
        required += ["apiVersion", "kind"]
    for name in required:
        if name not in value and "default" not in known.get(name, {}):
            yield where, f"{name} is missing"
    for name, item in value.items():
        here = f"{path}.{name}".removeprefix(".")
        if name in known:
            yield from problems(item, known[name], here)
        elif others is not None:
            yield from problems(item, others, here)
        elif "x-kubernetes-preserve-unknown-fields" not in schema:
            yield where, f"{name} is no field"
