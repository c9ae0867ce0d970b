# SPDX-License-Identifier: Apache-2.0
"""Report which old API versions a cluster still uses, and which step is safe next.

It makes no requests: `cluster.py` does.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from typing_extensions import override

from conversion import managed_fields
from crdkit.conversion import values
from ipam import texts
from kube.definitions import Definition, Version

REWRITE = "--rewrite-managed-fields"

_HEAD = ("KIND", "VERSION", "SERVED", "STORAGE", "STOREDVERSIONS", "MANAGEDFIELDS")


class Blocker(NamedTuple):
    """What blocks the next step of a version's removal, and the remedy."""

    cause: str
    remedy: str

    @override
    def __str__(self) -> str:
        return f"{self.cause}. {self.remedy}"


class Entries(msgspec.Struct, frozen=True, rename="camel"):
    """The managedFields of all objects of a kind in one version."""

    objects: int = 0
    managers: tuple[str, ...] = ()
    last: str = ""
    """The latest time of any entry, in RFC 3339 and UTC."""


_NONE = Entries()


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One version of one kind."""

    version: str
    listed: bool
    """Whether it is in the definition's `spec.versions`."""
    served: bool
    deprecated: bool
    storage: bool
    stored: bool
    """Whether objects may be stored in it."""
    managed_fields: Entries
    ready: bool = True
    """Whether the next step of its removal is safe."""
    next: str = ""
    """The next step, or what blocks it; empty for the storage version."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The cells of a table."""
        served = "yes" if self.served else "no" if self.listed else "removed"
        served = "deprecated" if self.served and self.deprecated else served
        storage, stored = ("yes" if each else "no" for each in (self.storage, self.stored))
        return self.version, served, storage, stored, str(self.managed_fields.objects)


class Kind(msgspec.Struct, frozen=True, rename="camel"):
    """A kind and its versions.  It is not installed if it has none."""

    kind: str
    crd: str
    objects: int = 0
    versions: tuple[Row, ...] = ()

    @property
    def storage(self) -> str:
        """The storage version."""
        return next(row.version for row in self.versions if row.storage)


def report(kind: str, crd: str, found: Definition, objects: Sequence[values.JsonObject]) -> Kind:
    """Return the report on a kind, from its CRD and all its objects."""
    entries = _entries(objects)
    listed = {version.name: version for version in found.spec.versions}
    names = [*listed, *sorted(entries.keys() - listed.keys())]
    rows = [_row(name, listed.get(name), found, entries.get(name, _NONE)) for name in names]
    return Kind(kind, crd, len(objects), tuple(rows))


def as_json(kinds: Sequence[Kind]) -> str:
    """Return the report as JSON, for programs."""
    return msgspec.json.format(msgspec.json.encode({"kinds": kinds}), indent=2).decode()


def lines(kinds: Sequence[Kind]) -> Iterator[str]:
    """Yield the lines of a table of versions, and below it the next steps."""
    table: list[list[str]] = [list(_HEAD)]
    for kind, row in _rows(kinds):
        *cells, count = row.shown
        table.append([kind.kind, *cells, f"{count} of {kind.objects}"])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(map(str.ljust, cells, widths)).rstrip()
    notes = [f"{kind.kind} {row.version}: {row.next}" for kind, row in _rows(kinds) if row.next]
    notes += [f"{kind.kind}: the CRD is not installed." for kind in kinds if not kind.versions]
    yield from ["", *notes] if notes else []


def ready(kinds: Sequence[Kind]) -> bool:
    """Return whether the next step is safe for each version of each kind."""
    return all(row.ready for _, row in _rows(kinds))


def _rows(kinds: Sequence[Kind]) -> Iterator[tuple[Kind, Row]]:
    for kind in kinds:
        for row in kind.versions:
            yield kind, row


def _entries(objects: Sequence[values.JsonObject]) -> dict[str, Entries]:
    """Return the managedFields of objects by their version."""
    counts, managers, times = defaultdict[str, int](int), defaultdict[str, set[str]](set), {"": ""}
    for obj in objects:
        for version in managed_fields.versions(obj):
            counts[version] += 1
        for entry in managed_fields.entries(obj):
            version = managed_fields.version_of(entry)
            managers[version].add(values.text(entry, "manager"))
            times[version] = max(times.get(version, ""), values.text(entry, "time"))
    return {
        version: Entries(count, tuple(sorted(managers[version])), times[version])
        for version, count in counts.items()
    }


def _row(name: str, version: Version | None, found: Definition, entries: Entries) -> Row:
    storage = name == found.storage
    row = Row(
        version=name,
        listed=version is not None,
        served=version is not None and version.served,
        deprecated=version is not None and version.deprecated,
        storage=storage,
        stored=name in found.status.stored_versions or (version is not None and found.failed),
        managed_fields=entries,
    )
    if storage:
        return row
    blocked = blocker(row, found.storage)
    return msgspec.structs.replace(row, ready=not blocked, next=str(blocked or _step(row)))


def blocker(row: Row, storage: str) -> Blocker | None:
    """Return what blocks the next step of a version's removal; None if nothing does."""
    count = texts.counted(row.managed_fields.objects, "object")
    managers = ", ".join(row.managed_fields.managers)
    rewrite = f"ipam-in-cluster versions {REWRITE}"
    if row.stored:
        return Blocker(
            "objects may be stored in it",
            "Wait until the provider's manager has rewritten them. If it does not, search its log "
            'for "migration".',
        )
    if not row.managed_fields.objects:
        return None
    if row.served:
        return Blocker(
            f"managedFields of {count} name it, last written at {row.managed_fields.last} by "
            f"{managers}",
            f"Change what they write to {storage}, then run: {rewrite}",
        )
    state = "is not served" if row.listed else "is removed, so server-side apply fails"
    return Blocker(
        f"it {state}, and managedFields of {count} name it",
        "The provider's manager translates them within a minute. If it does not, run: " + rewrite,
    )


def _step(row: Row) -> str:
    if row.served:
        return "no object names it. If no client uses it, it is safe to set served to false."
    return "it is not served, and no object names it. It is safe to remove it from spec.versions."
