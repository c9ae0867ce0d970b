# SPDX-License-Identifier: Apache-2.0
"""Translate entries of managedFields from an old version to the hub version.

An entry of `metadata.managedFields` names the version in which its manager wrote, and fields of
that version.  Once the CRD no longer has the version, the API server cannot read the entry.  Then
every server-side apply of the object fails (https://github.com/kubernetes/kubernetes/issues/111937).
If the entry were dropped, nobody would own its fields, and those that the manager later removes
from its manifest would stay.  So an entry is translated, as the object itself is converted.
"""

from collections.abc import Collection, Iterator
from typing import cast

from api import resources
from crdkit.conversion import values
from crdkit.conversion.errors import ConversionError
from crdkit.conversion.values import MISSING, JsonObject

from . import registry

_FIELD = "f:"
_SPEC = f"{_FIELD}spec"


def versions(obj: JsonObject) -> frozenset[str]:
    """Return the versions in which managers wrote an object."""
    return frozenset(version_of(entry) for entry in entries(obj))


def entries(obj: JsonObject) -> Iterator[JsonObject]:
    """Yield the entries of an object's managedFields."""
    found = values.child(obj, "metadata", "metadata").get("managedFields")
    yield from cast("list[JsonObject]", found) if isinstance(found, list) else ()


def version_of(entry: JsonObject) -> str:
    """Return the version in which an entry's manager wrote, without its group."""
    return values.text(entry, "apiVersion").rpartition("/")[2]


def in_hub(obj: JsonObject, kept: Collection[str]) -> list[JsonObject] | None:
    """Return managedFields with entries in other versions than those kept translated to the hub.

    Guarantees:
        Each manager owns the same fields as before, under their names in the hub version.  Entries
        in the versions kept, which must include the hub, stay as they are.

    Args:
        obj: An object in the hub version.
        kept: Names of versions.

    Returns:
        All entries; None if none has to be changed.
    """
    if versions(obj) <= frozenset(kept):
        return None
    joined: dict[tuple[object, ...], JsonObject] = {}
    for old in entries(obj):
        entry = old if version_of(old) in kept else _translated(old, obj)
        identity = tuple(
            entry.get(name) for name in ("manager", "operation", "subresource", "apiVersion")
        )
        known = joined.get(identity)
        joined[identity] = _merged(known, entry) if known else entry
    return [entry for entry in joined.values() if entry.get("fieldsV1")]


def _translated(entry: JsonObject, obj: JsonObject) -> JsonObject:
    """Return an entry in the hub version; metadata and status have the same fields in each."""
    fields = values.child(entry, "fieldsV1", "fieldsV1")
    spec = fields.get(_SPEC)
    if values.is_object(spec):
        others = {name: tree for name, tree in fields.items() if name != _SPEC}
        translated = _spec_in_hub(spec, obj, version_of(entry))
        fields = others | ({_SPEC: translated} if translated else {})
    return {**entry, "apiVersion": obj["apiVersion"], "fieldsV1": fields}


def _spec_in_hub(owned: JsonObject, obj: JsonObject, version: str) -> JsonObject:
    names = frozenset(name.removeprefix(_FIELD) for name in owned if name.startswith(_FIELD))
    fields = {f"{_FIELD}{name}" for name in _determined(obj, names, version)}
    same = {n: tree for n, tree in owned.items() if n in fields or not n.startswith(_FIELD)}
    return same | dict.fromkeys(sorted(fields - owned.keys()), JsonObject())


def _determined(obj: JsonObject, names: frozenset[str], version: str) -> frozenset[str]:
    """Return the hub fields that the named fields of an old version determine."""
    hub = values.child(obj, "spec", "spec")
    pair = registry.REGISTRY.kinds[values.text(obj, "kind")].spokes.get(version)
    if pair is None:
        return names & hub.keys()
    try:
        converted = registry.REGISTRY.convert(obj, f"{resources.GROUP}/{version}")
        old = values.child(converted, "spec", "spec")
        whole = pair.to_hub(old)
        rest = pair.to_hub({name: value for name, value in old.items() if name not in names})
    except ConversionError:  # its JSON types are wrong, which the schema forbids
        return names & hub.keys()
    changed = {n for n in whole if whole[n] != rest.get(n, MISSING)}
    return (names | changed) & hub.keys()


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    """Merge two entries of one manager."""
    fields = [values.child(each, "fieldsV1", "fieldsV1") for each in (one, other)]
    time = max(values.text(each, "time") for each in (one, other))
    return {**one, "fieldsV1": _union(*fields), **({"time": time} if time else {})}


def _union(one: JsonObject, other: JsonObject) -> JsonObject:
    """Return the union of the paths of two trees."""
    both = dict(one)
    for name, tree in other.items():
        known = both.get(name)
        merge = values.is_object(known) and values.is_object(tree)
        both[name] = _union(cast("JsonObject", known), cast("JsonObject", tree)) if merge else tree
    return both
