# SPDX-License-Identifier: Apache-2.0
"""Markers: what a field or a kind tells the API server beyond its Python type.

A field marker goes into `Annotated[...]` and edits the JSON schema of that field; a rule about
several fields goes into `Model.rules`.  The generator knows no marker of a field by name: a new one
is a class in this file and a line in a test.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class CEL:
    """A rule that the API server enforces, also while the webhook is down.

    `self` is the value, `oldSelf` (in transition rules) the stored one.  Where a text depends on
    the value, `message_expression` computes it and `message` is what remains if that fails.
    `field_path` (such as `.prefix`) moves the blame from the marked object to a field below it.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
    custom-resource-definitions/#validation-rules
    """

    rule: str
    message: str
    message_expression: str = ""
    reason: Literal["", "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"] = ""
    field_path: str = ""

    def as_schema(self) -> dict[str, str]:
        """Return the rule as an item of `x-kubernetes-validations`."""
        keys = {
            "fieldPath": self.field_path,
            "message": self.message,
            "messageExpression": self.message_expression,
            "reason": self.reason,
            "rule": self.rule,
        }
        return {key: value for key, value in keys.items() if value}

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Append the rule to those that the value has already."""
        schema = handler(core_schema)
        schema.setdefault("x-kubernetes-validations", []).append(self.as_schema())
        return schema


@dataclass(frozen=True, slots=True)
class Format:
    """What a number or a string holds, in the API server's names.  Python does not check it."""

    name: Literal["int32", "int64", "date-time"]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Name the format."""
        return handler(core_schema) | {"format": self.name}


@dataclass(frozen=True, slots=True)
class ListType:
    """How server-side apply merges a list; `map` takes the fields that identify an item."""

    kind: Literal["atomic", "set", "map"]
    keys: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say so in the extensions of the array."""
        schema = handler(core_schema) | {"x-kubernetes-list-type": self.kind}
        return schema | {"x-kubernetes-list-map-keys": list(self.keys)} if self.keys else schema


@dataclass(frozen=True, slots=True)
class Opaque:
    """An object whose fields the API server itself knows, such as `metadata`."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say that it is an object, and nothing about its fields."""
        del core_schema, handler  # what Python knows of the value is of no use here
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`.  Generation fails when the schema has no such `path`.

    Priority 0 is always shown, a higher one only with `-o wide`.
    """

    name: str
    path: str
    type: Literal["boolean", "date", "integer", "number", "string"] = "string"
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """What the API server does with one version of a kind.

    Exactly one version of a kind has `storage`.  A `deprecated` text is the warning that every
    client of this version gets.
    """

    name: str
    columns: tuple[Column, ...] = ()
    served: bool = True
    storage: bool = False
    deprecated: str = ""
