# SPDX-License-Identifier: Apache-2.0
"""Pydantic's JSON schema of a model, which says less than Pydantic's own and more.

Titles that only repeat names are left out; those that someone wrote remain.  Defaults that a
factory makes are there, and constraints that Pydantic itself forgets.

What Python types and fields do that a schema can't say, or that `as_json()` would not write as it
was read, is not left out in silence: there the schema has the key `REFUSED`, and `structural.py`
refuses it with what to do instead.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    JsonSchemaWarningKind,
    NoDefault,
)
from pydantic_core import core_schema
from typing_extensions import override

from ..errors import SchemaError
from ..models import model
from . import fields

REFUSED = "refused"
"""Key of what can't go into a CRD; its value is why, and what to write instead."""

_QUANTITY = "write values.Quantity, or a str with a pattern"
_NO_TYPE = (
    "Pydantic knows no JSON for this type: write another one, or say what its JSON is by "
    "WithJsonSchema({...})"
)
_BOUNDS = ("gt", "ge", "lt", "le", "now_op")
_COMPARED = frozenset({"minLength", "maxLength", "pattern"})
"""What a later step of a chain of validators may add to the first one: constraints of strings."""


def of(kind: type[model.Model], mode: JsonSchemaMode = "validation") -> dict[str, Any]:
    """Return the JSON schema of what a model reads, or of what `as_json()` writes.

    Raises:
        SchemaError: Pydantic has none for one of its types.
    """
    try:
        schema = kind.model_json_schema(mode=mode, schema_generator=_Generator)
    except PydanticUserError as error:
        raise SchemaError(kind.__name__, f"has no JSON schema: {error.message}") from error
    for definition in schema.get("$defs", {}).values():
        if "enum" in definition:  # an enumeration has its name as its title, and no other
            definition.pop("title", None)
    return schema


def _refused(problem: str) -> JsonSchemaValue:
    return {REFUSED: problem}


def _without_name(schema: JsonSchemaValue, kind: type) -> JsonSchemaValue:
    return {key: value for key, value in schema.items() if (key, value) != ("title", kind.__name__)}


