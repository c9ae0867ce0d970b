# SPDX-License-Identifier: Apache-2.0
"""From a model to a structural schema, the form of JSON schema that the API server demands.

Flow:
    Pydantic's JSON schema -> references are replaced by what they refer to, `null` goes (absence
    says it), one type per value -> a schema with keys in alphabetical order -> what the
    API server would refuse all the same is refused here (`refusals.py`, `cel_cost.py`).

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from api import model

from . import cel_cost, document, refusals
from .errors import SchemaError

_KEPT = frozenset(
    {
        "anyOf", "description", "enum", "example", "format", "maxItems", "maxLength",
        "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
        "multipleOf", "nullable", "pattern", "title", "type", "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type",
        "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)  # fmt: skip
"""Keys that mean the same to Pydantic and to the API server.  Others are handled or refused; so is
`anyOf` before it comes here, but for int-or-string, which is said by it.
"""

_INSTEAD = {
    document.DURATION: (
        'durations are read in the notation of Go, such as 26h: write a str with Format("duration")'
    ),
    document.KEYS: "keys are strings in JSON: write dict[str, X]",
    "deprecated": "say so in the field's docstring",
    "discriminator": "write one model with the fields of all, and a CEL rule in its `rules`",
    "oneOf": "write one model with the fields of all, and a CEL rule in its `rules`",
    "patternProperties": "a schema can't restrict keys: do it by a CEL rule of the map",
    "prefixItems": "all items of a list are of one type: write tuple[X, ...]",
    "propertyNames": "a schema can't restrict keys: do it by a CEL rule of the map",
    "uniqueItems": 'write tuple[X, ...] with ListType("set")',
}
"""What to do about some of the keys that are refused."""

_NULL = {"type": "null"}
_RULES = "x-kubernetes-validations"
_INT_OR_STRING = "x-kubernetes-int-or-string"


def schema_of(kind: type[model.Model]) -> dict[str, Any]:
    """Return the structural schema of a model.

    Guarantees:
        Deterministic.  Whatever is returned, the API server takes, as far as `refusals` can tell.

    Raises:
        SchemaError: a field's type can't be said in a structural schema.
    """
    whole = document.of(kind)
    schema = _Flattener(whole.get("$defs", {})).flatten(whole, kind.__name__)
    refusals.check(schema, kind.__name__)
    cel_cost.check(schema, kind.__name__)
    return schema


@dataclass(frozen=True, slots=True)
class _Flattener:
    """Walks down a schema; `open_refs` are the definitions that the walk is inside of."""

    definitions: Mapping[str, dict[str, Any]]
    open_refs: tuple[str, ...] = ()

    def flatten(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the structural form of one schema; `path` is for errors."""
        if "$ref" in schema:
            return self._referred(schema, path)
        if "anyOf" in schema and _INT_OR_STRING not in schema:
            return self.flatten(_without_null(schema, path), path)
        result = dict[str, Any]()
        for key in schema:
            result.update(self._key(key, schema, path))
        if not result.keys() & {"type", "x-kubernetes-preserve-unknown-fields", _INT_OR_STRING}:
            if "enum" in result:
                raise SchemaError(path, "its values are of several types: choose one type")
            result["x-kubernetes-preserve-unknown-fields"] = True  # of any type
        return dict(sorted(result.items()))

    def _key(self, key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what becomes of one key."""
        if key in {"additionalProperties", "items", "properties"}:
            return self._below(key, schema, path)
        if key in _REWRITTEN:
            return _REWRITTEN[key](key, schema, path)
        if key in _KEPT:
            return {key: schema[key]}
        if key == "$defs":  # what the references refer to
            return {}
        raise SchemaError(
            path,
            f"{key!r} ({schema[key]!r}) has no place in a structural schema: "
            + _INSTEAD.get(key, "take it out of the field's type"),
        )

    def _below(self, key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what becomes of the schemas inside of a schema."""
        value = schema[key]
        if key == "properties":
            names = sorted(value)
            return {key: {name: self.flatten(value[name], f"{path}.{name}") for name in names}}
        if key == "items":
            return {key: self.flatten(value, f"{path}[]")}
        return self._map_values(schema, path)

    def _map_values(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what the values of a map are; a map of anything keeps everything."""
        values = schema["additionalProperties"]
        if values is True:
            return {"x-kubernetes-preserve-unknown-fields": True}
        if values is False:
            raise SchemaError(
                path,
                'extra="forbid" has no place in a structural schema: fields are pruned; '
                "take it out of model_config",
            )
        if "properties" in schema:
            raise SchemaError(
                path, "has fields and unknown fields of one type: give these a map of their own"
            )
        return {"additionalProperties": self.flatten(values, f"{path}{{}}")}

    def _referred(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the definition that is referred to; what stands beside the reference wins."""
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in self.open_refs:
            raise SchemaError(
                path,
                f"{name} contains itself: a structural schema has an end; "
                "type the inner one dict[str, Any], or give each level a model",
            )
        inner = _Flattener(self.definitions, (*self.open_refs, name))
        return inner.flatten(_beside(self.definitions[name], schema, "$ref"), path)


def _beside(inner: Mapping[str, Any], outer: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return `inner` with what stands beside `key` in `outer`; the rules of both hold."""
    beside = {name: value for name, value in outer.items() if name != key}
    if inner.get(_RULES) and _RULES in beside:
        beside[_RULES] = [*inner[_RULES], *beside[_RULES]]
    return {**inner, **beside}


def _without_null(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return `X` for `X | None`: a field with the default None may be absent, but is never null."""
    options = [option for option in schema["anyOf"] if option != _NULL]
    if len(options) != 1:
        kinds = ", ".join(str(option.get("type", option)) for option in options)
        raise SchemaError(
            path,
            f"a value has one type, not one of several: {kinds}; choose one, or IntOrString, "
            "or a model with a field for each",
        )
    nullable = schema.get("nullable") or options[0].get("nullable")
    if not nullable and "default" not in schema and len(options) < len(schema["anyOf"]):
        raise SchemaError(
            path,
            "may be null and must be there: give it the default None, or mark it as Nullable",
        )
    return _beside(options[0], schema, "anyOf")


def _const(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the only value as the only one of a list."""
    del path
    return {"enum": [schema[key]]}


def _default(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the default as JSON; None says that there is none."""
    del path
    return {} if schema[key] is None else {key: _present(schema[key])}


def _present(value: JsonValue) -> JsonValue:
    """Return a default without the nulls by which Python says that a field is absent."""
    if isinstance(value, dict):
        return {name: _present(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_present(item) for item in value]
    return value


def _examples(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the only example, in the word for one."""
    if len(schema[key]) != 1:
        raise SchemaError(
            path, f"has {len(schema[key])} examples, but there is room for one: keep one"
        )
    return {"example": schema[key][0]}


def _required(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    del path
    return {key: sorted(schema[key])}


def _exclusive(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a bound that is out of bounds itself: a flag beside the bound, in OpenAPI 3.0."""
    bound = key.removeprefix("exclusive").lower()
    if bound in schema:
        raise SchemaError(path, f"{bound} and {key} are one bound: keep one of them")
    return {key: True, bound: schema[key]}


_REWRITTEN: Mapping[str, Callable[[str, Mapping[str, Any], str], dict[str, Any]]] = {
    "const": _const,
    "default": _default,
    "examples": _examples,
    "exclusiveMaximum": _exclusive,
    "exclusiveMinimum": _exclusive,
    "required": _required,
}
"""Keys that the API server has other words for."""
