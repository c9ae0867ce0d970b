# SPDX-License-Identifier: Apache-2.0
"""Find out whether a manager leads."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from kube.client import list_all
from kube.lease import LEASES, LeaseObject
from manager import pod

from . import finding
from .finding import ERROR, WARNING, Check, Finding, ObjectReference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kube.client import Api

_SILENT_LEASES = 2
"""Durations of a lease without renewal, after which nobody leads."""


async def findings(api: Api, now: dt.datetime) -> AsyncIterator[Finding]:
    """Yield why nobody leads.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    leases = await list_all(api, LEASES, LeaseObject, name=pod.LEASE)
    remedy = "check that the manager's pods run, and read their logs"
    if not leases:
        cause = "does not exist, so no manager has been elected leader yet"
        where = ObjectReference(LEASES.kind, pod.LEASE)
        yield Finding(Check.LEADER_NOT_FOUND, WARNING, where, cause, remedy)
    for lease in leases:
        if cause := _silence(lease, now):
            where = finding.of(LEASES.kind, lease.metadata.key)
            yield Finding(Check.LEADER_NOT_FOUND, ERROR, where, cause, remedy)


def _silence(lease: LeaseObject, now: dt.datetime) -> str:
    """Return why nobody leads by a lease; empty if somebody does."""
    spec = lease.spec
    if not spec.holder_identity or not spec.renew_time:
        return "has no holder: no manager leads"
    renewed = dt.datetime.fromisoformat(spec.renew_time)
    if now - renewed > dt.timedelta(seconds=_SILENT_LEASES * (spec.lease_duration_seconds or 15)):
        return f"was last renewed at {spec.renew_time} by {spec.holder_identity}: no manager leads"
    return ""