class _Generator(GenerateJsonSchema):
    """Marks what the API server reads in another way than Pydantic, and makes up no titles."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Lose nothing by a mere warning; of a default, `default_schema` says more."""
        if kind != "non-serializable-default":
            raise PydanticInvalidForJsonSchema(detail)

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        kind = schema["cls"]
        result = _without_name(super().model_schema(schema), kind)
        for name, message in fields.deprecations(kind):
            result["properties"][name]["deprecated"] = message
        if message := getattr(kind, "__deprecated__", ""):
            result["deprecated"] = message
        return result

    @override
    def model_fields_schema(self, schema: core_schema.ModelFieldsSchema) -> JsonSchemaValue:
        result = super().model_fields_schema(schema)
        return self._checked(result, schema["fields"], schema.get("model_name", ""))

    @override
    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _without_name(super().dataclass_schema(schema), schema["cls"])

    @override
    def dataclass_args_schema(self, schema: core_schema.DataclassArgsSchema) -> JsonSchemaValue:
        by_name = {field["name"]: field for field in schema["fields"]}
        return self._checked(
            super().dataclass_args_schema(schema), by_name, schema["dataclass_name"]
        )

    @override
    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        result = self._checked(super().typed_dict_schema(schema), schema["fields"], "")
        return _without_name(result, schema["cls"]) if "cls" in schema else result

    def _checked(
        self, result: JsonSchemaValue, these: Mapping[str, fields.Field], owner: str
    ) -> JsonSchemaValue:
        """Mark the fields of an object that can't be read and written by one JSON name."""
        if self.mode == "serialization":
            return result
        names = {name: self._get_alias_name(field, name) for name, field in these.items()}
        for name, field in these.items():
            if problem := fields.problem(name, names[name], field, owner):
                result["properties"][names[name]][REFUSED] = problem
        if problem := fields.clash(names):
            result[REFUSED] = problem
        return result

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if "default_factory" not in schema:
            result = super().default_schema(schema)
            lost = schema.get("default", NoDefault) is not NoDefault and "default" not in result
            return result | _refused("its default has no JSON: write another") if lost else result
        made, problem = fields.made_by(schema)
        if problem:
            return self.generate_inner(schema["schema"]) | _refused(problem)
        first, second = (
            self.default_schema(core_schema.with_default_schema(schema["schema"], default=each))
            for each in made
        )
        if json.dumps(first, default=str) != json.dumps(second, default=str):
            return first | _refused(
                "its default_factory makes another value each time, but a CRD has one for all: "
                "give it the default None, and make the value where it is used"
            )
        return first

    @override
    def chain_schema(self, schema: core_schema.ChainSchema) -> JsonSchemaValue:
        """Return the first step with the constraints that are checked after it.

        So Pydantic keeps a pattern that stands behind a validator or around a union.
        """
        if self.mode == "serialization":
            return super().chain_schema(schema)
        first, *others = [self.generate_inner(step) for step in schema["steps"]]
        result = first.copy()
        for other in others:
            added = {key: value for key, value in other.items() if key in _COMPARED}
            if added and self.resolve_ref_schema(result).get("type") != other.get("type"):
                return _refused(
                    f"{' and '.join(added)} fail at values that are no strings: write them at the "
                    "str itself, as in int | Annotated[str, Field(pattern=...)]"
                )
            if twice := added.keys() & result.keys():
                return _refused(f"has two of {' and '.join(sorted(twice))}: write one")
            result |= added
        return result

    @override
    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Return the inner schema; Pydantic then overwrites a constraint by an outer one."""
        result = super().function_after_schema(schema)
        added: Mapping[str, Any] = schema.get("metadata", {}).get("pydantic_js_updates", {})
        if twice := [key for key in added if result.get(key, added[key]) != added[key]]:
            return result | _refused(f"has two of {' and '.join(twice)}: write one")
        return result

    @override
    def function_plain_schema(
        self, schema: core_schema.PlainValidatorFunctionSchema
    ) -> JsonSchemaValue:
        reads: Mapping[str, Any] = schema.get("json_schema_input_schema", {})
        if self.mode == "validation" and reads.get("type", "any") == "any":
            return _refused(
                "a PlainValidator is all that is known of its type: write an AfterValidator, or "
                "say what it reads by PlainValidator(f, json_schema_input_type=int)"
            )
        return super().function_plain_schema(schema)

    @override
    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        return super().date_schema(schema) | _bounds_refused(schema)

    @override
    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        if schema.get("tz_constraint") == "naive":
            return _refused(
                "the API server wants an offset from UTC in each date-time: write values.Timestamp"
            )
        return super().datetime_schema(schema) | _bounds_refused(schema)

    @override
    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        ascii_only = cast("dict[str, object]", schema).get("ascii_only")
        lost = _refused("ascii_only is not in a schema: write a pattern") if ascii_only else {}
        return super().str_schema(schema) | lost

    @override
    def url_schema(self, schema: core_schema.UrlSchema) -> JsonSchemaValue:
        schemes = schema.get("allowed_schemes")
        lost = _refused(
            f"a schema can't say that only the schemes {', '.join(schemes)} go: write "
            f'Annotated[str, Field(pattern="^({"|".join(schemes)})://"), Format("uri")]'
        ) if schemes else {}  # fmt: skip
        return super().url_schema(schema) | lost

    @override
    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        if schema.get("custom_error_type") == "byte_size":
            return _refused(
                "a ByteSize is read with its unit and written without: write values.Quantity"
            )
        return super().union_schema(schema)

    @override
    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        return _refused(f"a Decimal is read as a number and written as a text: {_QUANTITY}")

    @override
    def fraction_schema(self, schema: core_schema.FractionSchema) -> JsonSchemaValue:
        return _refused(f"Kubernetes has no fractions: {_QUANTITY}")

    @override
    def complex_schema(self, schema: core_schema.ComplexSchema) -> JsonSchemaValue:
        return _refused("Kubernetes has no complex numbers: write a model with two floats")

    @override
    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return _refused(
            "durations are read in the notation of Go, such as 26h, and not of ISO 8601, which a "
            'timedelta has (P1DT2H): write a str with Format("duration")'
        )

    @override
    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return _refused('JSON has no bytes: write a str with Format("byte"), which is Base64')

    @override
    def is_subclass_schema(self, schema: core_schema.IsSubclassSchema) -> JsonSchemaValue:
        return _refused(_NO_TYPE)

    @override
    def json_schema(self, schema: core_schema.JsonSchema) -> JsonSchemaValue:
        return _refused("JSON inside of a text is not checked: write the type that is in it")

    @override
    def handle_invalid_for_json_schema(self, schema: object, error_info: str) -> JsonSchemaValue:
        return _refused(_NO_TYPE)

    @override
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return super().dict_schema(schema) | self._keys_refused(schema)

    @override
    def counter_schema(self, schema: core_schema.CounterSchema) -> JsonSchemaValue:
        return super().counter_schema(schema) | self._keys_refused(schema)

    @override
    def ordered_dict_schema(self, schema: core_schema.OrderedDictSchema) -> JsonSchemaValue:
        return super().ordered_dict_schema(schema) | self._keys_refused(schema)

    @override
    def frozendict_schema(self, schema: core_schema.FrozenDictSchema) -> JsonSchemaValue:
        return super().frozendict_schema(schema) | self._keys_refused(schema)

    def _keys_refused(self, schema: Mapping[str, Any]) -> JsonSchemaValue:
        """Mark a map whose keys are no strings in Python."""
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        kind = keys.get("type", "any" if keys.keys() - {"$ref"} else "string")
        if kind == "string":
            return {}
        return _refused(f"keys are strings in JSON, and here of type {kind}: write dict[str, X]")


def _bounds_refused(schema: Mapping[str, Any]) -> JsonSchemaValue:
    """Mark a moment with bounds."""
    if not any(key in schema for key in _BOUNDS):
        return {}
    return _refused(
        "a schema has no bounds of dates: write a CEL rule, such as self < timestamp(...)"
    )
