# SPDX-License-Identifier: Apache-2.0
"""A lab: the network and images that its clusters share, and the releases that clusterctl finds."""

import itertools
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..controlplane import binaries, capi
from ..errors import EnvtestError
from . import MARK, go_provider, releases
from .cluster import Cluster
from .clusterctl import Clusterctl, Repository
from .images import Image, Images
from .network import PodNetwork

IMAGE = "localhost/cluster-api-ipam-provider-in-cluster"


@dataclass
class Lab:
    """Everything that clusters of one lab share; one for a test run."""

    folder: Path
    network: PodNetwork = field(default_factory=PodNetwork)
    images: Images = field(default_factory=Images)
    figures: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What was measured, for the table at the end."""
    _clusters: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def repository(self) -> Repository:
        """Where clusterctl finds releases."""
        return Repository(self.folder / "repository")

    def publish(self, manager: Image) -> None:
        """Publish cert-manager, Cluster API's core, and this provider run from an image."""
        folder = self.folder / "images"
        releases.publish_cert_manager(self.repository, self.images, folder)
        for series in reversed(capi.SERIES):  # clusterctl takes the metadata of the last one
            releases.publish_core(self.repository, self.images, folder, series)
        self.images.put(r"\S+/(cluster-api-ipam-provider|ipam)-in-cluster:v.*", manager)
        self.images.put(f"{go_provider.IMAGE}:v.*", manager)
        releases.publish_go_providers(self.repository)
        for version in itertools.chain.from_iterable(releases.OURS.values()):
            releases.publish_ours(self.repository, version, IMAGE)

    def cluster(self, number: int, *, owners_checked: bool) -> Cluster:
        """Return a new cluster, not yet started, in the place of that number in the network."""
        folder = self.folder / f"cluster-{next(self._clusters)}"
        return Cluster(folder, number, self.network, self.images, owners_checked=owners_checked)

    def clusterctl(self, series: str = capi.NEWEST) -> Clusterctl:
        """Return clusterctl of a series."""
        tool = binaries.CLUSTERCTL[series]
        return Clusterctl(tool, self.repository, self.folder / f"clusterctl-{series}")

    @contextmanager
    def step(self, what: str) -> Generator[None]:
        """Measure what a block takes."""
        began = time.monotonic()
        yield
        self.note(what, time.monotonic() - began)

    def note(self, what: str, value: float, unit: str = "s") -> None:
        """Add a line to the table at the end."""
        self.figures.append((what, f"{value:7.2f} {unit}"))


def scratch() -> Path:
    """Return the lab's folder.

    Raises:
        EnvtestError: this process is not in a lab's namespaces.
    """
    folder = os.environ.get(MARK)
    if not folder:
        raise EnvtestError("not in a lab: run `make e2e`, or python -m envtest.lab COMMAND")
    return Path(folder)
