# SPDX-License-Identifier: Apache-2.0
"""The conditions of claims and pools."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from objects.conditions import Condition

if TYPE_CHECKING:
    from kube.meta import Meta

READY = "Ready"
"""The condition's type, and the reason of a pool that is ready."""
PAUSED = "Paused"
DELETING = "Deleting"

ALLOCATED = "AddressAllocated"
"""The reason of a bound claim, in its condition and its Event; the Go provider uses the same."""


class ConditionValue(NamedTuple):
    """The content of a condition: its status, a word for programs, and a sentence for people."""

    ok: bool
    reason: str
    message: str


def condition(kind: str, value: ConditionValue, old: Condition | None, meta: Meta) -> Condition:
    """Return the condition to write; it equals the old one if nothing has changed."""
    status = "True" if value.ok else "False"
    since = old.last_transition_time if old and old.status == status else rfc3339(time.time())
    return Condition(
        type=kind,
        status=status,
        reason=value.reason,
        message=value.message,
        last_transition_time=since,
        observed_generation=meta.generation or None,
    )


def rfc3339(seconds: float) -> str:
    """Return a time, in seconds since 1970, as metav1.Time prints it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
