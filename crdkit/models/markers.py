# SPDX-License-Identifier: Apache-2.0
"""Markers: what a field or a version tells the API server beyond its Python type.

A marker goes into `Annotated[...]` and edits the JSON schema of that field; a rule about several
fields goes into `Model.rules`.  The generator knows no marker by name: a new one is a class in this
file and a line in a test.  What is about a whole kind is in its `resources.Resource`, what is
about one version of it in `Version`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from . import cel


@dataclass(frozen=True, slots=True)
class CEL:
    """A rule that the API server enforces, also while the webhook is down.

    `self` is the value, `oldSelf` (in transition rules) the stored one.  Where a text depends on
    the value, `message_expression` computes it and `message` is what remains if that fails.
    `field_path` (such as `.prefix`) moves the blame from the marked object to a field below it.
    With `optional_old_self` a transition rule also runs where nothing is stored yet; `oldSelf` is
    then an optional of CEL.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
    custom-resource-definitions/#validation-rules
    """

    rule: str
    message: str
    message_expression: str = ""
    reason: Literal[
        "", "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"
    ] = ""
    field_path: str = ""
    optional_old_self: bool = False

    def as_schema(self) -> dict[str, Any]:
        """Return the rule as an item of `x-kubernetes-validations`."""
        keys: dict[str, Any] = {
            "fieldPath": self.field_path,
            "message": self.message,
            "messageExpression": self.message_expression,
            "optionalOldSelf": self.optional_old_self,
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


IMMUTABLE = CEL("self == oldSelf", "is immutable")
"""A value that never changes once it is there.  A rule of a field does not see the field come or
go: where that matters, require it or say `has(self.x) == has(oldSelf.x)` in `Model.rules`.
"""


class ExactlyOneOf(CEL):
    """An object in which exactly one of some fields is set, for `rules`; by their JSON names."""

    __slots__ = ()

    def __init__(self, field: str, *more: str) -> None:
        """Use controller-gen's rule and message."""
        names = (field, *more)
        super().__init__(
            f"{_count(names)} == 1", f"exactly one of the fields in [{' '.join(names)}] must be set"
        )


class AtMostOneOf(CEL):
    """An object in which at most one of some fields is set."""

    __slots__ = ()

    def __init__(self, field: str, *more: str) -> None:
        """Use controller-gen's rule and message."""
        names = (field, *more)
        super().__init__(
            f"{_count(names)} <= 1", f"at most one of the fields in [{' '.join(names)}] may be set"
        )


class AtLeastOneOf(CEL):
    """An object in which at least one of some fields is set."""

    __slots__ = ()

    def __init__(self, field: str, *more: str) -> None:
        """Use controller-gen's rule and message."""
        names = (field, *more)
        super().__init__(
            "||".join(f"has(self.{cel.name(name)})" for name in names),
            f"at least one of the fields in [{' '.join(names)}] must be set",
        )


def _count(names: tuple[str, ...]) -> str:
    """Return how many fields are set, in CEL; a sum costs less than a list that is filtered."""
    return "+".join(f"(has(self.{cel.name(name)})?1:0)" for name in names)


@dataclass(frozen=True, slots=True)
class Format:
    """The format of a number or a string, by the API server's names.  Python does not check it."""

    name: Literal[
        "byte", "cidr", "date", "date-time", "double", "duration", "float", "hostname", "int32",
        "int64", "ipv4", "ipv6", "password", "uri", "uuid",
    ]  # fmt: skip

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
        """Set the extensions of the array."""
        schema = handler(core_schema) | {"x-kubernetes-list-type": self.kind}
        return schema | {"x-kubernetes-list-map-keys": list(self.keys)} if self.keys else schema


@dataclass(frozen=True, slots=True)
class Opaque:
    """An object whose fields the API server itself knows, such as `metadata`."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of an object with any fields."""
        del core_schema, handler  # what Python knows of the value is of no use here
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class MapType:
    """How server-side apply merges an object: as a whole (`atomic`), or field by field."""

    kind: Literal["atomic", "granular"]

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Set the extension of the object."""
        return handler(core_schema) | {"x-kubernetes-map-type": self.kind}


@dataclass(frozen=True, slots=True)
class Nullable:
    """A value that may be written as null, for `X | None`: null then differs from absence."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Set OpenAPI's key; the generator takes null out of the alternatives."""
        return handler(core_schema) | {"nullable": True}


@dataclass(frozen=True, slots=True)
class IntOrString:
    """A value that is either an integer or a string, for `int | str`.

    Constraints stand at the alternatives: `Annotated[int, Field(ge=0)] | str`.  Python does not
    check the `pattern`; that of `int | Annotated[str, Field(pattern=...)]` both check.
    """

    pattern: str = ""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Set the extension; the generator brings the alternatives into the API server's form."""
        schema = handler(core_schema) | {"x-kubernetes-int-or-string": True}
        return schema | {"pattern": self.pattern} if self.pattern else schema


@dataclass(frozen=True, slots=True)
class PreserveUnknownFields:
    """An object whose unknown fields are kept.

    A model that is to have them in Python too says `model_config = ConfigDict(extra="allow")`
    instead, and a dict of anything says it by its type.
    """

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Set the extension of the object."""
        return handler(core_schema) | {"x-kubernetes-preserve-unknown-fields": True}


@dataclass(frozen=True, slots=True)
class Embedded:
    """An object inside another object, with apiVersion, kind and metadata of its own."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Set the extension of the object."""
        return handler(core_schema) | {"x-kubernetes-embedded-resource": True}


@dataclass(frozen=True, slots=True)
class Named:
    """`metadata` with a restricted name, for a field that replaces `Object.metadata`.

    The name, generated ones too, is the only part that a CustomResourceDefinition may restrict.
    """

    max_length: int = 253  # characters: what the API server admits anyway
    pattern: str = ""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Restrict the name, and no other field."""
        del core_schema, handler  # what Python knows of the value is of no use here
        name: dict[str, Any] = {"type": "string", "maxLength": self.max_length}
        if self.pattern:
            name["pattern"] = self.pattern
        return {"type": "object", "properties": {"name": name}}


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
    format: Literal[
        "", "byte", "date", "date-time", "double", "float", "int32", "int64", "password"
    ] = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """The subresource by which `kubectl scale` and autoscalers find the replicas of an object.

    Each path leads to a field of the schema: the first below `.spec`, the second below `.status`,
    and the selector of the pods, as a string, below either.
    """

    spec_replicas: str = ".spec.replicas"
    status_replicas: str = ".status.replicas"
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """What the API server does with one version of a kind.

    Exactly one version of a kind has `storage`.  A `deprecated` text is the warning that every
    client of this version gets; with True, the API server words it.  `selectable` are the paths of
    fields that `kubectl get --field-selector` can ask for.
    """

    name: str
    columns: tuple[Column, ...] = ()
    served: bool = True
    storage: bool = False
    deprecated: str | bool = ""
    scale: Scale | None = None
    selectable: tuple[str, ...] = ()
