# SPDX-License-Identifier: Apache-2.0
"""JSON values and the types that conversion needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard, cast

from .errors import FieldTypeError, quoted

JsonObject = dict[str, object]
"""A JSON object.  Values that conversion does not read may be anything, such as raw JSON."""

MISSING: Final = object()
"""The value of an absent field; null is a value."""


@dataclass(frozen=True, slots=True)
class Type:
    """A JSON type: its name in messages, and its predicate."""

    name: str
    fits: Callable[[object], bool]


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Return whether it is a JSON object."""
    return isinstance(value, dict)


def is_strings(value: object) -> TypeGuard[list[str]]:
    """Return whether it is a JSON array of strings."""
    if not isinstance(value, list):
        return False
    return set(map(type, cast("list[object]", value))) <= {str}  # quicker than a generator


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether it is an integer; Python takes `true` for one, JSON does not."""
    return isinstance(value, int) and not isinstance(value, bool)


STRING = Type("a string", lambda value: isinstance(value, str))
STRINGS = Type("a list of strings", is_strings)
INTEGER = Type("an integer", is_integer)
BOOLEAN = Type("true or false", lambda value: isinstance(value, bool))


def integer_in(least: int, most: int) -> Type:
    """Return the type of integers within these bounds."""
    name = f"an integer from {least} to {most}"
    return Type(name, lambda value: is_integer(value) and least <= value <= most)


Fields = Mapping[str, Type]
"""The fields of a spec that a version knows."""


def check(spec: JsonObject, fields: Fields) -> None:
    """Refuse a spec with a wrong JSON type.  null counts as unset everywhere.

    Raises:
        FieldTypeError: for the first such field.
    """
    for name, value in spec.items():
        needed = fields.get(name)
        if needed is not None and value is not None and not needed.fits(value):
            raise FieldTypeError(f"spec.{name}", value, needed.name)


def fitting(spec: JsonObject, fields: Fields) -> Iterator[tuple[str, object]]:
    """Yield the entries of a spec from an annotation that have the type of their field."""
    for name, value in spec.items():
        if name not in fields or value is None or fields[name].fits(value):
            yield name, value


def text(spec: JsonObject, name: str) -> str:
    """Return a string field; unset, empty and null are the same."""
    value = spec.get(name)
    return value if isinstance(value, str) else ""


def strings(spec: JsonObject, name: str) -> list[str]:
    """Return a field with a list of strings; unset, empty and null are the same."""
    value = spec.get(name)
    return value if is_strings(value) else []


def integer(spec: JsonObject, name: str) -> int | None:
    """Return an integer field; unset and null are the same."""
    value = spec.get(name)
    return value if is_integer(value) else None


def child(parent: JsonObject, name: str, path: str) -> JsonObject:
    """Return an object inside an object; unset and null are an empty one.

    Raises:
        FieldTypeError: it is something else.
    """
    value = parent.get(name)
    if isinstance(value, dict):  # not is_object: this is asked six times for each object
        return cast("JsonObject", value)
    if value is None:
        return {}
    raise FieldTypeError(path, value, "an object")


def name_of(obj: object) -> str:
    """Return the name of an object for messages: kind, namespace and name, if present."""
    if not is_object(obj):
        return quoted(obj)
    kind, metadata = obj.get("kind"), obj.get("metadata")
    parts = metadata if is_object(metadata) else {}
    name = "/".join(str(parts[key]) for key in ("namespace", "name") if parts.get(key))
    return f"{kind or 'object'} {name or '(without a name)'}"
