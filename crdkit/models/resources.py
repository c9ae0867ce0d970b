# SPDX-License-Identifier: Apache-2.0
"""The names of a kind, the same in every version of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class ConversionWebhook:
    """The Service that converts objects between versions, and the URL path at which it does."""

    service: str
    namespace: str
    path: str = "/convert"


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind's entry in the API server: its names and where its objects live.

    `versions` are all that it is served in, oldest first; each has a model.  `hub` is the one that
    all others convert to and from: the last, if it is not given.  Without a `conversion` the API
    server changes nothing but apiVersion.  `labels` and `annotations` are those of the
    CustomResourceDefinition itself.
    """

    group: str
    kind: str
    plural: str
    scope: Literal["Namespaced", "Cluster"]
    versions: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    conversion: ConversionWebhook | None = None
    hub: str = ""

    def __post_init__(self) -> None:
        """Choose the hub if none is given."""
        if not self.hub and self.versions:
            object.__setattr__(self, "hub", self.versions[-1])

    def api_version(self, version: str) -> str:
        """Return the `apiVersion` of objects in a version."""
        return f"{self.group}/{version}"

    @property
    def singular(self) -> str:
        """The name for one object on the command line."""
        return self.kind.lower()

    @property
    def name(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    def validating_path(self, version: str) -> str:
        """URL path at which the webhook server validates objects of this kind."""
        return f"/validate-{self._path(version)}"

    def mutating_path(self, version: str) -> str:
        """URL path at which the webhook server sets defaults in objects of this kind."""
        return f"/mutate-{self._path(version)}"

    def _path(self, version: str) -> str:
        """Return the path's end as controller-runtime writes it, so that a take-over keeps it."""
        return f"{self.group.replace('.', '-')}-{version}-{self.singular}"
