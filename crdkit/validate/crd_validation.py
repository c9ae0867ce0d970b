# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses in a structural schema, found before the schema is installed.

Each law is a function that yields what is wrong with one schema.  CEL is not evaluated: whether a
rule compiles, and whether a default obeys it, the API server says.

Source: k8s.io/apiextensions-apiserver v0.37, pkg/apis/apiextensions/validation/validation.go and
pkg/apiserver/schema/validation.go
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import SchemaError
from ..models import cel
from . import formats, jsonpath, patterns, value_validation

Schema = Mapping[str, Any]
Problems = Iterator[str]

_ASKED = re.compile(r"\bhas\(self\.(\w+)")
"""A field of which CEL is asked whether it is set."""

_TEXT = re.compile(r"'(\\.|[^'\\])*'|\"(\\.|[^\"\\])*\"")
"""A string in CEL."""

_MESSAGES = {"message": "message", "messageExpression": "message_expression"}
"""The texts of a rule for people, by what the marker calls them."""

_RESTRICTABLE = {"generateName", "name"}
_TYPE_META = {"apiVersion": "string", "kind": "string", "metadata": "object"}
"""The types of what every object has, at the root and embedded."""

_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_KEYS = "x-kubernetes-list-map-keys"
_LIST = "x-kubernetes-list-type"
_MAP = "x-kubernetes-map-type"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_RULES = "x-kubernetes-validations"
_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def check(schema: Schema, path: str) -> None:
    """Look at the whole schema of an object.

    Raises:
        SchemaError: the API server would refuse it; the first reason, from the top.
    """
    for name, problem in (*_of_the_root(schema), *_of_an_object(schema)):
        raise SchemaError(f"{path}.{name}", problem)
    _check(schema, path, "")


def _check(schema: Schema, path: str, moving: str) -> None:
    """Look at one schema and all below; `moving` is the list above whose items have no identity."""
    for problem in (problem for law in _LAWS for problem in law(schema)):
        raise SchemaError(path, problem)
    for problem in _transitions(schema, moving):
        raise SchemaError(path, problem)
    for option in schema.get("anyOf", ()):
        _check({"type": schema.get("type"), **option}, path, moving)
    if _EMBEDDED in schema:
        for name, problem in _of_an_object(schema):
            raise SchemaError(f"{path}.{name}", problem)
    for name, child in schema.get("properties", {}).items():
        _check(child, f"{path}.{name}", moving)
    if "items" in schema:
        _check(schema["items"], f"{path}[]", moving or ("" if _is_map_list(schema) else path))
    if "additionalProperties" in schema:
        _check(schema["additionalProperties"], f"{path}{{}}", moving)


def _is_map_list(schema: Schema) -> bool:
    return schema.get(_LIST) == "map"


def _of_the_root(schema: Schema) -> Iterator[tuple[str, str]]:
    if "status" in schema.get("required", []):
        yield (
            "status",
            (
                "is required, but the API server takes it off what is created: give it the default "
                "None"
            ),
        )
    metadata = schema.get("properties", {}).get("metadata", {"type": "object"})
    restricted = metadata.get("properties", {}).keys() - _RESTRICTABLE
    others = metadata.keys() - {"properties", "type"}
    if metadata.get("type") != "object" or restricted or others:
        found = ", ".join(sorted(restricted or others)) or f"the type {metadata.get('type')}"
        yield (
            "metadata",
            (
                f"only name and generateName may be restricted, but it has {found}: mark it as "
                "Opaque or Named, without a docstring"
            ),
        )


def _of_an_object(schema: Schema) -> Iterator[tuple[str, str]]:
    for name, kind in _TYPE_META.items():
        found = schema.get("properties", {}).get(name, {"type": kind}).get("type", "any")
        if found != kind:
            yield name, f"is of type {found}, but every object has it: it has to be of type {kind}"


def _types(schema: Schema) -> Problems:
    if schema.get("type") == "null":
        yield "None is its only value, and the API server has no type for that: give it another"


def _bounds(schema: Schema) -> Problems:
    for least, most in _BOUNDS:
        if least in schema and most in schema and schema[least] > schema[most]:
            yield f"no value fits: its {least} is {schema[least]}, its {most} {schema[most]}"


def _formats(schema: Schema) -> Problems:
    name, kind = schema.get("format"), schema.get("type", "")
    if name is not None and name not in formats.KNOWN.get(kind, ()):
        known = ", ".join(sorted(formats.KNOWN.get(kind, ()))) or "none"
        advice = (
            f"write {formats.INSTEAD[name]}"
            if name in formats.INSTEAD
            else f"choose one of {known}"
        )
        yield f"the API server knows no format {name!r} of type {kind!r}: {advice}"


def _patterns(schema: Schema) -> Problems:
    if problem := patterns.problem(schema.get("pattern", "")):
        yield problem


def _lists(schema: Schema) -> Problems:
    kind, keys = schema.get(_LIST), schema.get(_KEYS, [])
    if kind is not None and schema.get("type") != "array":
        yield f"ListType({kind!r}) stands at a value of type {schema.get('type')}: it is for lists"
    elif kind == "map":
        yield from _map_list(schema["items"], keys)
    elif keys:
        yield f"ListType({kind!r}) has keys: only a list of type map has"
    elif kind == "set":
        yield from _set(schema["items"])


