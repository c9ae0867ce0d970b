# SPDX-License-Identifier: Apache-2.0
"""What `ipam-in-cluster versions` makes of a definition and its objects."""

import json
from typing import Any

import msgspec
import pytest

from cli import version_report
from kube import definitions

KIND = "InClusterIPPool"
CRD = "inclusterippools.ipam.cluster.x-k8s.io"
OLD: dict[str, Any] = {"name": "v1alpha1", "served": True, "deprecated": True}
NEW: dict[str, Any] = {"name": "v1alpha2", "served": True, "storage": True}
READER = msgspec.json.Decoder(definitions.Definition)


def report(
    *objects: dict[str, Any],
    old: dict[str, Any] | None = OLD,
    stored: str = "v1alpha2",
    **more: Any,
) -> version_report.Kind:
    """Return the report about a kind: `old` is v1alpha1 in its definition."""
    status = {"storedVersions": stored.split(), **more}
    versions = [*([old] if old else []), NEW]
    definition = {"metadata": {"name": CRD}, "spec": {"versions": versions}, "status": status}
    found = READER.decode(json.dumps(definition))
    return version_report.report(KIND, CRD, found, objects)


def pool(*entries: tuple[str, str]) -> dict[str, Any]:
    """Return a pool with managedFields of some versions and managers."""
    fields = [
        {
            "apiVersion": f"ipam.cluster.x-k8s.io/{version}",
            "manager": manager,
            "time": f"2026-01-0{number}T00:00:00Z",
        }
        for number, (version, manager) in enumerate(entries, start=1)
    ]
    return {"metadata": {"managedFields": fields}}


def old_of(kind: version_report.Kind) -> version_report.Row:
    [row] = [row for row in kind.versions if row.version == "v1alpha1"]
    return row


def test_the_version_that_is_stored_needs_no_next_step() -> None:
    kind = report(pool(("v1alpha2", "argo")))

    assert kind.versions[-1].next == ""
    assert kind.versions[-1].ready


def test_a_version_in_which_objects_may_be_stored_has_to_stay() -> None:
    row = old_of(report(stored="v1alpha1 v1alpha2", old=OLD | {"served": False}))

    assert not row.ready
    assert row.next == (
        "objects may be stored in it. Wait until the provider's manager has rewritten them. If"
        ' it does not, search its log for "migration".'
    )


def test_after_a_failed_migration_of_kubernetes_stored_versions_are_not_believed() -> None:
    condition = {"type": "StorageMigrating", "status": "False", "reason": "MigrationFailed"}

    row = old_of(report(conditions=[condition]))

    assert row.stored
    assert not row.ready


def test_writers_of_a_served_version_are_named_with_the_time_of_the_last_write() -> None:
    kind = report(pool(("v1alpha1", "kubectl"), ("v1alpha1", "argo")), pool(("v1alpha1", "argo")))

    assert not old_of(kind).ready
    assert old_of(kind).next == (
        "managedFields of 2 objects name it, last written at 2026-01-02T00:00:00Z by argo, kubectl."
        " Change what they write to v1alpha2, then run: ipam-in-cluster versions"
        " --rewrite-managed-fields"
    )


def test_a_served_version_that_no_object_names_may_go_if_nobody_reads_it() -> None:
    row = old_of(report(pool(("v1alpha2", "argo"))))

    assert row.ready
    assert row.next == (
        "no object names it. If no client uses it, it is safe to set served to false."
    )


def test_entries_of_a_version_not_served_are_waited_for() -> None:
    row = old_of(report(pool(("v1alpha1", "argo")), old=OLD | {"served": False}))

    assert not row.ready
    assert row.next == (
        "it is not served, and managedFields of 1 object name it. The provider's manager translates"
        " them within a minute. If it does not, run: ipam-in-cluster versions"
        " --rewrite-managed-fields"
    )


def test_a_version_that_is_not_served_and_that_nothing_names_may_be_removed() -> None:
    row = old_of(report(pool(("v1alpha2", "argo")), old=OLD | {"served": False}))

    assert row.ready
    assert row.next == (
        "it is not served, and no object names it. It is safe to remove it from spec.versions."
    )


def test_entries_of_a_removed_version_are_reported_with_what_they_break() -> None:
    row = old_of(report(pool(("v1alpha1", "argo")), old=None))

    assert not row.ready
    assert row.next.startswith("it is removed, so server-side apply fails, and managedFields of 1")


def test_a_version_that_is_gone_without_a_trace_is_not_shown() -> None:
    assert [row.version for row in report(pool(("v1alpha2", "a")), old=None).versions] == [
        "v1alpha2"
    ]


@pytest.mark.parametrize(
    ("old", "served"),
    [
        (OLD, "deprecated"),
        (OLD | {"deprecated": False}, "yes"),
        (OLD | {"served": False}, "no"),
        (None, "removed"),
    ],
)
def test_a_table_shows_each_version_of_each_kind(old: dict[str, Any] | None, served: str) -> None:
    kind = report(pool(("v1alpha1", "a"), ("v1alpha2", "b")), pool(("v1alpha2", "b")), old=old)

    lines = list(version_report.lines([kind]))

    head, *rows = [line.split() for line in lines[:3]]
    assert head == ["KIND", "VERSION", "SERVED", "STORAGE", "STOREDVERSIONS", "MANAGEDFIELDS"]
    assert [KIND, "v1alpha1", served, "no", "no", "1", "of", "2"] in rows
    assert [KIND, "v1alpha2", "yes", "yes", "yes", "2", "of", "2"] in rows
    assert lines[3] == ""
    assert lines[4] == f"{KIND} v1alpha1: {old_of(kind).next}"


def test_a_kind_that_is_not_installed_is_reported_and_is_no_problem() -> None:
    kinds = [report(), version_report.Kind("InClusterPrefixPool", "x")]

    assert list(version_report.lines(kinds))[-1] == "InClusterPrefixPool: the CRD is not installed."
    assert version_report.ready(kinds)


def test_one_version_that_is_not_ready_is_enough() -> None:
    assert not version_report.ready([report(), report(pool(("v1alpha1", "argo")))])


def test_json_has_all_of_it_in_the_spelling_of_kubernetes() -> None:
    text = version_report.as_json([report(pool(("v1alpha1", "argo")))])

    [kind] = json.loads(text)["kinds"]
    assert (kind["kind"], kind["objects"]) == (KIND, 1)
    [row] = [row for row in kind["versions"] if row["version"] == "v1alpha1"]
    assert row["managedFields"] == {
        "objects": 1,
        "managers": ["argo"],
        "last": "2026-01-01T00:00:00Z",
    }
    assert row["ready"] is False
