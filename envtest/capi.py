# SPDX-License-Identifier: Apache-2.0
"""Cluster API's own CRDs, and cert-manager's, straight from Go modules; no copy is kept here.

`go mod download` verifies the module against the go.sum beside the pin and fetches nothing else.
Caveat: the CRDs are those of `config/crd/bases`, so conversion between Cluster API's own versions
is `None`: only the stored version says the truth about every field.
"""

import json
import subprocess
from pathlib import Path

import yaml

from .binaries import TOOLS, require_go
from .client import Json
from .errors import BuildError

NEWEST = "v1.13"  # serves IPAM v1beta2 (stored), v1beta1 and v1alpha1
OLDEST = "v1.10"  # serves IPAM v1beta1 (stored) and v1alpha1: the contract before v1beta2
_FILES = (
    "ipam.cluster.x-k8s.io_ipaddresses.yaml",
    "ipam.cluster.x-k8s.io_ipaddressclaims.yaml",
    "cluster.x-k8s.io_clusters.yaml",
)


def crds(series: str) -> list[Json]:
    """Return the CRDs of claims, addresses and Clusters of a series such as `v1.13`."""
    bases = source(series) / "config" / "crd" / "bases"
    return [yaml.safe_load((bases / name).read_text()) for name in _FILES]


def source(series: str) -> Path:
    """Return the folder of Cluster API's module."""
    return _module(f"clusterapi/{series}", "sigs.k8s.io/cluster-api")


def cert_manager_crds() -> Path:
    """Return the folder of cert-manager's CRDs."""
    return _module("certmanager", "github.com/cert-manager/cert-manager") / "deploy" / "crds"


def _module(folder: str, module: str) -> Path:
    """Return a module's folder in Go's cache; fetch it first where it isn't there."""
    command = [require_go(module), "-C", str(TOOLS / folder), "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problem = done.stdout + done.stderr
        raise BuildError(f"go mod download {module} in {folder}", done.returncode, problem)
    return Path(json.loads(done.stdout)["Dir"])
