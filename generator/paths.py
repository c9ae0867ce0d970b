# SPDX-License-Identifier: Apache-2.0
"""Where a path such as `.spec.prefix` leads in a schema."""

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_STEP = re.compile(
    r"\.(?P<name>(?:\\.|[^.\[\]\\])+)"  # .name, where a dot inside of a name is written \.
    r"|\['(?P<key>[^']+)'\]"  # ['a name with dots']
    r"|\[(?P<items>\*|-?\d+|\?\([^)]*\))\]"  # [*], [0] and [?(@.type=="Ready")]
)

ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a field that only its user knows."""


def find(schema: Schema, path: str) -> Schema | None:
    """Return the schema of the field that a path leads to, or None where there is none.

    The path is a JSONPath of kubectl: it may name keys of maps, and choose items of lists.
    """
    steps = list(_STEP.finditer(path))
    if not steps or "".join(step[0] for step in steps) != path:
        return None
    found: Schema | None = schema
    for step in steps:
        if found is None:
            return None
        found = _item(found) if step["items"] else _field(found, _name(step))
    return found


def is_plain(path: str) -> bool:
    """Tell whether a path only names fields: `.spec.replicas`, not an item or a key of a map."""
    return re.fullmatch(r"(\.[^.\[\]\\']+)+", path) is not None


def _name(step: re.Match[str]) -> str:
    return step["key"] or re.sub(r"\\(.)", r"\1", step["name"])


def _field(schema: Schema, name: str) -> Schema | None:
    found: Schema | None = schema.get("properties", {}).get(name)
    if found is not None:
        return found
    values: Schema | None = schema.get("additionalProperties")
    if values is not None:
        return values
    return ANYTHING if "x-kubernetes-preserve-unknown-fields" in schema else None


def _item(schema: Schema) -> Schema | None:
    return schema.get("items")
