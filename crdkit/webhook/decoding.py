# SPDX-License-Identifier: Apache-2.0
"""Objects inside reviews, decoded only as deep as somebody looks."""

from http import HTTPStatus
from typing import Any, Final, NoReturn, cast

import msgspec

from ..conversion import values
from .errors import RequestError

_SHALLOW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder()
_READ: Final = ("apiVersion", "kind", "spec")
_METADATA: Final = ("name", "namespace", "annotations", "deletionTimestamp")

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that are not the JSON it was made for."""


def decode(raw: msgspec.Raw | bytes, metadata: tuple[str, ...] = _METADATA) -> object:
    """Decode an object; fields that are not read stay raw JSON and pass through unchanged.

    Flow:
        apiVersion, kind, spec and some of metadata become values; status and
        managedFields, the most of an object, do not.

    Args:
        raw: Its JSON.
        metadata: The fields of metadata that become values.

    Returns:
        The value itself if it is no object; the caller refuses it.
    """
    obj = _decode(raw, _READ)
    if values.is_object(obj) and "metadata" in obj:
        obj["metadata"] = _decode(cast("msgspec.Raw", obj["metadata"]), metadata)
    return obj


def check_text(body: bytes) -> None:
    """Make sure that what passes through raw is text, so that the answer is too.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    if not body.isascii():
        body.decode()


def malformed(error: Exception) -> NoReturn:
    """Answer bytes that are no review.

    Raises:
        RequestError: always; 400.
    """
    problem = f"the body is not a review in JSON: {error}"
    raise RequestError(HTTPStatus.BAD_REQUEST, problem) from error


def unknown_version(version: str, known: str) -> NoReturn:
    """Answer a review in a version that is not ours.

    Raises:
        RequestError: always; 400.
    """
    problem = f"reviews of apiVersion {version!r} are unknown here; send {known}"
    raise RequestError(HTTPStatus.BAD_REQUEST, problem)


def _decode(raw: msgspec.Raw | bytes, read: tuple[str, ...]) -> object:
    """Decode some fields of an object, or any other value."""
    try:
        fields: dict[str, Any] = _SHALLOW.decode(raw)
    except msgspec.ValidationError:
        return _VALUE.decode(raw)
    for name in read:
        if name in fields:
            fields[name] = _VALUE.decode(fields[name])
    return fields
