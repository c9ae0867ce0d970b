# SPDX-License-Identifier: Apache-2.0
"""Pydantic's JSON schema of a model, which says less than Pydantic's own and more.

Titles that only repeat names are left out; those that someone wrote remain.

Two Python types look like others in JSON schema, but do not behave like them on the API server.
They get a key of their own here, which `structural.py` refuses with what to do instead.
"""

from typing import Any

from pydantic import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from api import model

from .errors import SchemaError

DURATION = "timedelta"
"""Key of a timedelta, which would look like a string with the format duration."""

KEYS = "keys"
"""Key of a map whose keys are no strings in Python; its value is the type that they have."""


def of(kind: type[model.Model]) -> dict[str, Any]:
    """Return the JSON schema of what a model reads.

    Raises:
        SchemaError: Pydantic has none for one of its types.
    """
    try:
        schema = kind.model_json_schema(mode="validation", schema_generator=_Generator)
    except PydanticUserError as error:
        raise SchemaError(kind.__name__, f"has no JSON schema: {error.message}") from error
    for definition in schema.get("$defs", {}).values():
        if "enum" in definition:  # an enumeration has its name as its title, and no other
            definition.pop("title", None)
    return schema


def _without_name(schema: JsonSchemaValue, kind: type) -> JsonSchemaValue:
    return {key: value for key, value in schema.items() if (key, value) != ("title", kind.__name__)}


class _Generator(GenerateJsonSchema):
    """Marks what the API server reads in another way than Pydantic, and makes up no titles."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _without_name(super().model_schema(schema), schema["cls"])

    @override
    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _without_name(super().dataclass_schema(schema), schema["cls"])

    @override
    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        result = super().typed_dict_schema(schema)
        return _without_name(result, schema["cls"]) if "cls" in schema else result

    @override
    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return super().timedelta_schema(schema) | {DURATION: "P1DT2H in JSON"}

    @override
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        kind = keys.get("type", "string")
        return result if kind == "string" else result | {KEYS: kind}
