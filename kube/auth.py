# SPDX-License-Identifier: Apache-2.0
"""Who sends a request to us, and whether they may: the API server knows.

Source: https://kubernetes.io/docs/reference/access-authn-authz/ (TokenReview, SubjectAccessReview)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .client import decode
from .rbac import Rule
from .resources import ApiResource
from .structs import Struct, prepared

if TYPE_CHECKING:
    from .client import Api

TOKEN_REVIEWS = ApiResource(
    "authentication.k8s.io", "v1", "TokenReview", "tokenreviews", namespaced=False
)
ACCESS_REVIEWS = ApiResource(
    "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False
)
CLUSTER_RULES = tuple(
    Rule((reviews.group,), (reviews.plural,), ("create",))
    for reviews in (TOKEN_REVIEWS, ACCESS_REVIEWS)
)
"""What the manager needs to be allowed in order to ask."""


class User(Struct, frozen=True):
    """A user as the API server knows one."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = msgspec.field(default_factory=dict[str, list[str]])


_NOBODY = User()


class _TokenStatus(Struct, frozen=True):
    authenticated: bool = False
    user: User = _NOBODY


_NOT_KNOWN = _TokenStatus()


@prepared
class _TokenReview(Struct, frozen=True):
    status: _TokenStatus = _NOT_KNOWN


class _AccessStatus(Struct, frozen=True):
    allowed: bool = False


_NOT_ALLOWED = _AccessStatus()


@prepared
class _AccessReview(Struct, frozen=True):
    status: _AccessStatus = _NOT_ALLOWED


async def authenticate(api: Api, token: str) -> User | None:
    """Return the user of a token; None if the token is not valid.

    Raises:
        KubeError: the API server does not say.
    """
    review = {
        "apiVersion": TOKEN_REVIEWS.api_version,
        "kind": TOKEN_REVIEWS.kind,
        "spec": {"token": token},
    }
    answer = await api.create(TOKEN_REVIEWS, "", msgspec.json.encode(review))
    status = decode(answer, _TokenReview, TOKEN_REVIEWS.kind).status
    return status.user if status.authenticated else None


async def authorize(api: Api, user: User, verb: str, path: str) -> bool:
    """Return whether a user may use a verb on a non-resource path, such as get on /metrics.

    Raises:
        KubeError: the API server does not say.
    """
    review = {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": ACCESS_REVIEWS.kind,
        "spec": {
            "user": user.username,
            "uid": user.uid,
            "groups": user.groups,
            "extra": user.extra,
            "nonResourceAttributes": {"path": path, "verb": verb},
        },
    }
    answer = await api.create(ACCESS_REVIEWS, "", msgspec.json.encode(review))
    return decode(answer, _AccessReview, ACCESS_REVIEWS.kind).status.allowed
