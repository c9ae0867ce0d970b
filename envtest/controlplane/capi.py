# SPDX-License-Identifier: Apache-2.0
"""Cluster API's own CRDs, and cert-manager's, straight from Go modules; no copy is kept here.

`go mod download` verifies the module against the go.sum beside the pin and fetches nothing else.
Caveat: the CRDs are those of `config/crd/bases`, so conversion between Cluster API's own versions
is `None`: only the stored version says the truth about every field.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .. import manifests
from ..client import Json
from ..errors import BuildError
from .golang import TOOLS, require_go

MODULE = "sigs.k8s.io/cluster-api"


@dataclass(frozen=True, slots=True)
class Series:
    """What differs between series of releases; hack/tools/clusterapi pins one release of each."""

    contract: str
    """Its contract, which is the version of claims, addresses and Clusters that it stores."""
    core: str = ""
    """Folder of the core's program and manifests within the module."""

    @property
    def package(self) -> str:
        """Go package of the core's program."""
        return f"{MODULE}/{self.core}".removesuffix("/")


SERIES = {
    "v1.14": Series("v1beta2", core="core"),
    "v1.13": Series("v1beta2"),
    "v1.10": Series("v1beta1"),
}
"""Every series that is tested, newest first."""
NEWEST, PREVIOUS, OLDEST = SERIES
_FILES = (
    "ipam.cluster.x-k8s.io_ipaddresses.yaml",
    "ipam.cluster.x-k8s.io_ipaddressclaims.yaml",
    "cluster.x-k8s.io_clusters.yaml",
)


def crds(series: str) -> list[Json]:
    """Return the CRDs of claims, addresses and Clusters of a series such as `v1.14`."""
    bases = config(series) / "crd" / "bases"
    return [crd for name in _FILES for crd in manifests.parse((bases / name).read_text())]


def config(series: str) -> Path:
    """Return the folder of the core's manifests."""
    return source(series) / SERIES[series].core / "config"


def source(series: str) -> Path:
    """Return the folder of Cluster API's module."""
    return _module(f"clusterapi/{series}", MODULE)


def cert_manager_crds() -> list[Path]:
    """Return the files of cert-manager's CRDs."""
    module = _module("certmanager", "github.com/cert-manager/cert-manager")
    return sorted((module / "deploy" / "crds").glob("*.yaml"))


def _module(folder: str, module: str) -> Path:
    """Return a module's folder in Go's cache; fetch it first where it isn't there."""
    command = [require_go(module), "-C", str(TOOLS / folder), "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problem = done.stdout + done.stderr
        raise BuildError(f"go mod download {module} in {folder}", done.returncode, problem)
    return Path(json.loads(done.stdout)["Dir"])
