# SPDX-License-Identifier: Apache-2.0
"""Find problems of the CRDs: missing ones, and old versions that are still in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api import resources
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from objects import pools

from ... import cluster, version_report
from ...errors import NotServedError
from .finding import ERROR, WARNING, Finding, ObjectReference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kube.client import Api

    from ...version_report import Kind

_OTHER_RELEASE = (
    "use kubectl ipam of the release that runs in the cluster, or apply the CRDs of this release"
)


async def findings(api: Api) -> AsyncIterator[Finding]:
    """Yield the problems of the CRDs of all pool kinds.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    for resource in pools.KINDS.values():
        try:
            kind = await cluster.kind_of(api, resource)
        except NotServedError as error:
            crd = ObjectReference(
                CUSTOM_RESOURCE_DEFINITIONS.kind, f"{resource.plural}.{resource.group}"
            )
            yield Finding("crd", ERROR, crd, error.cause, error.remedy)
            continue
        for finding in (*_of_versions(kind, resource.version), *_of_kind(kind)):
            yield finding


def _of_versions(kind: Kind, hub: str) -> Iterator[Finding]:
    """Yield how the versions of a kind differ from those that this release knows."""
    crd = _crd(kind.crd)
    (known,) = (each for each in resources.POOLS if each.kind == kind.kind)
    served = [row.version for row in kind.versions if row.served]
    if newer := [name for name in served if name not in known.versions]:
        cause = f"serves {', '.join(newer)}, which this release does not know"
        yield Finding("crd", WARNING, crd, cause, _OTHER_RELEASE)
    if kind.versions and kind.storage != hub:
        cause = f"stores {kind.storage}, but this release stores {hub}"
        yield Finding("crd", ERROR, crd, cause, _OTHER_RELEASE)


def _of_kind(kind: Kind) -> Iterator[Finding]:
    """Yield the problems of the versions of a kind, in the words of the command `versions`."""
    crd = _crd(kind.crd)
    if not kind.versions:
        yield Finding("crd", ERROR, crd, "is not installed", "apply the CRDs of this release")
    for row in kind.versions:
        blocker = None if row.storage else version_report.blocker(row, kind.storage)
        if blocker and (row.stored or not row.served):
            cause = f"has the old version {row.version}: {blocker.cause}"
            yield Finding("stored-version", WARNING, crd, cause, blocker.remedy)


def _crd(name: str) -> ObjectReference:
    return ObjectReference(CUSTOM_RESOURCE_DEFINITIONS.kind, name)
