# SPDX-License-Identifier: Apache-2.0
"""Rejections, in the form and with the messages of the API server.

Source: k8s.io/apimachinery, api/errors (NewInvalid, NewBadRequest) and util/validation/field.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus

from api import resources
from crdkit.conversion import values
from ipam.address_sets import FieldError
from ipam.texts import shortened

ANNOTATIONS = "metadata.annotations"
"""The only path of a field error that does not begin at the spec."""

_QUOTED_CHARACTERS = 100  # of a value: an entry of a list has no more
MOST_CAUSES = 50
"""The most causes of one response: nobody corrects more at once, and a pool can have 4096."""


def invalid(kind: str, name: str, problems: Sequence[FieldError]) -> values.JsonObject:
    """Return 422 Invalid with one cause for each error."""
    causes = [_cause(problem) for problem in problems[:MOST_CAUSES]]
    lines = (f"{cause['field']}: {cause['message']}" for cause in causes)
    shown = shortened(lines, len(problems), MOST_CAUSES)
    text = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    message = f'{kind}.{resources.GROUP} "{name}" is invalid: {text}'
    details = {"group": resources.GROUP, "kind": kind, "name": name, "causes": causes}
    return _failure(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message) | {"details": details}


def bad_request(message: str) -> values.JsonObject:
    """Return 400: the present state does not allow the request."""
    return _failure(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def misconfigured(message: str) -> values.JsonObject:
    """Return 500: a retry does not help, only a change of the installation."""
    return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message)


def unavailable(message: str) -> values.JsonObject:
    """Return 503: the client should try again."""
    return _failure(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message)


def path_of(problem: FieldError) -> str:
    """Return the path of the field from the top of the object."""
    return problem.path if problem.path == ANNOTATIONS else f"spec.{problem.path}"


def _cause(problem: FieldError) -> dict[str, str]:
    path = path_of(problem)
    if problem.value is None or problem.value in ("", []):
        return {
            "reason": "FieldValueRequired",
            "message": f"Required value: {problem.text}",
            "field": path,
        }
    quoted = json.dumps(problem.value, ensure_ascii=False, default=str)
    if len(quoted) > _QUOTED_CHARACTERS:
        quoted = quoted[:_QUOTED_CHARACTERS] + "…"
    return {
        "reason": "FieldValueInvalid",
        "message": f"Invalid value: {quoted}: {problem.text}",
        "field": path,
    }


def _failure(code: HTTPStatus, reason: str, message: str) -> values.JsonObject:
    return {"status": "Failure", "code": int(code), "reason": reason, "message": message}
