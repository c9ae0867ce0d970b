# SPDX-License-Identifier: Apache-2.0
"""The API reference: what a user may write in each kind and version, as one page of Markdown.

Flow:
    definitions -> `Page`, whose texts are ready to be printed -> `templates/reference.md.j2`

Each object has a table of its own.  One that is the same in several places (a status) is printed in
the first, and referred to from the others.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..schema.crds import Definition, VersionSchema

Schema = Mapping[str, Any]

_CEL = "x-kubernetes-validations"
_LIST_TYPE = "x-kubernetes-list-type"
_LIST_KEYS = "x-kubernetes-list-map-keys"
_KEEPS_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"

_TABLE = ("properties", "required", _CEL)
"""Keys of an object that its table is about.  Where they are the same, one table is enough."""

_METADATA = "Name, namespace, labels, annotations, and what else Kubernetes keeps of any object."
"""Description of the field that can't have one in its schema: the API server would refuse it."""

_SIZES = (("Length", "character"), ("Items", "item"), ("Properties", "entry"))
"""Ends of the keys `minLength`, `maxLength`, ... and what they count."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: one field of an object."""

    name: str
    type: str
    default: str
    validation: str
    description: str


@dataclass(frozen=True, slots=True)
class Table:
    """One object: `path` is where it is in a manifest, such as `status.conditions[]`."""

    anchor: str
    path: str
    description: str
    rows: tuple[Row, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a kind; the first table is that of the whole manifest."""

    item: VersionSchema
    api_version: str
    anchor: str
    tables: tuple[Table, ...]
    columns: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind, its newest version first."""

    definition: Definition
    versions: tuple[Version, ...]


def page(definitions: Iterable[Definition]) -> tuple[Kind, ...]:
    """Return the page, in the order of the definitions.

    Guarantees:
        Each field of each schema is in a table that the table above it refers to.
    """
    printed = dict[str, str]()
    return tuple(
        Kind(found, tuple(_version(found, item, printed) for item in _newest_first(found)))
        for found in definitions
    )


def text(value: str) -> str:
    """Return a text as it may stand in a cell: one line, in which only backticks mean something."""
    parts = " ".join(value.split()).split("`")
    parts[::2] = [re.sub(r"([\\<>*_\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts).replace("|", r"\|")


def code(value: object) -> str:
    """Return a value as it is written in a manifest; a text stands without quotes."""
    plain = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    line = " ".join(plain.splitlines()).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def _newest_first(definition: Definition) -> list[VersionSchema]:
    order = definition.resource.versions
    return sorted(definition.versions, key=lambda item: -order.index(item.version.name))


def _version(definition: Definition, item: VersionSchema, printed: dict[str, str]) -> Version:
    anchor = f"{item.version.name}.{definition.resource.kind}"
    return Version(
        item=item,
        api_version=f"{definition.resource.group}/{item.version.name}",
        anchor=anchor,
        tables=tuple(_Walk(anchor, printed).tables(item.schema, "")),
        columns=tuple(_column(column) for column in item.columns),
    )


def _column(column: Mapping[str, Any]) -> tuple[str, ...]:
    only_wide = " (with `-o wide`)" if column.get("priority") else ""
    about = (text(column.get("description", "")) + only_wide).strip()
    kind = f"{column['type']} ({column['format']})" if "format" in column else column["type"]
    return text(column["name"]), kind, code(column["jsonPath"]), about


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes down one version's schema; `printed` has the anchors of all objects up to here."""

    root: str
    printed: dict[str, str]
    links: dict[str, str] = field(default_factory=dict[str, str])

    def tables(self, schema: Schema, path: str) -> Iterator[Table]:
        """Yield an object's own table and then those of the objects in it."""
        anchor = ".".join(filter(None, (self.root, re.sub(r"[\[\]{}]", "", path))))
        properties: Mapping[str, Schema] = schema["properties"]
        below = list[Table]()
        for name, child in properties.items():
            inner, suffix = _innermost(child)
            if inner.get("properties"):
                where = f"{path}.{name}{suffix}".removeprefix(".")
                below += self._below(inner, where)
        rows = tuple(self._row(name, schema, path) for name in properties)
        rules = tuple(_rule(rule) for rule in schema.get(_CEL, ()))
        yield Table(anchor, path, text(schema.get("description", "")), rows, rules)
        yield from below

    def _below(self, schema: Schema, path: str) -> list[Table]:
        """Return the tables of an object in another one; none where it was printed before."""
        key = json.dumps([schema.get(key) for key in _TABLE], sort_keys=True)
        found = list[Table]() if key in self.printed else list(self.tables(schema, path))
        if found:
            self.printed[key] = found[0].anchor
        self.links[path] = self.printed[key]
        return found

    def _row(self, name: str, parent: Schema, path: str) -> Row:
        schema: Schema = parent["properties"][name]
        _, suffix = _innermost(schema)
        row = f"{path}.{name}{suffix}".removeprefix(".")
        link = self.links.get(row, "")
        default = code(schema["default"]) if "default" in schema else ""
        return Row(
            name=code(name),
            type=_type(schema, link),
            default="**required**" if name in parent.get("required", ()) else default,
            validation="<br>".join(_checks(schema)),
            description=text(schema.get("description", _METADATA if row == "metadata" else "")),
        )


def _innermost(schema: Schema) -> tuple[Schema, str]:
    """Return the items of the lists and maps of a field, and their notation in a path."""
    suffix = ""
    while True:
        if "items" in schema:
            schema, suffix = schema["items"], f"{suffix}[]"
        elif isinstance(schema.get("additionalProperties"), Mapping):
            schema, suffix = schema["additionalProperties"], f"{suffix}{{}}"
        else:
            return schema, suffix


def _type(schema: Schema, link: str) -> str:
    """Return the type of a value in words; `link` is where the innermost object is described."""
    nullable = " or null" if schema.get("nullable") else ""
    return _type_but_null(schema, link) + nullable


def _type_but_null(schema: Schema, link: str) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'], link)}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_type(schema['additionalProperties'], link)}"
    if schema.get(_INT_OR_STRING):
        return "integer or string"
    name = "any" if "type" not in schema else str(schema["type"])
    name = "resource" if schema.get(_EMBEDDED) else name
    name = f"[{name}](#{link})" if link else name
    return f"{name} ({schema['format']})" if "format" in schema else name


def _checks(schema: Schema, what: str = "") -> Iterator[str]:
    """Yield all that the API server demands of a field, down to the values in its lists and maps.

    An object's own rules are left out where it has a table, which has them.
    """
    rules = () if schema.get("properties") else schema.get(_CEL, ())
    for check in (*_own_checks(schema), *(_rule(rule) for rule in rules)):
        yield f"{what}{check}"
    if "items" in schema:
        yield from _checks(schema["items"], f"{what}each: ")
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield from _checks(schema["additionalProperties"], f"{what}each value: ")


def _own_checks(schema: Schema) -> Iterator[str]:
    yield from filter(None, (_bounds(schema), *(_size(schema, *size) for size in _SIZES)))
    if "multipleOf" in schema:
        yield f"a multiple of {schema['multipleOf']}"
    if "enum" in schema:
        yield f"one of {', '.join(code(value) for value in schema['enum'])}"
    if "pattern" in schema:
        yield f"pattern: {code(schema['pattern'])}"
    if "anyOf" in schema and _INT_OR_STRING not in schema:
        yield " or ".join(_alternative(option) for option in schema["anyOf"])
    if schema.get(_LIST_TYPE) == "set" or schema.get("uniqueItems"):
        yield "no item twice"
    if _LIST_KEYS in schema:
        yield f"one item for each {', '.join(code(key) for key in schema[_LIST_KEYS])}"
    if schema.get(_KEEPS_UNKNOWN) and "type" in schema:
        yield "unknown fields are kept"


def _alternative(schema: Schema) -> str:
    return ", ".join([*([schema["format"]] if "format" in schema else []), *_own_checks(schema)])


def _bounds(schema: Schema) -> str:
    """Return the bounds of a number, such as `0 to 128`."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if None not in (low, high) and not (above or below):
        return f"{low} to {high}"
    lower = "" if low is None else f"{'more than' if above else 'at least'} {low}"
    upper = "" if high is None else f"{'less than' if below else 'at most'} {high}"
    return ", ".join(filter(None, (lower, upper)))


def _size(schema: Schema, key: str, unit: str) -> str:
    """Return the bounds of a length, such as `1 to 100 characters`."""
    low, high = schema.get(f"min{key}"), schema.get(f"max{key}")
    if low is None and high is None:
        return ""
    units = unit if (low if high is None else high) == 1 else _plural(unit)
    if low is None:
        return f"at most {high} {units}"
    return f"at least {low} {units}" if high is None else f"{low} to {high} {units}"


def _plural(unit: str) -> str:
    return f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"


def _rule(rule: Mapping[str, str]) -> str:
    """Return the message of a CEL rule; without one, the API server shows the rule itself."""
    where = f"{code(rule['fieldPath'].removeprefix('.'))}: " if "fieldPath" in rule else ""
    return f"CEL: {where}{code(rule.get('message', rule['rule']))}"
