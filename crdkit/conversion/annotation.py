# SPDX-License-Identifier: Apache-2.0
"""The annotation that keeps what the other version has no field for.

On a hub object it is the Go provider's form, `{"spec": {...}}` with the whole v1alpha1 spec as its
user wrote it (null: none), so that a rollback to Go reads it; `version` names another version that
it was written in.  On a v1alpha1 object `spec` holds
the hub's fields that v1alpha1 lacks, and `strays` those that only v1alpha1 should have.  Long ones
are compressed: `{"zlib": "<base64>"}` of the same JSON.

The annotation is user input: whatever is wrong with it, it counts as absent.
"""

import base64
import binascii
import zlib
from typing import Final

import msgspec

from . import values
from .values import JsonObject

NAME: Final = "cluster.x-k8s.io/conversion-data"

_COMPRESS_ABOVE = 32 * 1024
"""Bytes.  An eighth of the 256 KiB that all annotations of an object may take together."""

_LONGEST_BYTES = 3 * 1024 * 1024 // 2
"""Of JSON.  etcd stores no larger object, so only an attack unpacks to more."""

_LEVEL = 6  # of zlib; fixed, because equal specs must give equal annotations

_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def read(obj: JsonObject) -> JsonObject:
    """Return the content of an object's annotation; empty if it is absent or invalid.

    Raises:
        FieldError: metadata or its annotations are not objects.
    """
    annotation = _annotations(_metadata(obj)).get(NAME)
    if not isinstance(annotation, str):
        return {}
    kept = _parse(annotation)
    packed = kept.get("zlib")
    return _parse(_unpack(packed)) if isinstance(packed, str) else kept


def write(obj: JsonObject, kept: JsonObject) -> JsonObject:
    """Return the object's metadata with this annotation; without it if nothing is `kept`.

    Guarantees:
        Deterministic.  `obj` is not changed.  An annotations map that would be left empty is left
        out, as the API server does.

    Raises:
        FieldError: metadata or its annotations are not objects.
    """
    metadata = _metadata(obj)
    annotations = _annotations(metadata)
    if kept:
        return metadata | {"annotations": annotations | {NAME: _text(kept)}}
    if NAME not in annotations:
        return metadata
    rest = {name: value for name, value in annotations.items() if name != NAME}
    if rest:
        return metadata | {"annotations": rest}
    return {name: value for name, value in metadata.items() if name != "annotations"}


def _metadata(obj: JsonObject) -> JsonObject:
    return values.child(obj, "metadata", "metadata")


def _annotations(metadata: JsonObject) -> JsonObject:
    return values.child(metadata, "annotations", "metadata.annotations")


def _text(kept: JsonObject) -> str:
    plain = _ENCODER.encode(kept)
    if len(plain) <= _COMPRESS_ABOVE:
        return plain.decode()
    packed = zlib.compress(plain, _LEVEL)
    return _ENCODER.encode({"zlib": base64.b64encode(packed).decode("ascii")}).decode()


def _parse(text: str) -> JsonObject:
    try:
        kept: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):  # no JSON, or nested without end
        return {}
    return kept if values.is_object(kept) else {}


def _unpack(packed: str) -> str:
    """Return the text inside; empty if it is damaged or too long."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(base64.b64decode(packed, validate=True), _LONGEST_BYTES)
        return plain.decode() if stream.eof else ""
    except (zlib.error, binascii.Error, ValueError):
        return ""
