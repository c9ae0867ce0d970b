# SPDX-License-Identifier: Apache-2.0
"""What can go wrong around a test's control plane.

* EnvtestError
  * MissingToolError: a program is neither here nor can it be built
  * BuildError: `go` failed
  * StartError: a process ended before it was ready, or never became ready
  * NotReachedError: something that was waited for did not happen in time
  * RefusedError: the API server answered with a Status that is a failure
  * EtcdError: etcd did not answer, or not what it was asked for
    * LostHistoryError: what was asked for is compacted away
"""

from collections.abc import Mapping
from typing import Any


class EnvtestError(Exception):
    """The root of this package's errors."""


class MissingToolError(EnvtestError):
    """A program is not on this machine, and what would build it is missing too."""

    def __init__(self, tool: str, remedy: str) -> None:
        super().__init__(f"{tool} is not on this machine: {remedy}")
        self.tool = tool
        self.remedy = remedy


class BuildError(EnvtestError):
    """A `go` command failed; `output` is the end of what it printed."""

    def __init__(self, what: str, status: int, output: str) -> None:
        super().__init__(f"{what} failed with status {status}:\n{output}")
        self.what = what
        self.status = status
        self.output = output


class StartError(EnvtestError):
    """A process did not become ready; `log` is the end of what it wrote."""

    def __init__(self, process: str, problem: str, log: str) -> None:
        super().__init__(f"{process} {problem}; its log ends with:\n{log}")
        self.process = process
        self.problem = problem
        self.log = log


class NotReachedError(EnvtestError):
    """A state that was waited for did not come in time."""

    def __init__(self, what: str, seconds: float, seen: object) -> None:
        super().__init__(f"{what}: not within {seconds:g} s; last seen: {seen}")
        self.what = what
        self.seconds = seconds
        self.seen = seen


class RefusedError(EnvtestError):
    """The API server's Status: `code` and `reason` for programs, `message` and `causes` for people.

    `causes` are the fields of an Invalid answer, as (field, message) pairs.
    """

    def __init__(self, request: str, status: Mapping[str, Any]) -> None:
        super().__init__(f"{request}: {status.get('message')}")
        self.request = request
        self.code = int(status.get("code") or 0)
        self.reason = str(status.get("reason") or "")
        self.message = str(status.get("message") or "")
        details: dict[str, Any] = status.get("details") or {}
        causes: list[dict[str, str]] = details.get("causes") or []
        self.causes = [(cause.get("field", ""), cause.get("message", "")) for cause in causes]


class EtcdError(EnvtestError):
    """An error of etcd, or no answer."""

    def __init__(self, request: str, problem: str) -> None:
        super().__init__(f"etcd, {request}: {problem}")
        self.request = request
        self.problem = problem


class LostHistoryError(EtcdError):
    """Changes from revision `start` on are no longer available."""

    def __init__(self, start: int, answer: Mapping[str, Any]) -> None:
        super().__init__("watch", f"history from {start} on is lost: {answer}")
        self.start = start