def _map_list(items: Schema, keys: list[str]) -> Problems:
    if not keys:
        yield "ListType('map') has no keys: name the fields that identify an item"
    if items.get("type") != "object":
        yield f"ListType('map') is for lists of objects, not of type {items.get('type')}"
        return
    yield from _nullable_items(items, "map")
    fields: Schema = items.get("properties", {})
    for key in keys:
        if key not in fields:
            names = ", ".join(fields) or "none"
            yield f"the key {key!r} is no field of the items: choose of {names}"
        elif fields[key].get("type") in {"array", "object"}:
            yield f"the key {key!r} is of type {fields[key]['type']}: choose a plain value"
        elif key not in items.get("required", []) and "default" not in fields[key]:
            yield f"the key {key!r} may be absent from an item: require it, or give it a default"
        elif fields[key].get("nullable"):
            yield f"the key {key!r} may be null: take Nullable off it"
    if len(set(keys)) < len(keys):
        yield f"a key is there twice: {', '.join(keys)}"


def _set(items: Schema) -> Problems:
    yield from _nullable_items(items, "set")
    kind = items.get("type")
    if kind in {"array", "object"}:  # of atomic ones the API server only warns
        yield (
            f"ListType('set') of {kind}s, which server-side apply and CEL do not support: use "
            "'map' or 'atomic'"
        )


def _nullable_items(items: Schema, kind: str) -> Problems:
    if items.get("nullable"):
        yield f"the items of ListType({kind!r}) may be null: take Nullable off them"


def _objects(schema: Schema) -> Problems:
    kind = schema.get("type")
    if _MAP in schema and kind != "object":
        yield f"MapType({schema[_MAP]!r}) stands at a value of type {kind}: it is for objects"
    if _PRESERVE in schema and (_INT_OR_STRING in schema or kind not in {"object", None}):
        found = "int-or-string" if _INT_OR_STRING in schema else kind
        yield f"PreserveUnknownFields stands at a value of type {found}: it is for objects"
    if _EMBEDDED not in schema:
        return
    if kind != "object" or "additionalProperties" in schema:
        yield "Embedded is for a model or for dict[str, Any], not for a map or another type"
    elif not schema.get("properties") and _PRESERVE not in schema:
        yield "Embedded is for an object with fields: type it dict[str, Any], or as a model"


def _defaults(schema: Schema) -> Problems:
    if "default" in schema:
        for where, problem in value_validation.problems(schema["default"], schema):
            yield f"the default does not fit: {where}{problem}"


def _examples(schema: Schema) -> Problems:
    """Look at the example, which the API server does not; readers would copy a wrong one."""
    if "example" in schema:
        for where, problem in value_validation.problems(schema["example"], schema):
            yield f"the example does not fit: {where}{problem}"


def _rules(schema: Schema) -> Problems:
    for rule in schema.get(_RULES, []):
        yield from _texts(rule)
        if "type" not in schema and _INT_OR_STRING not in schema:
            yield f"the rule {rule['rule']!r} is about a value of any type: give it a type"
        yield from _absent(rule["rule"], schema)
        field = rule.get("fieldPath", "")
        if field and jsonpath.field(schema, field) is None:
            yield (
                f"the rule {rule['rule']!r} blames {field!r}, which is not in the schema: write "
                "field_path from here on, with the JSON names of the fields"
            )


def _texts(rule: Schema) -> Problems:
    if not rule.get("rule", "").strip():
        yield "a rule is empty"
    for key, name in _MESSAGES.items():
        if key in rule and not rule[key].strip():
            yield f"the {name} of the rule {rule['rule']!r} is blank: write one, or leave it out"
    if "message" not in rule and re.search(r"[\n\r]", rule["rule"].strip()):
        yield f"the rule {rule['rule']!r} has line breaks: give it a message"
    for key in ("message", "fieldPath"):
        if re.search(r"[\n\r]", rule.get(key, "")):
            yield f"the {key} of the rule {rule['rule']!r} has line breaks: write it in one line"


def _absent(rule: str, schema: Schema) -> Problems:
    """Look for fields of the object itself that a rule asks for by `has`."""
    if schema.get("type") != "object" or "additionalProperties" in schema:
        return
    known = {*schema.get("properties", {}), *(_TYPE_META if _EMBEDDED in schema else ())}
    names = set(map(cel.name, known))
    for name in _ASKED.findall(_TEXT.sub("''", rule)):
        if name not in names:
            yield (
                f"the rule {rule!r} asks for self.{name}, which is not in the schema: choose of "
                f"{', '.join(sorted(known)) or 'none'}"
            )


def _transitions(schema: Schema, moving: str) -> Problems:
    for rule in schema.get(_RULES, []):
        compares = re.search(r"\boldSelf\b", _TEXT.sub("", rule["rule"])) is not None
        if compares and moving:
            yield (
                f"the rule {rule['rule']!r} asks for oldSelf, but {moving} has no items that can "
                "be told apart: give it ListType('map') with keys"
            )
        if not compares and rule.get("optionalOldSelf"):
            yield f"the rule {rule['rule']!r} has optional_old_self, but no oldSelf: take it out"


_LAWS = (
    *(_types, _bounds, _formats, _patterns, _lists),
    *(_objects, _defaults, _examples, _rules),
)
