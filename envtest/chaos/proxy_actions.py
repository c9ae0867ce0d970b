# SPDX-License-Identifier: Apache-2.0
"""What a proxy can make of a request."""

from dataclasses import dataclass

from ..client import Json

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request as it arrives; each is its own, also where another one asks the same."""

    method: str
    path: str
    """With its query, as the client wrote it."""
    watch: bool

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method not in _READS


@dataclass(frozen=True, slots=True)
class Pass:
    """It goes through."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It does not reach the API server; the client is refused, or never hears (None)."""

    status: int | None
    reason: str = ""

    @property
    def body(self) -> Json:
        """The Status with which an API server refuses."""
        return {
            "apiVersion": "v1",
            "kind": "Status",
            "status": "Failure",
            "code": self.status,
            "reason": self.reason,
            "message": f"{self.reason}: so the test wants it",
        }


@dataclass(frozen=True, slots=True)
class Lost:
    """It is applied, and then the connection ends before the answer."""


Outcome = Pass | Refuse | Lost
PASS = Pass()


def passing(_request: Request) -> Outcome:
    """Let everything through."""
    return PASS
