# SPDX-License-Identifier: Apache-2.0
"""From a model to a structural schema, the form of JSON schema that the API server demands.

Flow:
    Pydantic's JSON schema -> references are replaced by what they refer to, `null` goes (absence
    says it), titles go, one type per value -> a schema with keys in alphabetical order.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api import model

from .errors import SchemaError

_KEPT = frozenset(
    {
        "default", "description", "enum", "format", "maxItems", "maxLength", "maxProperties",
        "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern",
        "required", "type",
    }
)  # fmt: skip
"""Keys that mean the same to Pydantic and to the API server.  Others are handled or refused."""

_DROPPED = frozenset({"$defs", "title"})
"""Keys that say nothing to the API server."""

_NULL = {"type": "null"}


def schema_of(kind: type[model.Model]) -> dict[str, Any]:
    """Return the structural schema of a model.

    Guarantees:
        Deterministic.  Whatever is returned, the API server takes as structural.

    Raises:
        SchemaError: a field's type can't be said in a structural schema.
    """
    document = kind.model_json_schema(mode="validation")
    return _Flattener(document.get("$defs", {})).flatten(document, kind.__name__)


@dataclass(frozen=True, slots=True)
class _Flattener:
    """Walks down a schema; `open_refs` are the definitions that the walk is inside of."""

    definitions: Mapping[str, dict[str, Any]]
    open_refs: tuple[str, ...] = ()

    def flatten(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the structural form of one schema; `path` is for errors."""
        if "$ref" in schema:
            return self._referred(schema, path)
        if "anyOf" in schema:
            return self.flatten(_without_null(schema, path), path)
        result = dict[str, Any]()
        for key in schema:
            result.update(self._key(key, schema, path))
        if not result.keys() & {"type", "x-kubernetes-preserve-unknown-fields"}:
            result["x-kubernetes-preserve-unknown-fields"] = True  # of any type
        return dict(sorted(result.items()))

    def _key(self, key: str, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what becomes of one key."""
        value = schema[key]
        if key == "properties":
            names = sorted(value)
            return {key: {name: self.flatten(value[name], f"{path}.{name}") for name in names}}
        if key == "items":
            return {key: self.flatten(value, f"{path}[]")}
        if key == "additionalProperties":
            return self._map_values(schema, path)
        if key == "const":
            return {"enum": [value]}
        if key in _KEPT or key.startswith("x-kubernetes-"):
            return {key: sorted(value) if key == "required" else value}
        if key in _DROPPED:
            return {}
        raise SchemaError(path, f"{key!r} ({value!r}) has no place in a structural schema")

    def _map_values(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return what the values of a map are; a map of anything keeps everything."""
        values = schema["additionalProperties"]
        if values is True:
            return {"x-kubernetes-preserve-unknown-fields": True}
        if values is False:
            raise SchemaError(
                path, 'extra="forbid" has no place in a structural schema: fields are pruned'
            )
        return {"additionalProperties": self.flatten(values, f"{path}{{}}")}

    def _referred(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return the definition that is referred to; what stands beside the reference wins."""
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in self.open_refs:
            raise SchemaError(path, f"{name} contains itself: a structural schema has an end")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        inner = _Flattener(self.definitions, (*self.open_refs, name))
        return inner.flatten({**self.definitions[name], **beside}, path)


def _without_null(schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return `X` for `X | None`: a field with the default None may be absent, but is never null."""
    options = [option for option in schema["anyOf"] if option != _NULL]
    if len(options) != 1:
        kinds = ", ".join(str(option.get("type", option)) for option in options)
        raise SchemaError(path, f"a value has one type, not one of several: {kinds}")
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    if "default" not in beside:
        raise SchemaError(path, "may be null and must be there: give it the default None")
    if beside["default"] is None:
        del beside["default"]
    return {**options[0], **beside}
