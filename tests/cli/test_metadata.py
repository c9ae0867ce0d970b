# SPDX-License-Identifier: Apache-2.0
"""Messages about metadata; which metadata is refused, tests/apiserver/test_validate.py compares."""

import json

import pytest
from click import testing

from cli import main
from envtest import manifests

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}


def validate(metadata: object) -> list[str]:
    spec = {"addresses": ["10.0.0.1"], "prefix": 24}
    pool = manifests.pool("blue", spec) | {"metadata": metadata}
    result = testing.CliRunner().invoke(main.main, ["validate"], input=json.dumps(pool))
    assert isinstance(result.exception, SystemExit)
    return [line.partition(": InClusterIPPool ")[2] for line in result.stderr.splitlines()]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"annotations": {"cluster.x-k8s.io/paused": True}},
            "metadata.annotations[cluster.x-k8s.io/paused]: must be a string, not True; write it",
        ),
        (
            {"labels": {"vlan": 100}},
            "metadata.labels[vlan]: must be a string, not 100; write it in quotes",
        ),
        ({"labels": ["a"]}, "metadata.labels: must be an object, not ['a']"),
        (
            {"labels": {"city": "Zürich"}},
            "metadata.labels[city]: 'Zürich': must have only letters (A to Z), digits, '-', '_'",
        ),
        (
            {"labels": {"a_b/c": "d"}},
            "metadata.labels: 'a_b/c': has a wrong prefix 'a_b': it must have only lower-case",
        ),
        ({"finalizers": "foo"}, "metadata.finalizers: must be a list, not 'foo'"),
        (
            {"finalizers": ["a", "b/c/d"]},
            "metadata.finalizers[1]: 'b/c/d': must have one '/' at most, such as example.com/rack",
        ),
        (
            {"finalizers": ["foregroundDeletion", "orphan"]},
            "metadata.finalizers: foregroundDeletion and orphan exclude each other",
        ),
        (
            {"ownerReferences": [OWNER | {"uid": ""}]},
            "metadata.ownerReferences[0].uid: is required",
        ),
        (
            {"ownerReferences": [OWNER, OWNER | {"controller": "true"}]},
            "metadata.ownerReferences[1].controller: must be true or false, not 'true'",
        ),
        (
            {"creationTimestamp": "yesterday"},
            "metadata.creationTimestamp: must be a time such as 2026-01-31T12:00:00Z, not 'yest",
        ),
        ({"namespace": "Team"}, "metadata.namespace: 'Team': must have only lower-case letters"),
    ],
)
def test_a_message_names_the_field_the_value_and_what_is_needed(
    more: dict[str, object], line: str
) -> None:
    (told,) = validate({"name": "blue", **more})

    assert told.partition("blue: ")[2].startswith(line)


@pytest.mark.parametrize("name", ["under_score", "extraPool0"])
def test_a_wrong_name_is_reported_once(name: str) -> None:
    (told,) = validate({"name": name})

    assert told == (
        f"{name}: metadata.name: '{name}': must have only lower-case letters, digits, '-' and '.', "
        "and begin and end with a letter or a digit, such as rack-1.example"
    )


def test_all_problems_are_reported() -> None:
    assert len(validate({"name": 5, "labels": {"a": 1, "b": 2}, "finalizers": [3]})) == 4


def test_annotations_that_are_no_object_are_reported_once() -> None:
    assert validate({"name": "blue", "annotations": 5}) == [
        "blue: metadata.annotations: must be an object, not 5"
    ]
