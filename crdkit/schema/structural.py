# SPDX-License-Identifier: Apache-2.0
"""From a model to a structural schema, the form of JSON schema that the API server demands.

Flow:
    Pydantic's JSON schema -> references are replaced by their targets, `null` is dropped (an absent
    field means the same), and each value gets one type (`unions.py`) -> a schema with keys in
    alphabetical order -> `validate/` refuses what the API server would refuse (`crd_validation.py`,
    `cel_cost.py`), and what `as_json()` would not write as it was read (`roundtrip.py`).

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/#specifying-a-structural-schema
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from ..errors import SchemaError
from ..models import markers, model
from ..validate import cel_cost, crd_validation, roundtrip
from . import constraints, document, unions

_KEPT = frozenset(
    {
        "enum", "example", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems",
        "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties",
        "minimum", "multipleOf", "nullable", "pattern", "title", "type",
        "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
    }
)  # fmt: skip
"""Keys that mean the same to Pydantic and to the API server.  Others are handled or refused."""

_INSTEAD = {
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
_INT_OR_STRING = unions.INT_OR_STRING
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def schema_of(kind: type[model.Model]) -> dict[str, Any]:
    """Return the structural schema of a model.

    Guarantees:
        Deterministic.  The API server accepts the result, as far as `crd_validation` can check it.

    Raises:
        SchemaError: a structural schema cannot express a field's type.
    """
    whole = document.of(kind)
    schema = _Flattener(whole.get("$defs", {})).flatten(whole, kind.__name__)
    roundtrip.check(whole, document.of(kind, "serialization"), kind.__name__)
    crd_validation.check(schema, kind.__name__)
    cel_cost.check(schema, kind.__name__)
    return schema


@dataclass(frozen=True, slots=True)
class _Flattener:
    """Walks down a schema; `open_refs` are the definitions that the walk is inside of."""

    definitions: Mapping[str, dict[str, Any]]
    open_refs: tuple[str, ...] = ()

    def flatten(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the structural form of one schema; `path` is for errors."""
        if document.REFUSED in schema:
            raise SchemaError(path, schema[document.REFUSED])
        if "$ref" in schema:
            return self._referred(schema, path)
        if "anyOf" in schema:
            return self._union(schema, path)
        result = self._keys(schema, path)
        if not result.keys() & {"type", _PRESERVE}:
            if "enum" in result:
                raise SchemaError(path, "its values are of several types: choose one type")
            result[_PRESERVE] = True  # of any type
        if _INT_OR_STRING in result:
            raise SchemaError(path, "IntOrString is for int | str: write that type")
        return dict(sorted(result.items()))

    def _union(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the structural form of a union; what stands beside the alternatives is for all."""
        options = _without_null(schema, path)
        if len(options) == 1:
            return self.flatten(_beside(options[0], schema, "anyOf"), path)
        merged = unions.merged([self.flatten(option, path) for option in options], path)
        around = {key: value for key, value in schema.items() if key != "anyOf"}
        if "pattern" in merged and "pattern" in around:
            raise SchemaError(path, "has two of pattern: write one")
        if _INT_OR_STRING in merged:
            constraints.of_a_union(around, path)
        kind = {"type": merged["type"]} if "type" in merged else {}
        return dict(sorted({**self._keys({**kind, **around}, path), **merged}.items()))

    def _keys(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what becomes of all keys of a schema."""
        known = constraints.normalized(self._named_keys(schema, path), path)
        result = dict[str, Any]()
        for key in known:
            result.update(self._key(key, known, path))
        return result

    def _named_keys(self, schema: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """Return a map with a rule in the place of an enumeration of its keys."""
        if "propertyNames" not in schema:
            return schema
        names = schema["propertyNames"]
        keys = self.flatten(names if "$ref" in names else {"type": "string", **names}, path)
        if keys["type"] != "string" or keys.keys() - {"type", "enum", "description", "title"}:
            return schema
        rest = {key: value for key, value in schema.items() if key != "propertyNames"}
        most = min(len(keys["enum"]), schema.get("maxProperties", len(keys["enum"])))
        rules = [*schema.get(_RULES, []), _one_of(keys["enum"])]
        return {**rest, "maxProperties": most, _RULES: rules}

    def _key(self, key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what becomes of one key."""
        if key in {"additionalProperties", "items", "properties"}:
            return self._below(key, schema, path)
        if key in _REWRITTEN:
            return _REWRITTEN[key](key, schema, path)
        if key in _KEPT:
            return {key: schema[key]}
        if key in {"$defs", "writeOnly"}:  # what references refer to; what is said of a SecretStr
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
            return {_PRESERVE: True}
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


def _one_of(names: list[str]) -> dict[str, Any]:
    """Return a rule that refuses other keys of a map; with a list of literals it costs little."""
    listed = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    rule = markers.CEL(f"self.all(key, key in [{listed}])", f"has keys besides {', '.join(names)}")
    return rule.as_schema()


def _without_null(schema: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """Return `X` of `X | None`: a field with the default None may be absent, but is never null."""
    options = [option for option in schema["anyOf"] if option != _NULL]
    nullable = schema.get("nullable") or options[0].get("nullable")
    if nullable or "default" in schema or len(options) == len(schema["anyOf"]):
        return options
    if path.endswith(("[]", "{}")):
        what = "an item of a list is" if path.endswith("[]") else "a value of a map is"
        raise SchemaError(
            path,
            f"{what} never absent: take None out of its type, or write "
            "Annotated[X | None, Nullable()]",
        )
    raise SchemaError(
        path, "may be null and must be there: give it the default None, or mark it as Nullable"
    )


def _const(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the only value as the only one of a list."""
    del path
    return {"enum": [schema[key]]}


def _default(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the default as JSON; None if there is no default."""
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
    """Return the first example: there is room for one."""
    del path
    return {"example": schema[key][0]} if schema[key] else {}


def _description(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return what a value is, and by what to replace it where it is deprecated."""
    del key, path
    message = schema.get("deprecated")
    words = "Deprecated." if message is True else f"Deprecated: {message}" if message else ""
    return {"description": "\n\n".join(filter(None, (schema.get("description"), words)))}


def _required(key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    del path
    return {key: sorted(schema[key])}


_REWRITTEN: Mapping[str, Callable[[str, Mapping[str, Any], str], dict[str, Any]]] = {
    "const": _const,
    "default": _default,
    "deprecated": _description,
    "description": _description,
    "examples": _examples,
    "required": _required,
}
"""Keys that the API server has other words for."""
