# SPDX-License-Identifier: Apache-2.0
"""Check the metadata of an object as the API server does: JSON types first, then syntax.

Source: k8s.io/apimachinery, ValidateObjectMeta in api/validation, and the types of metav1.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from api import resources
from crdkit.conversion import annotation, errors, values
from crdkit.models import meta
from ipam.texts import quoted

from . import names

_OWNER: Mapping[str, Mapping[str, str]] = {
    "apiVersion": {"type": "string"},
    "blockOwnerDeletion": {"type": "boolean"},
    "controller": {"type": "boolean"},
    "kind": {"type": "string"},
    "name": {"type": "string"},
    "uid": {"type": "string"},
}
_REQUIRED_OF_OWNER = ("kind", "name", "uid")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[-+]\d\d:\d\d)", re.ASCII)


def _is_time(value: object) -> bool:
    """Whether a value is a time of RFC 3339."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_TYPES: Mapping[str, values.Type] = {
    "array": values.Type("a list", lambda value: isinstance(value, list)),
    "boolean": values.BOOLEAN,
    "date-time": values.Type("a time such as 2026-01-31T12:00:00Z", _is_time),
    "int64": values.integer_in(-(2**63), 2**63 - 1),
    "object": values.Type("an object", values.is_object),
    "string": values.STRING,
}
_ANNOTATIONS_BYTES = 256 * 1024  # of all keys and values together
_EXCLUSIVE = frozenset(("orphan", "foregroundDeletion"))
"""Finalizers of which an object has one at most."""


def errors_of(obj: values.JsonObject) -> Iterator[str]:
    """Yield a line for each field of the metadata that the API server refuses.

    Caveats:
        Conversion reports metadata that is not an object.  managedFields is only checked to be a
        list, because nobody writes it by hand.
    """
    metadata = obj.get("metadata")
    if metadata is not None and not values.is_object(metadata):
        return
    given = {name: value for name, value in (metadata or {}).items() if value is not None}
    misfits = list(_misfits(given, meta.OBJECT_META, "metadata."))
    yield from misfits
    if not misfits:
        kind = values.text(obj, "kind")
        yield from _of_names(given, namespaced=_is_namespaced(kind))
        yield from _of_labels(given)
        yield from _of_annotations(given)
        yield from _of_finalizers(given)
        yield from _of_owners(given)


def _misfits(
    part: values.JsonObject, schemas: Mapping[str, Mapping[str, Any]], parent: str
) -> Iterator[str]:
    """Yield the fields whose JSON type is wrong; `fields.py` reports unknown fields."""
    for name, value in part.items():
        if name in schemas and value is not None:
            yield from _misfit(value, schemas[name], f"{parent}{name}")


def _misfit(value: object, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield why a value does not fit; null always fits, because Go reads it as absent."""
    if value is None:
        return
    needed = _TYPES[schema.get("format") or schema.get("type", "object")]
    if not needed.fits(value):
        yield f"{errors.FieldTypeError(path, value, needed.name)}{_remedy(value, needed)}"
    elif isinstance(value, list):
        for number, item in enumerate(cast("list[object]", value)):
            yield from _misfit(item, schema["items"], f"{path}[{number}]")
    elif values.is_object(value) and "additionalProperties" in schema:
        for name, item in value.items():
            yield from _misfit(item, schema["additionalProperties"], f"{path}[{name}]")


def _remedy(value: object, needed: values.Type) -> str:
    """Return a hint about missing quotes, the most frequent cause."""
    is_scalar = isinstance(value, (bool, int, float))
    return "; write it in quotes" if needed is values.STRING and is_scalar else ""


def _of_names(given: values.JsonObject, *, namespaced: bool) -> Iterator[str]:
    name, generate_name = values.text(given, "name"), values.text(given, "generateName")
    if not name and not generate_name:
        yield "metadata.name: is required, or generateName"
    if name:
        yield from _violations("metadata.name", name, names.name)
    if generate_name and not name:
        yield from _violations("metadata.generateName", generate_name, names.generate_name)
    if namespaced and (namespace := values.text(given, "namespace")):
        yield from _violations("metadata.namespace", namespace, names.namespace)


def _of_labels(given: values.JsonObject) -> Iterator[str]:
    for key, value in values.child(given, "labels", "metadata.labels").items():
        yield from _violations("metadata.labels", key, names.qualified)
        yield from _violations(f"metadata.labels[{key}]", str(value or ""), names.label_value)


def _of_annotations(given: values.JsonObject) -> Iterator[str]:
    annotations = values.child(given, "annotations", "metadata.annotations")
    for key in annotations:
        yield from _violations("metadata.annotations", key, names.annotation)
    own = {key: value for key, value in annotations.items() if key != annotation.NAME}
    size = sum(len(key.encode()) + len(str(value or "").encode()) for key, value in own.items())
    if size > _ANNOTATIONS_BYTES:
        yield f"metadata.annotations: have {size} bytes; {_ANNOTATIONS_BYTES} are allowed"


def _of_finalizers(given: values.JsonObject) -> Iterator[str]:
    finalizers = [str(each or "") for each in _items(given, "finalizers")]
    for number, finalizer in enumerate(finalizers):
        yield from _violations(f"metadata.finalizers[{number}]", finalizer, names.qualified)
    if _EXCLUSIVE.issubset(finalizers):
        yield f"metadata.finalizers: {' and '.join(sorted(_EXCLUSIVE))} exclude each other"


def _of_owners(given: values.JsonObject) -> Iterator[str]:
    owners = _items(given, "ownerReferences")
    for number, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{number}]"
        yield from _of_owner(owner if values.is_object(owner) else {}, path)
    controllers = [each for each in owners if values.is_object(each) and each.get("controller")]
    if len(controllers) > 1:
        text = "only one owner may have `controller: true`"
        yield f"metadata.ownerReferences: {len(controllers)} are controllers: {text}"


def _of_owner(owner: values.JsonObject, path: str) -> Iterator[str]:
    misfits = list(_misfits(owner, _OWNER, f"{path}."))
    yield from misfits
    if misfits:
        return
    for name in owner.keys() - _OWNER.keys():
        yield f"{path}.{name}: unknown field"
    for name in _REQUIRED_OF_OWNER:
        if not owner.get(name):
            yield f"{path}.{name}: is required"
    api_version = values.text(owner, "apiVersion")
    group, _, version = api_version.rpartition("/")
    if not version or "/" in group:
        yield f"{path}.apiVersion: {quoted(api_version)}: must be a version, or group/version"
    if (api_version, owner.get("kind")) == ("v1", "Event"):
        yield f"{path}: an Event cannot own anything"


def _violations(path: str, text: str, rule: Callable[[str], str]) -> Iterator[str]:
    if problem := rule(text):
        yield f"{path}: {quoted(text)}: {problem}"


def _items(given: values.JsonObject, name: str) -> list[object]:
    found = given.get(name)
    return cast("list[object]", found) if isinstance(found, list) else []


def _is_namespaced(kind: str) -> bool:
    return any(each.kind == kind and each.scope == "Namespaced" for each in resources.POOLS)
