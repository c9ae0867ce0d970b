# SPDX-License-Identifier: Apache-2.0
"""Kinds that do not fit together are refused before anything is written."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import pytest
import yaml
from pydantic import Field

from api import kinds
from crdkit import errors
from crdkit.models import markers, model, resources
from crdkit.render import files
from crdkit.schema import crds

THING = resources.Resource("example.com", "Thing", "things", "Namespaced", ("v1", "v2"))
COLUMN = markers.Column("Size", ".spec.size", "integer")


class Item(model.Model):
    type: str
    n: int


class Spec(model.Model):
    size: Annotated[int, markers.Format("int64")]
    name: str = ""
    list: tuple[Item, ...] = ()
    map: dict[str, str] = Field({})
    any: dict[str, Any] = Field({})


class Status(model.Model):
    size: int = 0


def kind(version: markers.Version) -> type[model.Object]:
    class Thing(model.Object):
        resource: ClassVar = THING
        spec: Spec | None = None
        status: Status | None = None

    Thing.version = version
    return Thing


def test_the_versions_of_a_kind_stand_together_oldest_first() -> None:
    old, new = markers.Version("v1"), markers.Version("v2", storage=True)

    (definition,) = crds.definitions([kind(new), kind(old)])

    assert [item.version for item in definition.versions] == [old, new]
    assert definition.storage_version == "v2"


def test_a_kind_without_a_status_has_no_subresource() -> None:
    class Bare(model.Object):
        resource: ClassVar = THING
        version: ClassVar = markers.Version("v1", storage=True)

    (definition,) = crds.definitions([Bare])

    assert not definition.versions[0].has_status
    assert definition.versions[0].subresources == {}


def test_the_status_of_a_pool_is_a_subresource() -> None:
    versions = [item for found in crds.definitions(kinds.KINDS) for item in found.versions]

    assert len(versions) == len(kinds.KINDS)
    assert all(item.has_status for item in versions)


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        (
            [("v1", False)],
            (
                "Thing: needs exactly one storage version, but has none; set storage=True in one "
                "Version"
            ),
        ),
        (
            [("v1", True), ("v2", True)],
            (
                "Thing: needs exactly one storage version, but has v1, v2; set storage=True in one "
                "Version"
            ),
        ),
        (
            [("v1", True), ("v1", False)],
            "Thing: a version is there twice: v1, v1; give each model a version of its own",
        ),
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


def test_versions_of_a_kind_with_other_names_are_refused() -> None:
    other = kind(markers.Version("v2"))
    other.resource = replace(THING, short_names=("th",))

    with pytest.raises(errors.VersionsError) as refusal:
        crds.definitions([kind(markers.Version("v1", storage=True)), other])

    assert str(refusal.value) == (
        "Thing: its models have Resources that differ: give all versions the same one"
    )


def test_a_version_that_is_not_listed_is_refused() -> None:
    with pytest.raises(errors.VersionsError) as refusal:
        crds.definitions([kind(markers.Version("v3", storage=True))])

    assert str(refusal.value) == "Thing: v3 is not in the versions of its Resource: add it"


def test_versions_stand_as_their_resource_lists_them() -> None:
    listed = replace(THING, versions=("v1beta1", "v1", "v1alpha1"))
    kinds = [kind(markers.Version(name, storage=name == "v1")) for name in sorted(listed.versions)]
    for one in kinds:
        one.resource = listed

    (definition,) = crds.definitions(kinds)

    assert tuple(item.version.name for item in definition.versions) == listed.versions


def refusal_of(version: markers.Version) -> errors.PathError:
    with pytest.raises(errors.PathError) as refusal:
        crds.definitions([kind(version)])
    return refusal.value


@pytest.mark.parametrize("path", [".spec.length", ".spec.size.x", "spec.size", "", "."])
def test_a_column_that_shows_nothing_is_refused(path: str) -> None:
    refusal = refusal_of(
        markers.Version("v1", (markers.Column("Size", path),), storage=True),
    )

    assert str(refusal) == (
        f"v1.Thing: column 'Size' shows {path!r}, which is not in the schema: "
        "write the path with the JSON names of the fields"
    )
    assert (refusal.model, refusal.what, refusal.path) == ("v1.Thing", "column 'Size'", path)
    assert refusal.problem.startswith("is not in the schema")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            markers.Column("X", ".spec.name", "integer"),
            (
                "column 'X' shows '.spec.name', which is of type string: the column can't be of "
                "type 'integer'"
            ),
        ),
        (
            markers.Column("X", ".spec.name", "date"),
            (
                "column 'X' shows '.spec.name', which is of type string: the column can't be of "
                "type 'date'"
            ),
        ),
        (
            markers.Column("X", ".metadata.creationTimestamp", "number"),
            (
                "column 'X' shows '.metadata.creationTimestamp', which is of type string of format "
                "date-time: the column can't be of type 'number'"
            ),
        ),
        (
            markers.Column("X", ".spec.size", "boolean"),
            (
                "column 'X' shows '.spec.size', which is of type integer of format int64: the "
                "column can't be of type 'boolean'"
            ),
        ),
        (
            markers.Column("X", ".spec.size", "integer", format="int32"),
            (
                "column 'X' shows '.spec.size', which is of format 'int64': the column can't be of "
                "format 'int32'"
            ),
        ),
        (
            markers.Column("", ".spec.name"),
            "column '' shows '.spec.name', which needs a name for kubectl to print above it",
        ),
        (
            markers.Column("X", ".metadata.label"),
            (
                "column 'X' shows '.metadata.label', which is not in the schema: write the path "
                "with the JSON names of the fields"
            ),
        ),
    ],
)
def test_a_column_of_another_type_than_its_field_is_refused(
    column: markers.Column, message: str
) -> None:
    assert str(refusal_of(markers.Version("v1", (column,), storage=True))) == f"v1.Thing: {message}"


@pytest.mark.parametrize(
    "column",
    [
        markers.Column("X", ".spec.list"),
        markers.Column("X", ".spec.list[*].n", "integer"),
        markers.Column("X", ".spec.list[0].n", "number"),
        markers.Column("X", '.spec.list[?(@.type=="a.b")].n', "integer"),
        markers.Column("X", ".spec.map.key"),
        markers.Column("X", r".spec.map['a\.b']"),
        markers.Column("X", r".spec.map.a\.b"),
        markers.Column("X", ".spec.any.thing.at.all", "date"),
        markers.Column("X", ".metadata.creationTimestamp", "date"),
        markers.Column("X", ".metadata.deletionGracePeriodSeconds", "integer"),
        markers.Column("X", ".metadata.generateName"),
        markers.Column("X", ".metadata.resourceVersion"),
        markers.Column("X", ".metadata.labels.x"),
        markers.Column("X", ".metadata.ownerReferences[0].name"),
    ],
    ids=lambda column: column.path,
)
def test_a_column_may_look_into_lists_and_maps(column: markers.Column) -> None:
    crds.definitions([kind(markers.Version("v1", (column,), storage=True))])


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (
            markers.Scale(),
            (
                "scale's spec_replicas shows '.spec.replicas', which is not in the schema: write "
                "the path with the JSON names of the fields"
            ),
        ),
        (
            markers.Scale(".spec.size", ".spec.size"),
            "scale's status_replicas shows '.spec.size', which is not a field below .status.",
        ),
        (
            markers.Scale(".spec.name", ".status.size"),
            (
                "scale's spec_replicas shows '.spec.name', which is of type string: it has to be "
                "of type integer"
            ),
        ),
        (
            markers.Scale(".spec.list[0].n", ".status.size"),
            "scale's spec_replicas shows '.spec.list[0].n', which is not a field below .spec.",
        ),
        (
            markers.Scale(".spec.size", ".status.size", ".status.size"),
            (
                "scale's label_selector shows '.status.size', which is of type integer: it has to "
                "be of type string"
            ),
        ),
        (
            markers.Scale(".spec.size", ".status.size", ".kind"),
            "scale's label_selector shows '.kind', which is not a field below .spec. or .status.",
        ),
    ],
)
def test_replicas_that_are_not_there_are_refused(scale: markers.Scale, message: str) -> None:
    refusal = refusal_of(markers.Version("v1", storage=True, scale=scale))

    assert str(refusal) == f"v1.Thing: {message}"


@pytest.mark.parametrize(
    ("selectable", "message"),
    [
        (
            (".spec.length",),
            (
                "'.spec.length', which is not in the schema: write the path with the JSON names of "
                "the fields"
            ),
        ),
        (
            (".spec.list",),
            "'.spec.list', which is of type array: only string, integer and boolean go",
        ),
        (
            (".spec.any.x",),
            "'.spec.any.x', which is of type any: only string, integer and boolean go",
        ),
        (
            (".spec.list[0].n",),
            "'.spec.list[0].n', which has more than names of fields in it: only these go",
        ),
        (
            (".metadata.name",),
            "'.metadata.name', which is in metadata: the API server selects by these itself",
        ),
        ((".spec.size", ".spec.size"), "'.spec.size', which is there twice: keep one of them"),
        (
            tuple(f".spec.map.k{number}" for number in range(9)),
            "'.spec.map.k0', which is one of more than 8: take some out",
        ),
    ],
)
def test_fields_that_nobody_can_ask_for_are_refused(
    selectable: tuple[str, ...], message: str
) -> None:
    refusal = refusal_of(markers.Version("v1", storage=True, selectable=selectable))

    assert str(refusal) == f"v1.Thing: selectable field shows {message}"


def test_names_that_yaml_reads_as_something_else_are_quoted() -> None:
    model_ = kind(markers.Version("v1", storage=True))
    model_.resource = resources.Resource("on.off", "On", "off", "Cluster", ("v1",))

    (text,) = files.crd_files([model_], "make generate").values()

    assert yaml.safe_load(text)["spec"]["names"] == {
        "kind": "On",
        "listKind": "OnList",
        "plural": "off",
        "singular": "on",
    }


def test_two_plurals_of_a_kind_are_refused() -> None:
    version = markers.Version("v1", storage=True)
    other = kind(version)
    other.resource = replace(THING, plural="thingies")

    with pytest.raises(errors.VersionsError) as refusal:
        crds.definitions([kind(version), other])

    assert str(refusal.value) == (
        "Thing: has two plurals in example.com: thingies, things; keep one, or give one of them "
        "another kind"
    )


LONG = "x" * 257
APPROVED = "api-approved.kubernetes.io"
FOREIGN = (
    "belongs to Kubernetes: choose a domain of yours, or say in the annotation "
    "api-approved.kubernetes.io by a URL that it was approved, or `unapproved`"
)
CHARACTERS = "is none: letters, digits, dashes, dots and underscores, at most 63"
KEY = f"{CHARACTERS}, and a domain with a slash before them if any"


@pytest.mark.parametrize(
    "changes",
    [
        {"group": "things.x-k8s.io"},
        {"group": "things.k8s.io", "annotations": {APPROVED: "unapproved, a test"}},
        {"group": "things.k8s.io", "annotations": {APPROVED: "https://example.com/1"}},
        {"labels": {"a": "", "a.b/C_d": "E.f"}, "annotations": {"A.b/c": "any thing"}},
    ],
)
def test_names_that_the_api_server_takes_are_taken(changes: dict[str, Any]) -> None:
    model_ = kind(markers.Version("v1", storage=True))
    model_.resource = replace(THING, **changes)

    crds.definitions([model_])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": "example"}, "Thing: group 'example' is no domain with a dot in it"),
        ({"group": "things.k8s.io"}, f"Thing: group 'things.k8s.io' {FOREIGN}"),
        (
            {"group": "things.k8s.io", "annotations": {APPROVED: "yes"}},
            f"Thing: group 'things.k8s.io' {FOREIGN}",
        ),
        (
            {"labels": {"a b": ""}},
            f"Thing: label key 'a b' {KEY}",
        ),
        (
            {"annotations": {"/a": ""}},
            f"Thing: annotation key '/a' {KEY}",
        ),
        ({"labels": {"a": "b c"}}, f"Thing: value of label a 'b c' {CHARACTERS}"),
        ({"labels": {"a": LONG}}, f"Thing: value of label a '{LONG}' {CHARACTERS}"),
        ({"kind": "Thing!"}, "Thing!: kind in lower case 'thing!' is no DNS label"),
        ({"plural": "Things"}, "Thing: plural 'Things' is no DNS label"),
        ({"short_names": ("th", "T")}, "Thing: short name 'T' is no DNS label"),
        ({"categories": ("all", "")}, "Thing: category '' is no DNS label"),
    ],
)
def test_names_that_the_api_server_refuses_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    model_ = kind(markers.Version("v1", storage=True))
    model_.resource = replace(THING, **changes)
    rest = ": lower-case letters, digits and dashes, a letter first, at most 63"

    with pytest.raises(errors.NamesError) as refusal:
        crds.definitions([model_])

    assert str(refusal.value) == message + (rest if message.endswith("label") else "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("a\nb", "has characters that can't be printed"), (LONG, "is longer than 256 bytes")],
)
def test_a_warning_that_no_header_can_hold_is_refused(text: str, problem: str) -> None:
    with pytest.raises(errors.NamesError) as refusal:
        crds.definitions([kind(markers.Version("v1", storage=True, deprecated=text))])

    assert str(refusal.value) == f"Thing: deprecation warning {text!r} {problem}"
    assert refusal.value.kind == "Thing"
    assert (refusal.value.what, refusal.value.value) == ("deprecation warning", text)
    assert refusal.value.problem == problem


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
