# SPDX-License-Identifier: Apache-2.0
"""The reasons why a claim has no address.

* AllocationError: reason AllocationFailed
  * WriteRefusedError: the same reason
  * ClusterNotFoundError: the same reason, since CAPI has none of its own for this
  * PoolExhaustedError: reason PoolExhausted
  * PoolNotReadyError: reason PoolNotReady

Each class is one reason of the claim's Ready condition, and its text is the condition's message.
The reasons are those of Cluster API (api/ipam/v1beta2).  Errors of the API server are retried; only
a `WriteRefusedError` reaches a condition.
"""

from typing import ClassVar

from kube.errors import ApiError
from kube.meta import Key
from objects.pools import PoolKey

_WORDS = 2000  # characters of the API server's message; a condition takes 32,768


class AllocationError(Exception):
    """The claim gets no address until something changes, so it is not retried."""

    reason: ClassVar[str] = "AllocationFailed"


class WriteRefusedError(AllocationError):
    """The API server refuses a write for the claim, and the reason is permanent.

    The text has the API server's message, which names the quota, the policy or the missing right.
    """

    def __init__(self, error: ApiError) -> None:
        super().__init__(
            f"the API server refuses a write for this claim, which is tried again: "
            f"{str(error)[:_WORDS]}"
        )
        self.error = error


class ClusterNotFoundError(AllocationError):
    """The Cluster of the claim does not exist, so it is unknown whether it is paused."""

    def __init__(self, cluster: Key, field: str) -> None:
        super().__init__(
            f"Cluster {cluster} does not exist, and {field} of the claim names it: "
            "create the Cluster, or make the claim name another one"
        )
        self.cluster = cluster


class PoolExhaustedError(AllocationError):
    """Every address of the pool is in use.

    The text has no numbers.  It is the message of each waiting claim, so a changed number would
    cause a write for each of them.
    """

    reason = "PoolExhausted"
    remedy: ClassVar[str] = "add addresses to the pool, or delete claims"

    def __init__(self, pool: PoolKey) -> None:
        super().__init__(
            f"{pool} has no free address for this claim: each is in use or promised to an older "
            f"claim; {self.remedy}"
        )
        self.pool = pool


class PoolNotReadyError(AllocationError):
    """The pool does not exist, is being deleted, or its spec gives no address."""

    reason = "PoolNotReady"

    def __init__(self, pool: PoolKey, problem: str) -> None:
        super().__init__(f"{pool} {problem}")
        self.pool = pool
