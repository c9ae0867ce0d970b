# SPDX-License-Identifier: Apache-2.0
"""What the API server can answer instead of what was asked for.

* KubeError
  * ConfigError: there is no way to reach an API server
  * CredentialsError: a token, certificate or plugin cannot be used at present; nothing was sent
  * ApiError: it answered with a Status of failure
    * UnauthorizedError (401): it does not know the credentials
    * NotFoundError (404)
    * ConflictError (409): somebody else wrote first, or the object exists
    * GoneError (410): the history asked for is compacted away
    * TooManyRequestsError (429): it has too much to do, and did nothing
  * UnreachableError: no answer, or one that leaves open whether the write was applied
  * RevisionError: the API server shows an older state than before: etcd was restored
  * NotLeaderError: the write was not sent, because this process may not be the leader any more
"""

from http import HTTPStatus
from typing import ClassVar

import msgspec

from .structs import prepared


class KubeError(Exception):
    """Any failure of a request."""

    maybe_applied: ClassVar[bool] = False
    """Whether the request may have changed something though it failed."""

    retry_after: float | None = None
    """Seconds to wait before the next attempt, where the server says so."""


class ConfigError(KubeError):
    """No kubeconfig and no service account, or one that cannot be used."""


class CredentialsError(KubeError):
    """A token or a certificate, or its issuer, is missing or broken; a retry may help."""


class ApiError(KubeError):
    """The API server refused a request; the text is its own."""

    def __init__(self, status: int, reason: str, message: str, request: str) -> None:
        super().__init__(f"{request}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def lasting(self) -> bool:
        """Whether the same request will be refused again, until somebody changes something else."""
        return self.status in _LASTING


_LASTING = frozenset(
    {
        HTTPStatus.BAD_REQUEST,  # admission webhooks choose this one too
        HTTPStatus.FORBIDDEN,  # quotas and policies, too
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


class UnauthorizedError(ApiError):
    """The token or certificate has expired, or belongs to no user."""


class NotFoundError(ApiError):
    """The object, or its whole kind, does not exist."""


class ConflictError(ApiError):
    """The object changed since it was read (reason Conflict), or exists (AlreadyExists)."""


class GoneError(ApiError):
    """A watch asked for history that is compacted away; list again."""


class TooManyRequestsError(ApiError):
    """The request was rejected before it had an effect; it may be sent again."""


class UnreachableError(KubeError):
    """A connection failed, a request timed out, or the server failed inside (5xx)."""

    maybe_applied = True

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"{request}: {problem}")
        self.problem = problem


class RevisionError(KubeError):
    """Revisions went back, so the known state may not exist any more."""

    def __init__(self, what: str, shown: int, known: int) -> None:
        super().__init__(
            f"{what}: the API server shows revision {shown} and has shown {known} before: etcd was "
            "restored from a backup; everything is listed anew"
        )
        self.shown = shown
        self.known = known


class NotLeaderError(KubeError):
    """The lease is lost, or too close to its end for a write to be safe."""


@prepared
class _Status(msgspec.Struct):
    """The fields of a metav1.Status that say what went wrong."""

    reason: str = ""
    message: str = ""


_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: GoneError,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
}


_PHRASES = {known.value: known.phrase for known in HTTPStatus}  # proxies have answers of their own


def from_response(status: int, body: bytes, request: str, retry_after: str = "") -> KubeError:
    """Return the error of a response that reports a failure.

    `retry_after` is the header of that name: whole seconds, as in client-go.
    """
    try:
        answer = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, ValueError):
        answer = _Status(message=body[:200].decode(errors="replace"))
    error = _made(status, answer, request)
    if retry_after.isdecimal():
        error.retry_after = float(retry_after)
    return error


def _made(status: int, answer: _Status, request: str) -> KubeError:
    reason = answer.reason or _PHRASES.get(status, "Unknown")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnreachableError(request, f"{status} {reason}: {answer.message}")
    return _BY_STATUS.get(status, ApiError)(status, reason, answer.message, request)
