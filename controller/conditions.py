# SPDX-License-Identifier: Apache-2.0
"""The Ready condition of claims and pools."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kube.objects import Condition

if TYPE_CHECKING:
    from kube.objects import Meta


def ready(old: Condition | None, meta: Meta, reason: str, message: str, *, ok: bool) -> Condition:
    """Return the Ready condition to write; equal to the old one when nothing has changed."""
    status = "True" if ok else "False"
    since = old.last_transition_time if old and old.status == status else rfc3339(time.time())
    return Condition(
        type="Ready",
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=meta.generation or None,
    )


def rfc3339(seconds: float) -> str:
    """Return a time, in seconds since 1970, as metav1.Time prints it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
