# SPDX-License-Identifier: Apache-2.0
"""Check a spec against the schema of the hub version: JSON types and bounds.

The API server has checked the version that the client wrote, but not the converted hub version.
"""

import functools
from collections.abc import Iterator, Mapping

import pydantic
from pydantic_core import ErrorDetails

from crdkit.conversion import values
from ipam.address_sets import FieldError
from objects import pools

_CHECKED_BY_IPAM = frozenset(
    ("missing", "too_short")
)  # its messages are the same for admission and the command line


_MESSAGES = {
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "model_type": "must be an object",
    "string_too_long": "must have at most {} characters",
    "string_type": "must be a string",
    "too_long": "must have at most {} entries",
    "tuple_type": "must be a list",
}


@functools.cache
def load() -> Mapping[str, type[pydantic.BaseModel]]:
    """Return the model of each kind's hub version; the first call takes 0.2 s or more."""
    from api import kinds  # noqa: PLC0415 - the command line has rarely a use for it

    return {model.resource.kind: model for model in kinds.KINDS if model.version.name == pools.HUB}


def errors_of(kind: str, spec: object, stored: values.JsonObject) -> Iterator[FieldError]:
    """Yield the fields of a spec that violate the schema of its kind.

    Guarantees:
        A field that equals the one in the `stored` spec gives no error.  So an object that was
        stored under looser rules can be updated in other fields, as with the API server itself.
    """
    try:
        load()[kind].model_validate({"spec": spec})
    except pydantic.ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] not in _CHECKED_BY_IPAM and not _unchanged(detail, spec, stored):
                yield FieldError(_path(detail["loc"][1:]), detail["input"], _text(detail))


def _unchanged(detail: ErrorDetails, spec: object, stored: values.JsonObject) -> bool:
    if len(detail["loc"]) < len(("spec", "field")) or not values.is_object(spec):
        return False
    field = str(detail["loc"][1])
    return field in stored and stored[field] == spec.get(field)


def _path(location: tuple[int | str, ...]) -> str:
    """Return the path in the notation of Kubernetes, such as `addresses[3]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _text(detail: ErrorDetails) -> str:
    """Return the message in terms of JSON; pydantic's messages are about Python."""
    longest = detail.get("ctx", {}).get("max_length")
    return _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Input ")).format(longest)
