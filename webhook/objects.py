# SPDX-License-Identifier: Apache-2.0
"""Objects inside reviews, decoded only as deep as somebody looks."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from .errors import RequestError

if TYPE_CHECKING:
    from conversion import values

_SHALLOW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_READ: Final = ("apiVersion", "kind", "spec")

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that are not the JSON it was made for."""


def decode(raw: msgspec.Raw | bytes) -> object:
    """Decode an object; what nobody looks at stays raw JSON and passes through as it is.

    Flow:
        apiVersion, kind, spec and metadata's annotations and names become values; status and
        managedFields, the most of an object, do not.

    Returns:
        Any value, if it is no object at all: whoever reads it says so.
    """
    try:
        fields = _SHALLOW.decode(raw)
    except msgspec.ValidationError:
        return msgspec.json.decode(raw)
    obj: values.JsonObject = dict(fields)
    for name in _READ:
        if name in fields:
            obj[name] = msgspec.json.decode(fields[name])
    if "metadata" in fields:
        obj["metadata"] = _metadata(fields["metadata"])
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


def _metadata(raw: msgspec.Raw) -> object:
    try:
        fields = _SHALLOW.decode(raw)
    except msgspec.ValidationError:
        return msgspec.json.decode(raw)
    metadata: values.JsonObject = dict(fields)
    for name in ("name", "namespace", "annotations", "deletionTimestamp"):
        if name in fields:
            metadata[name] = msgspec.json.decode(fields[name])
    return metadata
