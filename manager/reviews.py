# SPDX-License-Identifier: Apache-2.0
"""Whether the bearer of a token may do something here: asked of the API server, and remembered.

A scraper comes every 15 to 60 s with the same token, and strangers come as often as they like.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from kube import auth
from kube.errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.client import Api

ALLOWED_SECONDS = 60.0
"""How long a yes is remembered: as long as controller-runtime and kube-rbac-proxy remember whose a
token is.  They remember for five minutes what a user may do; here a right that is taken away ends
within one."""

REFUSED_SECONDS = 10.0
"""How long a no is remembered.  Somebody who was just given the right does not wait for long."""

_REMEMBERED = 1024  # answers of each sort, of about 300 bytes each
_ASKED_AT_ONCE = 4  # strangers must not make us a burden to the API server
_WAITING = 32  # for a turn: each holds a connection; at 20 ms a question they wait 0.2 s
_BEARER = "bearer"


class Refusal(NamedTuple):
    """Why a request is not served."""

    status: HTTPStatus
    text: str


_NO_TOKEN = Refusal(HTTPStatus.UNAUTHORIZED, "a bearer token is needed")
_UNKNOWN = Refusal(HTTPStatus.UNAUTHORIZED, "the API server does not know this token")
_NO_ANSWER = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the API server does not say who may")
_TOO_MANY = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS, "too many tokens wait to be checked: try again in a second"
)


class _Question(NamedTuple):
    """What is asked; of the token there is only a digest, which nobody else can compute."""

    digest: bytes
    verb: str
    path: str


class _Memory:
    """Answers of one sort, each for a time; the oldest make room for new ones."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[_Question, tuple[Refusal | None, float]] = OrderedDict()

    def keep(self, question: _Question, answer: Refusal | None, asked: float) -> None:
        """Remember an answer to what was asked at that time."""
        self._answers[question] = answer, asked + self._seconds
        self._answers.move_to_end(question)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)

    def find(self, question: _Question) -> tuple[Refusal | None] | None:
        """Return an answer in a tuple of its own; None if there is none that still holds."""
        answer, until = self._answers.get(question, (None, 0.0))
        return (answer,) if until > self._clock() else None


class Reviews:
    """Asks the API server who may, and remembers what it answered.

    Guarantees:
        At most four questions are asked at once, and 32 requests wait; more are refused.  A yes
        lies apart from the noes, so that a flood of bad tokens pushes no good one out.  No token
        is kept.  That the API server does not answer is not remembered.
    """

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._key = secrets.token_bytes()
        self._allowed = _Memory(ALLOWED_SECONDS, clock)
        self._refused = _Memory(REFUSED_SECONDS, clock)
        self._turns = asyncio.Semaphore(_ASKED_AT_ONCE)
        self._waiting = 0

    async def refusal(self, verb: str, path: str, authorization: str) -> Refusal | None:
        """Return why the sender of an Authorization header may not do this; None if they may."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != _BEARER or not token:
            return _NO_TOKEN
        digest = hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()
        question = _Question(digest, verb, path)
        if known := self._known(question):
            return known[0]
        if self._waiting >= _WAITING:
            return _TOO_MANY
        self._waiting += 1
        try:
            return await self._ask_in_turn(question, token)
        finally:
            self._waiting -= 1

    def _known(self, question: _Question) -> tuple[Refusal | None] | None:
        return self._allowed.find(question) or self._refused.find(question)

    async def _ask_in_turn(self, question: _Question, token: str) -> Refusal | None:
        async with self._turns:
            if known := self._known(question):  # somebody asked the same meanwhile
                return known[0]
            asked = self._clock()
            try:
                answer = await _ask(self._api, question, token)
            except KubeError:
                return _NO_ANSWER
        (self._refused if answer else self._allowed).keep(question, answer, asked)
        return answer


async def _ask(api: Api, question: _Question, token: str) -> Refusal | None:
    user = await auth.authenticate(api, token)
    if user is None:
        return _UNKNOWN
    _, verb, path = question
    if await auth.authorize(api, user, verb, path):
        return None
    text = f"{user.username} may not {verb} {path}: bind a ClusterRole with that nonResourceURL"
    return Refusal(HTTPStatus.FORBIDDEN, text)
