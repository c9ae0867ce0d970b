# SPDX-License-Identifier: Apache-2.0
"""Kinds that do not fit together are refused before anything is written."""

from typing import ClassVar

import pytest

from api import kinds, markers, model, resources
from generator import crds, errors

THING = resources.Resource("example.com", "Thing", "things", "Namespaced", ("v1", "v2"))
COLUMN = markers.Column("Size", ".spec.size", "integer")


class Spec(model.Model):
    size: int


def kind(version: markers.Version) -> type[model.Object]:
    class Thing(model.Object):
        resource: ClassVar = THING
        spec: Spec | None = None

    Thing.version = version
    return Thing


def test_the_versions_of_a_kind_stand_together_oldest_first() -> None:
    old, new = markers.Version("v1"), markers.Version("v2", storage=True)

    (definition,) = crds.definitions([kind(new), kind(old)])

    assert [item.version for item in definition.versions] == [old, new]
    assert definition.storage_version == "v2"
    assert definition.converts


def test_a_kind_with_one_version_needs_no_conversion() -> None:
    (definition,) = crds.definitions([kind(markers.Version("v1", storage=True))])

    assert not definition.converts
    assert not definition.versions[0].has_status


def test_the_status_of_a_pool_is_a_subresource() -> None:
    versions = [item for found in crds.definitions(kinds.KINDS) for item in found.versions]

    assert len(versions) == len(kinds.KINDS)
    assert all(item.has_status for item in versions)


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ([("v1", False)], "Thing: needs exactly one storage version, but has none"),
        (
            [("v1", True), ("v2", True)],
            "Thing: needs exactly one storage version, but has ['v1', 'v2']",
        ),
        ([("v1", True), ("v1", False)], "Thing: a version is there twice: v1, v1"),
    ],
)
def test_versions_that_do_not_fit_together_are_refused(
    versions: list[tuple[str, bool]], message: str
) -> None:
    kinds = [kind(markers.Version(name, storage=storage)) for name, storage in versions]

    with pytest.raises(errors.VersionsError) as refusal:
        crds.definitions(kinds)

    assert str(refusal.value) == message
    assert refusal.value.kind == "Thing"
    assert refusal.value.problem == message.removeprefix("Thing: ")


@pytest.mark.parametrize("path", [".spec.length", ".spec.size.x", "spec.size", "", "."])
def test_a_column_that_shows_nothing_is_refused(path: str) -> None:
    version = markers.Version("v1", (markers.Column("Size", path),), storage=True)

    with pytest.raises(errors.ColumnError) as refusal:
        crds.definitions([kind(version)])

    assert str(refusal.value) == (
        f"v1.Thing: column 'Size' shows {path!r}, which is not in the schema: "
        "write the path with the JSON names of the fields"
    )
    assert (refusal.value.model, refusal.value.column, refusal.value.path) == (
        "v1.Thing",
        "Size",
        path,
    )


def test_a_column_says_only_what_was_set() -> None:
    wide = markers.Column("Size", ".spec.size", "integer", "How large it is", priority=1)
    version = markers.Version("v1", (COLUMN, wide), storage=True)

    (definition,) = crds.definitions([kind(version)])

    assert definition.versions[0].columns == [
        {"jsonPath": ".spec.size", "name": "Size", "type": "integer"},
        {
            "description": "How large it is",
            "jsonPath": ".spec.size",
            "name": "Size",
            "priority": 1,
            "type": "integer",
        },
    ]
