# SPDX-License-Identifier: Apache-2.0
"""Kinds that are installed while a command of `kubectl ipam` runs."""

from collections.abc import Generator
from pathlib import Path

import pytest
import yaml
from plugin_runs import PROGRAM
from terminals import terminal

from envtest import manifests
from envtest.client import Json
from envtest.controlplane import capi, control_plane, install
from envtest.plugin import MakeFolder

PREFIX_POOL = "InClusterPrefixPool"
CRDS = Path(__file__).parents[2] / "config" / "crd" / "bases"


def definition(kind: str) -> Json:
    """Return the CRD of a kind of pools."""
    path = CRDS / f"ipam.cluster.x-k8s.io_{manifests.KINDS[kind]}.yaml"
    found: Json = yaml.safe_load(path.read_text())
    return found


@pytest.fixture(scope="module")
def plane(make_log_folder: MakeFolder) -> Generator[control_plane.ControlPlane]:
    """Return a cluster with Cluster API, and with one kind of pools alone."""
    with control_plane.ControlPlane(make_log_folder()) as found:
        install.crds(found.admin, [*capi.crds(capi.NEWEST), definition("InClusterIPPool")])
        yield found


def create(plane: control_plane.ControlPlane, name: str, kind: str, spec: Json) -> None:
    pools = plane.admin.resource("ipam.cluster.x-k8s.io/v1alpha2", manifests.KINDS[kind], "default")
    pools.create(manifests.pool(name, spec, kind))


def test_top_shows_pools_of_a_later_kind(plane: control_plane.ControlPlane) -> None:
    create(plane, "early", "InClusterIPPool", {"addresses": ["10.0.0.1"], "prefix": 24})
    config = plane.kubeconfig("admin", [control_plane.ADMIN_GROUP])

    with terminal([PROGRAM, "top"], KUBECONFIG=str(config)) as found:
        found.shows("early")
        install.crds(plane.admin, [definition(PREFIX_POOL)])
        create(plane, "late", PREFIX_POOL, {"prefixes": ["2001:db8::/56"]})
        found.shows("late", PREFIX_POOL)
