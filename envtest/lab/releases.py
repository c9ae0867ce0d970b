# SPDX-License-Identifier: Apache-2.0
"""What the lab's repository offers to clusterctl: cert-manager, Cluster API's core, and ours."""

import subprocess
import sys
from pathlib import Path

import yaml

from ..controlplane import binaries, capi, install
from ..errors import BuildError
from . import go_provider, images
from .clusterctl import Repository
from .images import Images

PROJECT = Path(__file__).parent.parent.parent
CERT_MANAGER_IMAGE = "localhost/cert-manager-lab:lab"
OURS = {"v1beta1": ("v2.0.0", "v2.0.1"), "v1beta2": ("v2.1.0", "v2.1.1")}
"""A release of this provider and the next one, by the contract of Cluster API."""


def publish_cert_manager(repository: Repository, known: Images, folder: Path) -> None:
    """Publish cert-manager as the lab runs it."""
    crds = capi.cert_manager_crds()
    documents = [path.read_text() for path in crds]
    documents.append(Path(__file__).with_name("cert-manager.yaml").read_text())
    version = binaries.CERT_MANAGER.version
    repository.put("cert-manager", version, "\n---\n".join(documents))
    program = binaries.find(binaries.CERT_MANAGER)
    known.put(CERT_MANAGER_IMAGE, images.of_program(folder / "cert-manager", program))


def core_version(series: str) -> str:
    """Return the release of Cluster API that stands for a series such as v1.14."""
    return binaries.CAPI_MANAGER[series].version


def publish_core(repository: Repository, known: Images, folder: Path, series: str) -> None:
    """Publish Cluster API's core of a series."""
    tool, source = binaries.CAPI_MANAGER[series], capi.source(series)
    components = install.kustomized(capi.config(series) / "default")
    image = next(
        document["spec"]["template"]["spec"]["containers"][0]["image"]
        for document in yaml.safe_load_all(components)
        if document["kind"] == "Deployment"
    )
    mine = f"localhost/cluster-api-controller:{tool.version}"
    components = components.replace(image, mine)
    metadata = (source / "metadata.yaml").read_text()
    repository.put("cluster-api", tool.version, components, metadata)
    known.put(mine, images.of_program(folder / tool.version, binaries.find(tool)))


def publish_go_providers(repository: Repository) -> None:
    """Publish releases in the shape of the Go provider's; our metadata names their contracts."""
    metadata = (PROJECT / "metadata.yaml").read_text()
    for version in go_provider.CONTRACTS:
        repository.put("ipam-in-cluster", version, go_provider.components(version), metadata)


def publish_ours(repository: Repository, version: str, image: str) -> None:
    """Publish a release of this provider, as `make release` writes it."""
    script = PROJECT / "hack" / "release.py"
    out = repository.folder
    command = [sys.executable, str(script), version, "--image", image, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode != 0:
        raise BuildError(f"hack/release.py {version}", done.returncode, done.stdout + done.stderr)
