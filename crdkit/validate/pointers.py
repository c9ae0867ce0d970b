# SPDX-License-Identifier: Apache-2.0
"""Whether what a version points at is there: its columns, selectable fields and replicas."""

from collections.abc import Mapping
from typing import Any

from ..errors import PathError
from ..models import markers, meta
from . import jsonpath

Schema = Mapping[str, Any]

_MAX_SELECTABLE = 8  # fields of a version; validation.go, MaxSelectableFields
_SELECTABLE = frozenset({"boolean", "integer", "string"})

_ABSENT = "is not in the schema: write the path with the JSON names of the fields"

_METADATA: Schema = {"type": "object", "properties": meta.OBJECT_META}
"""What every object has, for columns; the schema does not say it."""


def check(model: str, version: markers.Version, schema: Schema) -> None:
    """Follow every path of a version.

    Raises:
        PathError: one leads nowhere, or to a field of another type than it has to.
    """
    whole = {**schema, "properties": {**schema.get("properties", {}), "metadata": _METADATA}}
    for column in version.columns:
        what = f"column {column.name!r}"
        if not column.name:
            raise PathError(model, what, column.path, "needs a name for kubectl to print above it")
        found = _found(model, what, column.path, whole)
        if problem := _unlike(column, found):
            raise PathError(model, what, column.path, problem)
    for path in version.selectable:
        _check_selectable(model, version.selectable, path, schema)
    if version.scale is not None:
        _check_scale(model, version.scale, schema)


def _found(model: str, what: str, path: str, schema: Schema) -> Schema:
    found = jsonpath.find(schema, path)
    if found is None:
        raise PathError(model, what, path, _ABSENT)
    return found


def _unlike(column: markers.Column, found: Schema) -> str:
    """Return how a column differs from its field; kubectl prints any field as a string."""
    kind, of = found.get("type"), found.get("format", "")
    fitting = {
        "boolean": kind == "boolean",
        "date": kind == "string" and of in {"date", "date-time"},
        "integer": kind == "integer",
        "number": kind in {"integer", "number"},
        "string": True,
    }
    if kind is not None and not fitting[column.type]:
        has = f"{kind} of format {of}" if of else str(kind)
        return f"is of type {has}: the column can't be of type {column.type!r}"
    if column.format and of and column.format != of:
        return f"is of format {of!r}: the column can't be of format {column.format!r}"
    return ""


def _check_selectable(model: str, all_of_them: tuple[str, ...], path: str, schema: Schema) -> None:
    what = "selectable field"
    if path == ".metadata" or path.startswith(".metadata."):
        raise PathError(model, what, path, "is in metadata: the API server selects by these itself")
    found = _found(model, what, path, schema)
    if not jsonpath.is_plain(path):
        raise PathError(model, what, path, "has more than names of fields in it: only these go")
    if found.get("type") not in _SELECTABLE:
        kind = found.get("type", "any")
        raise PathError(
            model, what, path, f"is of type {kind}: only string, integer and boolean go"
        )
    if all_of_them.count(path) > 1:
        raise PathError(model, what, path, "is there twice: keep one of them")
    if len(all_of_them) > _MAX_SELECTABLE:
        raise PathError(model, what, path, f"is one of more than {_MAX_SELECTABLE}: take some out")


def _check_scale(model: str, scale: markers.Scale, schema: Schema) -> None:
    for name, path, roots, kind in (
        ("spec_replicas", scale.spec_replicas, (".spec.",), "integer"),
        ("status_replicas", scale.status_replicas, (".status.",), "integer"),
        ("label_selector", scale.label_selector, (".spec.", ".status."), "string"),
    ):
        if not path and name == "label_selector":
            continue
        what = f"scale's {name}"
        found = _found(model, what, path, schema)
        if not path.startswith(roots) or not jsonpath.is_plain(path):
            raise PathError(model, what, path, f"is not a field below {' or '.join(roots)}")
        if found.get("type") != kind:
            has = found.get("type", "any")
            raise PathError(model, what, path, f"is of type {has}: it has to be of type {kind}")
