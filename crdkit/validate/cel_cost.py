# SPDX-License-Identifier: Apache-2.0
"""Whether the rules of a schema stay inside the API server's budget.

Flow:
    The API server estimates before it takes a CRD what each rule can cost at worst: what is in the
    text, times how often the place of the rule can be there.  So does this, from maxItems,
    maxLength and maxProperties on the way down; what has no bound is as large as a request can be.

Caveats:
    An estimate of an estimate, from the text alone: near the budget the API server may say
    otherwise.  The rules in tests/crdkit/test_cel_cost.py come within a fifth of what it says,
    all but one, where it forgets how long a string is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CostError
from . import cel_text

Schema = Mapping[str, Any]

_RULE_BUDGET = 10_000_000
"""Of one rule.  Source: k8s.io/apiextensions-apiserver, StaticEstimatedCostLimit"""

_SCHEMA_BUDGET = 100_000_000
"""Of all rules of one version.  Source: the same, StaticEstimatedCRDCostLimit"""

_MANY = 100
"""Times of a budget beyond which the number says no more than `far too much`."""

_REQUEST = 3 * 1024 * 1024
"""Bytes of a request, which bound what has no bound.  Source: k8s.io/apiserver, pkg/apis/cel"""

_BYTES = 4  # of a character, at most

_SMALLEST = {"array": 2, "boolean": 4, "integer": 1, "number": 1, "string": 2}
"""Bytes of JSON that a value takes at least."""

_TIMES = {"date": (12, 12), "date-time": (21, 32), "duration": (3, 32)}
"""Bytes of JSON that a formatted string takes at least, and at most."""


def check(schema: Schema, path: str) -> None:
    """Estimate every rule of a schema.

    Raises:
        CostError: a rule, or all of them together, would cost too much.
    """
    total = 0.0
    for place in _places(_Place(schema, path, 1, ())):
        for rule in place.schema.get("x-kubernetes-validations", []):
            total += _checked(place, rule)
    if total > _SCHEMA_BUDGET:
        raise CostError(
            path,
            f"all rules together could cost the API server {_times(total / _SCHEMA_BUDGET)} its "
            "budget: give lists and strings a smaller max_length",
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """A schema, how often it can be there, and the lists above it that make this unbounded."""

    schema: Schema
    path: str
    times: int
    unbounded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A value with a schema."""

    schema: Schema
    path: str

    @property
    def size(self) -> int:
        """Bytes of a string, items of a list or a map; 0 of everything else."""
        return _size(self.schema)

    def field(self, name: str) -> cel_text.Value:
        """Return the field of an object, or the value of a key of a map."""
        properties = self.schema.get("properties", {})
        child = properties.get(name) or self.schema.get("additionalProperties")
        return _Known(child, f"{self.path}.{name}") if child else cel_text.Computed()

    def item(self) -> cel_text.Value:
        """Return any item of a list, or any value of a map."""
        for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if key in self.schema:
                return _Known(self.schema[key], f"{self.path}{mark}")
        return cel_text.Computed()


def _checked(place: _Place, rule: Schema) -> float:
    """Return what a rule and its message cost together."""
    found = _Known(place.schema, place.path)
    unbounded = list(place.unbounded)

    def used(value: cel_text.Value) -> None:
        if isinstance(value, _Known) and not _is_bounded(value.schema):
            unbounded.append(value.path)

    scope = {"self": found, "oldSelf": found}
    cost = cel_text.cost(rule["rule"], scope, used) * place.times
    words = cel_text.cost(rule.get("messageExpression", ""), scope, used)
    for key, price in (("rule", cost), ("messageExpression", words)):
        if price > _RULE_BUDGET:
            raise CostError(
                place.path,
                f"the {key} {rule[key]!r} could cost the API server "
                f"{_times(price / _RULE_BUDGET)} its budget: {_advice(unbounded)}",
            )
    return cost + words


def _times(factor: float) -> str:
    return f"{factor:.2f} times" if factor <= _MANY else f"more than {_MANY} times"


def _advice(unbounded: list[str]) -> str:
    if not unbounded:
        return "give the lists and strings that it reads a smaller max_length"
    names = " and ".join(dict.fromkeys(unbounded))
    return f"give {names} a max_length"


def _places(place: _Place) -> Iterator[_Place]:
    """Yield the schema and all below."""
    yield place
    schema, path = place.schema, place.path
    for name, child in schema.get("properties", {}).items():
        yield from _places(_Place(child, f"{path}.{name}", place.times, place.unbounded))
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from _places(_inside(place, schema[key], f"{path}{mark}"))


def _inside(place: _Place, child: Schema, path: str) -> _Place:
    """Return the place of the items of a list or a map."""
    if place.unbounded or not _is_bounded(place.schema):
        unbounded = place.unbounded or (place.path,)
        return _Place(child, path, _REQUEST // (_smallest(child) + 1), unbounded)
    return _Place(child, path, place.times * _size(place.schema), ())


def _is_bounded(schema: Schema) -> bool:
    match schema.get("type"):
        case "array":
            return "maxItems" in schema
        case "object":
            return "maxProperties" in schema or "additionalProperties" not in schema
        case "string":
            return bool(schema.keys() & {"maxLength", "enum"}) or schema.get("format") in _TIMES
        case _:
            return "x-kubernetes-int-or-string" not in schema or "maxLength" in schema


def _size(schema: Schema) -> int:
    """Return how large a value can get: bytes of a string, items of a list or a map."""
    match schema.get("type"):
        case "array":
            most = (_REQUEST - 2) // (_smallest(schema["items"]) + 1)
            return int(schema.get("maxItems", most))
        case "object" if "additionalProperties" in schema:
            most = (_REQUEST - 2) // (_smallest(schema["additionalProperties"]) + 6)
            return int(schema.get("maxProperties", most))
        case "string" if schema.get("format") in _TIMES:
            return _TIMES[schema["format"]][1]
        case "string" if "enum" in schema and "maxLength" not in schema:
            return max(len(text) for text in schema["enum"])
        case "string" | None:
            return int(schema["maxLength"]) * _BYTES if "maxLength" in schema else _REQUEST - 2
        case _:
            return 0


def _smallest(schema: Schema) -> int:
    """Return how many bytes of JSON a value takes at least."""
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        return 2 + sum(
            len(name) + 4 + _smallest(fields[name])
            for name in schema.get("required", [])
            if name in fields and "default" not in fields[name]
        )
    if schema.get("format") in _TIMES:
        return _TIMES[schema["format"]][0]
    return _SMALLEST.get(str(kind), 1)
