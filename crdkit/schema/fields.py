# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the fields of a class before their types are looked at: names and defaults.

A field has one name in JSON, by which it is read and written.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import core_schema

Field = core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField


def problem(attribute: str, name: str, field: Field, owner: str) -> str:
    """Return why a field of the class `owner` has not one JSON name; nothing if it has.

    `owner` is empty for a TypedDict, whose keys are the names themselves.
    """
    alias = field.get("validation_alias", attribute)
    written = field.get("serialization_alias", attribute)
    if not isinstance(alias, str):
        return "is read by several names or from inside of another field: give it one alias"
    if field.get("serialization_exclude") or "serialization_exclude_if" in field:
        return "as_json() leaves it out: take exclude out of its Field"
    if written != name:
        return (
            f"is read as {name}, but as_json() writes {written}: write Field(alias=...), which is "
            "for both"
        )
    if owner and "validation_alias" not in field and "_" in attribute.strip("_"):
        return (
            f"{owner} writes it in snake_case: derive it from crdkit.models.model.Model, as in "
            f"`class {owner}(model.Model):`, or give the field an alias"
        )
    return ""


def clash(names: Mapping[str, str]) -> str:
    """Return which fields have one JSON name between them; `names` has that of each attribute."""
    attributes = defaultdict[str, list[str]](list)
    for attribute, name in names.items():
        attributes[name].append(attribute)
    for name, these in attributes.items():
        if len(these) > 1:
            return (
                f"{' and '.join(these)} are both {name} in JSON: rename one, or give it another "
                "name by Field(alias=...)"
            )
    return ""


def deprecations(kind: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the JSON names of deprecated fields with their deprecation messages."""
    for attribute, field in kind.model_fields.items():
        if field.deprecated and field.deprecated is not True:
            name = field.validation_alias if isinstance(field.validation_alias, str) else attribute
            yield name, field.deprecation_message or ""


def made_by(schema: core_schema.WithDefaultSchema) -> tuple[tuple[Any, ...], str]:
    """Return two values that a default factory makes, or why it makes none."""
    factory: Any = schema.get("default_factory")
    if schema.get("default_factory_takes_data"):
        return (), (
            "its default depends on other fields, but a CRD has one for all: give it the default "
            "None, and make the value where it is used"
        )
    try:
        return (factory(), factory()), ""
    except Exception as error:  # noqa: BLE001 - whatever a function of others raises
        return (), f"its default_factory fails: {type(error).__name__}: {error}"
