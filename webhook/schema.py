# SPDX-License-Identifier: Apache-2.0
"""The schema's part of admission: JSON types and bounds of a spec in the hub version.

The API server has checked the version that its client wrote, but not what became of it in the hub.
"""

import functools
from collections.abc import Iterator, Mapping

import pydantic
from pydantic_core import ErrorDetails

from crdkit.conversion import values
from ipam.address_sets import FieldError
from objects import pools

_CHECKED_BY_IPAM = frozenset(("missing", "too_short"))  # in the same words for all who ask


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
    """Yield where a spec does not have the schema of its kind.

    Guarantees:
        A field that is as it is in the `stored` spec is not told: an object that was stored under
        looser rules can be updated elsewhere, as the API server itself has it.
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
    """Return the path as Kubernetes writes it: `addresses[3]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _text(detail: ErrorDetails) -> str:
    """Say a problem in the words of JSON; pydantic's are about Python."""
    longest = detail.get("ctx", {}).get("max_length")
    return _MESSAGES.get(detail["type"], detail["msg"].removeprefix("Input ")).format(longest)
