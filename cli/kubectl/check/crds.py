# SPDX-License-Identifier: Apache-2.0
"""Find problems of the CRDs: missing ones, and old versions that are still in use."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from api import resources
from kube import definitions
from kube.errors import NotFoundError
from kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from objects import pools

from ... import cluster, version_report
from ...errors import NotServedError
from .finding import ERROR, WARNING, Check, Finding, ObjectReference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from crdkit.models.resources import Resource
    from kube.client import Api
    from kube.definitions import Definition

    from ...version_report import Kind

_OTHER_RELEASE = (
    "use kubectl ipam of the release that runs in the cluster, or apply the CRDs of this release"
)


async def read(api: Api) -> dict[str, Definition]:
    """Return the CRDs of those pool kinds that are installed, by kind.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    found = dict[str, "Definition"]()
    for kind in resources.POOLS:
        with suppress(NotFoundError):
            found[kind.kind] = await definitions.read(api, kind.name)
    return found


async def findings(api: Api, found: Mapping[str, Definition]) -> AsyncIterator[Finding]:
    """Yield the problems of the CRDs of all pool kinds.

    Raises:
        KubeError: the API server refused, or could not be reached.
    """
    for known in resources.POOLS:
        crd = ObjectReference(CUSTOM_RESOURCE_DEFINITIONS.kind, known.name)
        if known.kind not in found:
            yield Finding(
                Check.CRD_NOT_FOUND,
                ERROR,
                crd,
                "is not installed",
                "apply the CRDs of this release",
            )
            continue
        try:
            kind = await cluster.report(api, pools.RESOURCES[known.kind], found[known.kind])
        except NotServedError as error:
            yield Finding(Check.CRD_NOT_FOUND, ERROR, crd, error.cause, error.remedy)
            continue
        for finding in (*_of_versions(crd, kind, known), *_of_kind(crd, kind)):
            yield finding


def _of_versions(crd: ObjectReference, kind: Kind, known: Resource) -> Iterator[Finding]:
    """Yield how the versions of a kind differ from those that this release knows."""
    served = [row.version for row in kind.versions if row.served]
    if newer := [name for name in served if name not in known.versions]:
        cause = f"serves {', '.join(newer)}, which this release does not know"
        yield Finding(Check.CRD_VERSION_MISMATCH, WARNING, crd, cause, _OTHER_RELEASE)
    if kind.storage != known.hub:
        cause = f"stores {kind.storage}, but this release stores {known.hub}"
        yield Finding(Check.CRD_VERSION_MISMATCH, ERROR, crd, cause, _OTHER_RELEASE)


def _of_kind(crd: ObjectReference, kind: Kind) -> Iterator[Finding]:
    """Yield the problems of the versions of a kind, in the words of the command `versions`."""
    for row in kind.versions:
        blocker = None if row.storage else version_report.blocker(row, kind.storage)
        if blocker and (row.stored or not row.served):
            cause = f"has the old version {row.version}: {blocker.cause}"
            yield Finding(Check.CRD_STORED_VERSION, WARNING, crd, cause, blocker.remedy)
