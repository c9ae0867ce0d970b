# SPDX-License-Identifier: Apache-2.0
"""Where a path such as `.spec.prefix` leads in a schema.

There are two notations.  Columns have the JSONPath of kubectl: it chooses items of lists and looks
into all depths, and what it finds first is shown.  What the API server itself reads, such as the
`fieldPath` of a rule, names fields and keys of maps alone.

Source: k8s.io/client-go, util/jsonpath/parser.go; k8s.io/apiextensions-apiserver,
pkg/apiserver/schema/cel/validation.go, ValidFieldPath
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_NAME = r"(?:\\.|[^.,\s\[\]{}$@\\])+"  # where a dot inside of a name is written \.
_TEXT = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_STEP = re.compile(
    rf"\.\.(?P<deep>(?=\w){_NAME}|(?=\[|$))"  # ..name, ..[0] and all by ..
    rf"|\.(?P<name>{_NAME})"  # .name and .*
    rf"|\[\?\((?P<filter>(?:{_TEXT}|[^)\"'])*)\)\]"  # [?(@.type=="Ready")]
    r"|\[(?P<chosen>[^\]\n]*)\]"  # [*], [0], [0:2], ['name'] and several of them with commas
)
_FILTER = re.compile(
    rf"\s*@(?P<left>[^!<>=]*?)\s*((==|!=|<=?|>=?)\s*(@(?P<right>[^!<>=]+?)|{_TEXT}|true|false"
    r"|[+-]?[0-9.]+)\s*)?"
)
_KEY = re.compile(r"'([^']*)'")
_ITEMS = re.compile(r"\*|(-?[0-9]+)?(:(-?[0-9]+)?(:([1-9][0-9]*)?)?)?")

_PLAIN = re.compile(r"\.(?P<name>[^.\[\]']+)|\['(?P<key>(?:\\'|[^'\\])+)'\]")

ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a field that only its user knows."""


def find(schema: Schema, path: str) -> Schema | None:
    """Return the schema of the target of a JSONPath; None if it has no target.

    Where it leads to values of several types, one of them is shown: that is anything.
    """
    found = _walk([schema], path)
    kinds = {(each.get("type"), each.get("format")) for each in found}
    return None if not found else found[0] if len(kinds) == 1 else ANYTHING


def field(schema: Schema, path: str) -> Schema | None:
    """Return the schema that a path of fields and keys of maps leads to, or None."""
    steps = list(_PLAIN.finditer(path))
    if not steps or "".join(step[0] for step in steps) != path:
        return None
    found: Schema | None = schema
    for step in steps:
        name = step["name"] or step["key"].replace("\\'", "'")
        found = found and found.get("properties", {}).get(name, found.get("additionalProperties"))
    return found


def is_plain(path: str) -> bool:
    """Return whether a path only names fields: `.spec.replicas`, not an item or a key of a map."""
    return re.fullmatch(r"(\.[^.\[\]\\']+)+", path) is not None


def _walk(start: list[Schema], path: str) -> list[Schema]:
    """Return all that a path leads to."""
    steps = list(_STEP.finditer(path))
    if not steps or "".join(step[0] for step in steps) != path:
        return []
    found = start
    for step in steps:
        found = [after for before in found for after in _after(before, step)]
    return found


def _after(schema: Schema, step: re.Match[str]) -> Iterable[Schema]:
    kind, text = str(step.lastgroup), str(step[step.lastgroup or 0])
    match kind:
        case "name":
            return _named(schema, text)
        case "deep":
            inside = list(_all(schema))
            return (found for each in inside for found in _named(each, text)) if text else inside
        case "filter":
            return [item for item in _items(schema) if _may_pass(item, text)]
        case _:
            return [found for part in text.split(",") for found in _chosen(schema, part.strip())]


def _named(schema: Schema, text: str) -> Iterator[Schema]:
    """Yield the field of a name, or all of them for `*`."""
    name = re.sub(r"\\(.)", r"\1", text)
    fields: Mapping[str, Schema] = schema.get("properties", {})
    if text == "*":
        yield from _below(schema)
    elif name in fields:
        yield fields[name]
    elif "additionalProperties" in schema:
        yield schema["additionalProperties"]
    elif "x-kubernetes-preserve-unknown-fields" in schema:
        yield ANYTHING


def _chosen(schema: Schema, part: str) -> list[Schema]:
    """Return what stands in brackets: items, or a key, in which dots have to be escaped, too."""
    if key := _KEY.fullmatch(part):
        return _walk([schema], f".{key[1]}")
    return list(_items(schema)) if _ITEMS.fullmatch(part) else []


def _may_pass(item: Schema, text: str) -> bool:
    """Return whether kubectl can read a filter, and the fields that it looks at are there."""
    found = _FILTER.fullmatch(text)
    if found is None:
        return False
    looked_at = [path.strip() for path in (found["left"], found["right"]) if path]
    return all(_walk([item], path) for path in looked_at)


def _items(schema: Schema) -> Iterator[Schema]:
    if "items" in schema:
        yield schema["items"]
    elif "type" not in schema and "x-kubernetes-preserve-unknown-fields" in schema:
        yield ANYTHING


def _below(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas right inside of a schema."""
    yield from schema.get("properties", {}).values()
    yield from (schema[key] for key in ("additionalProperties", "items") if key in schema)
    if "x-kubernetes-preserve-unknown-fields" in schema and schema is not ANYTHING:
        yield ANYTHING


def _all(schema: Schema) -> Iterator[Schema]:
    """Yield a schema and all below."""
    yield schema
    for child in _below(schema):
        yield from _all(child)
