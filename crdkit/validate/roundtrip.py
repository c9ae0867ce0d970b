# SPDX-License-Identifier: Apache-2.0
"""Whether `as_json()` writes what was read: a serializer may write another type.

Caveats:
    Types are compared, not values; a serializer that does not say what it returns is trusted.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import SchemaError

Schema = Mapping[str, Any]

_ANY = frozenset[str]()


def check(read: Schema, written: Schema, path: str) -> None:
    """Compare Pydantic's schemas of both ways.

    Raises:
        SchemaError: a field is written as another type than it is read as.
    """
    _Pair(read.get("$defs", {}), written.get("$defs", {})).check(read, written, path)


class _Pair:
    """Walks down both schemas; `seen` are the definitions that were compared before."""

    def __init__(self, read: Schema, written: Schema) -> None:
        self.read = read
        self.written = written
        self.seen = set[str]()

    def check(self, read: Schema, written: Schema, path: str) -> None:
        """Compare what is read and written at one place, and all below."""
        if "$ref" in read:
            if read["$ref"] in self.seen:
                return
            self.seen.add(read["$ref"])
        read, written = _resolved(read, self.read), _resolved(written, self.written)
        kinds, others = self._kinds(read, self.read), self._kinds(written, self.written)
        if kinds and others and not others <= kinds:
            raise SchemaError(
                path,
                f"is read as {_named(kinds)}, but as_json() writes {_named(others)}: take its "
                f"serializer out, or let it return {_named(kinds)}",
            )
        self._below(read, written, path)

    def _below(self, read: Schema, written: Schema, path: str) -> None:
        for name, child in read.get("properties", {}).items():
            if name in written.get("properties", {}):
                self.check(child, written["properties"][name], f"{path}.{name}")
        for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(read.get(key), Mapping) and isinstance(written.get(key), Mapping):
                self.check(read[key], written[key], f"{path}{mark}")
        options, others = read.get("anyOf", []), written.get("anyOf", [])
        if len(options) == len(others):
            for option, other in zip(options, others, strict=True):
                self.check(option, other, path)

    def _kinds(self, schema: Schema, definitions: Schema) -> frozenset[str]:
        """Return the types of a value; none where it can be anything."""
        if "anyOf" in schema:
            each = [self._kinds(_resolved(it, definitions), definitions) for it in schema["anyOf"]]
            return frozenset[str]().union(*each) if all(each) else _ANY
        kind = schema.get("type")
        return frozenset({kind}) if isinstance(kind, str) else _ANY


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """Return what a schema refers to; keys beside the reference say nothing about types."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _named(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds))
