# SPDX-License-Identifier: Apache-2.0
"""From kinds to CustomResourceDefinitions, as values for the template."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

from ..errors import VersionsError
from ..models import markers, model, resources
from ..validate import pointers, spelling
from .structural import schema_of

_REMEMBERED = 100  # versions: the CRDs, schemas and page of one run are made from the same


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
    def selectable_fields(self) -> list[dict[str, str]]:
        """The fields that can be asked for, in the API server's words."""
        return [{"jsonPath": path} for path in self.version.selectable]

    @property
    def has_status(self) -> bool:
        """Whether the status is a subresource of its own."""
        return "status" in self.schema["properties"]

    @property
    def subresources(self) -> dict[str, Any]:
        """The parts of an object that have a URL of their own, in the API server's words."""
        scale = self.version.scale
        return {
            **({"scale": _scale(scale)} if scale else {}),
            **({"status": dict[str, Any]()} if self.has_status else {}),
        }


@dataclass(frozen=True, slots=True)
class Definition:
    """One kind in all of its versions, oldest first."""

    resource: resources.Resource
    versions: tuple[VersionSchema, ...]

    @property
    def storage_version(self) -> str:
        """The version that is stored, which admission sees."""
        return next(item.version.name for item in self.versions if item.version.storage)


def definitions(kinds: Iterable[type[model.Object]]) -> list[Definition]:
    """Bring the versions of each kind together.

    Raises:
        VersionsError: a kind has two plurals, not exactly one storage version, or a version twice.
        NamesError: the API server refuses a name or a text.
        PathError: a column, a selectable field or the scale shows a field that does not exist.
        SchemaError: a structural schema cannot express a field's type.
    """
    ordered = sorted(kinds, key=_place)
    found = [
        _definition(list(same)) for _, same in groupby(ordered, lambda kind: kind.resource.name)
    ]
    _check_plurals(found)
    return found


def _check_plurals(found: Iterable[Definition]) -> None:
    """Make sure that a kind has one plural: of two, the API server would serve only the first."""
    plurals = dict[tuple[str, str], str]()
    for resource in (definition.resource for definition in found):
        plural = plurals.setdefault((resource.group, resource.kind), resource.plural)
        if plural != resource.plural:
            raise VersionsError(
                resource.kind,
                f"has two plurals in {resource.group}: {plural}, {resource.plural}; keep one, or "
                "give one of them another kind",
            )


def _place(kind: type[model.Object]) -> tuple[str, int]:
    """Return where a kind stands: by its name, and its versions as their `Resource` lists them."""
    if kind.version.name not in kind.resource.versions:
        raise VersionsError(
            kind.resource.kind,
            f"{kind.version.name} is not in the versions of its Resource: add it",
        )
    return kind.resource.name, kind.resource.versions.index(kind.version.name)


def _definition(kinds: list[type[model.Object]]) -> Definition:
    resource = kinds[0].resource
    names = [kind.version.name for kind in kinds]
    stored = [kind.version.name for kind in kinds if kind.version.storage]
    if any(replace(kind.resource, versions=resource.versions) != resource for kind in kinds):
        raise VersionsError(
            resource.kind, "its models have Resources that differ: give all versions the same one"
        )
    if len(set(names)) < len(names):
        raise VersionsError(
            resource.kind,
            f"a version is there twice: {', '.join(names)}; give each model a version of its own",
        )
    if len(stored) != 1:
        found = ", ".join(stored) or "none"
        raise VersionsError(
            resource.kind,
            f"needs exactly one storage version, but has {found}; set storage=True in one Version",
        )
    spelling.check(resource, [kind.version for kind in kinds])
    return Definition(resource, tuple(_version(kind) for kind in kinds))


@lru_cache(_REMEMBERED)
def _version(kind: type[model.Object]) -> VersionSchema:
    schema = schema_of(kind)
    pointers.check(f"{kind.version.name}.{kind.__name__}", kind.version, schema)
    return VersionSchema(kind.version, schema)


def _column(column: markers.Column) -> dict[str, Any]:
    """Return the column with its keys in alphabetical order, unset ones left out."""
    keys = {
        "description": column.description,
        "format": column.format,
        "jsonPath": column.path,
        "name": column.name,
        "priority": column.priority,
        "type": column.type,
    }
    return {key: value for key, value in keys.items() if value}


def _scale(scale: markers.Scale) -> dict[str, str]:
    keys = {
        "labelSelectorPath": scale.label_selector,
        "specReplicasPath": scale.spec_replicas,
        "statusReplicasPath": scale.status_replicas,
    }
    return {key: value for key, value in keys.items() if value}
