# SPDX-License-Identifier: Apache-2.0
"""Find problems of the installation: CRDs, webhooks, certificates, the leader and its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube.errors import ApiError
from kube.lease import LEASES
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS

from . import crds, leader, rights, webhooks
from .finding import WARNING, Check, Finding, ObjectReference

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator

    from kube.client import Api


async def findings(api: Api, now: dt.datetime) -> list[Finding]:
    """Return the problems; a resource that may not be read is one, too.

    Raises:
        UnreachableError: the API server does not answer.
    """
    found = list[Finding]()
    for kind, checking in (
        (CUSTOM_RESOURCE_DEFINITIONS.kind, _definitions(api, now)),
        *((each.kind, webhooks.findings(api, each, now)) for each in webhooks.CONFIGURATIONS),
        (LEASES.kind, leader.findings(api, now)),
        ("ServiceAccount", rights.findings(api)),
    ):
        try:
            found += [each async for each in checking]
        except ApiError as error:
            remedy = "run the command as a user who may read it"
            cause = f"cannot be checked: {error.message}"
            found.append(
                Finding(Check.CHECK_SKIPPED, WARNING, ObjectReference(kind), cause, remedy)
            )
    return found


async def _definitions(api: Api, now: dt.datetime) -> AsyncIterator[Finding]:
    """Yield the problems of the CRDs and of their conversion webhooks."""
    found = await crds.read(api)
    async for finding in crds.findings(api, found):
        yield finding
    for finding in webhooks.of_conversion(found, now):
        yield finding
