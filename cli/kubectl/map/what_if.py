# SPDX-License-Identifier: Apache-2.0
"""The manifests of users, and models of a cluster with their changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import planner
from ..errors import CliError
from .overlay import Overlay

if TYPE_CHECKING:
    from kube.client import Api

    from .model import Model
    from .overlay import Manifest

_KEPT = 32
"""The number of manifests of forms that are kept; a new one replaces the oldest."""


class WhatIf:
    """Keeps manifests, and plans what they would change in a model."""

    def __init__(self, api: Api, namespace: str) -> None:
        """Prepare it.

        Args:
            api: Where pools are read.
            namespace: The namespace of manifests that have none.
        """
        self._planner = planner.Planner(api, namespace)
        self._kept = dict[str, "Manifest"]()
        self._last: tuple[Model, Manifest, Model] | None = None

    def keep(self, manifest: Manifest) -> None:
        """Keep a manifest by its name; one that is known stays as it is."""
        self._kept[manifest.name] = self._kept.pop(manifest.name, manifest)
        forms = [name for name, each in self._kept.items() if not each.apply]
        for name in forms[:-_KEPT]:
            del self._kept[name]

    def find(self, name: str) -> Manifest | None:
        """Return the manifest of a name; None if it is not kept."""
        return self._kept.get(name)

    async def changed(self, found: Model, manifest: Manifest) -> Model:
        """Return a model as a manifest would change it; the last answer is kept.

        Raises:
            KubeError: the API server refused, or could not be reached.
        """
        if self._last is None or self._last[0] is not found or self._last[1] is not manifest:
            self._last = found, manifest, found.with_overlay(await self._overlay(found, manifest))
        return self._last[2]

    async def _overlay(self, found: Model, manifest: Manifest) -> Overlay:
        if manifest.problem:
            return Overlay(manifest, problem=manifest.problem)
        try:
            changes = await self._planner.changes(manifest.documents, found.snapshot, found.usages)
        except CliError as error:
            return Overlay(manifest, problem=str(error))
        return Overlay(manifest, changes)
