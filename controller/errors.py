# SPDX-License-Identifier: Apache-2.0
"""Why a claim has no address.

* AllocationError: reason AllocationFailed
  * PoolExhaustedError: reason PoolExhausted
  * PoolNotReadyError: reason PoolNotReady

Each class is one reason of the claim's Ready condition, and its text is the condition's message.
The reasons are CAPI's (api/ipam/v1beta2).  Errors of the API server are not here: they are retried
and reach no condition.
"""

from typing import ClassVar

from kube.objects import PoolKey


class AllocationError(Exception):
    """The claim gets no address until something else changes, so it is not retried."""

    reason: ClassVar[str] = "AllocationFailed"


class PoolExhaustedError(AllocationError):
    """Every address of the pool is in use."""

    reason = "PoolExhausted"

    def __init__(self, pool: PoolKey, total: int) -> None:
        super().__init__(
            f"{pool} has no free address for this claim: all of its {total} are in use or promised "
            "to older claims; add addresses to the pool, or delete claims"
        )
        self.pool = pool
        self.total = total


class PoolNotReadyError(AllocationError):
    """The pool does not exist, is being deleted, or has a spec that makes no sense."""

    reason = "PoolNotReady"

    def __init__(self, pool: PoolKey, problem: str) -> None:
        super().__init__(f"{pool} {problem}")
        self.pool = pool
