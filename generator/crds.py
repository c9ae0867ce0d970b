# SPDX-License-Identifier: Apache-2.0
"""From kinds to CustomResourceDefinitions, as values for the template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from api import markers, model, resources

from .errors import ColumnError, VersionsError
from .structural import schema_of


@dataclass(frozen=True, slots=True)
class VersionSchema:
    """One version of a kind."""

    version: markers.Version
    schema: Mapping[str, Any]

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The printer columns in the API server's words."""
        return [_column(column) for column in self.version.columns]

    @property
    def has_status(self) -> bool:
        """Whether the status is a subresource of its own."""
        return "status" in self.schema["properties"]


@dataclass(frozen=True, slots=True)
class Definition:
    """One kind in all of its versions, oldest first."""

    resource: resources.Resource
    versions: tuple[VersionSchema, ...]

    @property
    def converts(self) -> bool:
        """Whether objects have to be converted between versions."""
        return len(self.versions) > 1

    @property
    def storage_version(self) -> str:
        """The version that is stored, which admission sees."""
        return next(item.version.name for item in self.versions if item.version.storage)


def definitions(kinds: Iterable[type[model.Object]]) -> list[Definition]:
    """Bring the versions of each kind together.

    Raises:
        VersionsError: a kind has not exactly one storage version, or a version twice.
        ColumnError: a column shows a field that does not exist.
        SchemaError: a field's type can't be said in a structural schema.
    """
    ordered = sorted(kinds, key=lambda kind: (kind.resource.name, kind.version.name))
    return [
        _definition(list(same)) for _, same in groupby(ordered, lambda kind: kind.resource.name)
    ]


def _definition(kinds: list[type[model.Object]]) -> Definition:
    resource = kinds[0].resource
    names = [kind.version.name for kind in kinds]
    stored = [kind.version.name for kind in kinds if kind.version.storage]
    if len(set(names)) < len(names):
        raise VersionsError(resource.kind, f"a version is there twice: {', '.join(names)}")
    if len(stored) != 1:
        raise VersionsError(
            resource.kind, f"needs exactly one storage version, but has {stored or 'none'}"
        )
    return Definition(resource, tuple(_version(kind) for kind in kinds))


def _version(kind: type[model.Object]) -> VersionSchema:
    schema = schema_of(kind)
    for column in kind.version.columns:
        if not _has_path(schema, column.path):
            raise ColumnError(f"{kind.version.name}.{kind.__name__}", column.name, column.path)
    return VersionSchema(kind.version, schema)


def _has_path(schema: Mapping[str, Any], path: str) -> bool:
    """Tell whether a path such as `.spec.prefix` leads to a field."""
    start, *names = path.split(".")
    if start or not names:
        return False
    for name in names:
        properties = schema.get("properties", {})
        if name not in properties:
            return False
        schema = properties[name]
    return True


def _column(column: markers.Column) -> dict[str, Any]:
    """Return the column with its keys in alphabetical order, unset ones left out."""
    keys = {
        "description": column.description,
        "jsonPath": column.path,
        "name": column.name,
        "priority": column.priority,
        "type": column.type,
    }
    return {key: value for key, value in keys.items() if value}
