# SPDX-License-Identifier: Apache-2.0
"""Kinds that are installed while a command of `kubectl ipam` runs."""

import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from plugin_runs import INFRASTRUCTURE, PROGRAM, infrastructure, owner
from terminals import terminal

from envtest import manifests
from envtest.client import Json
from envtest.controlplane import capi, control_plane, install
from envtest.plugin import MakeFolder
from envtest.waiting import until

BLUE = "InClusterIPPool/default/blue"
PREFIX_POOL = "InClusterPrefixPool"
CRDS = Path(__file__).parents[2] / "config" / "crd" / "bases"


def definition(kind: str) -> Json:
    """Return the CRD of a kind of pools."""
    path = CRDS / f"ipam.cluster.x-k8s.io_{manifests.POOL_PLURALS[kind]}.yaml"
    found: Json = yaml.safe_load(path.read_text())
    return found


@pytest.fixture(scope="module")
def plane(make_log_folder: MakeFolder) -> Generator[control_plane.ControlPlane]:
    """Return a cluster with Cluster API, and with one kind of pools alone."""
    with control_plane.ControlPlane(make_log_folder()) as found:
        install.crds(found.admin, [*capi.crds(capi.NEWEST), definition("InClusterIPPool")])
        yield found


def create(plane: control_plane.ControlPlane, name: str, kind: str, spec: Json) -> None:
    namespace = None if kind.startswith("Global") else "default"
    pools = plane.admin.resource(
        "ipam.cluster.x-k8s.io/v1alpha2", manifests.POOL_PLURALS[kind], namespace
    )
    pools.create(manifests.pool(name, spec, kind))


def test_top_shows_pools_of_a_later_kind(plane: control_plane.ControlPlane) -> None:
    create(plane, "early", "InClusterIPPool", {"addresses": ["10.0.0.1"], "prefix": 24})
    config = plane.kubeconfig("admin", [control_plane.ADMIN_GROUP])

    with terminal([PROGRAM, "top"], KUBECONFIG=str(config)) as found:
        found.shows("early")
        install.crds(plane.admin, [definition(PREFIX_POOL)])
        create(plane, "late", PREFIX_POOL, {"prefixes": ["2001:db8::/56"]})
        found.shows("late", PREFIX_POOL)


def read(url: str) -> str:
    """Return a page, or the error."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - it is ours
            text: bytes = answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return str(error)
    return text.decode()


@contextmanager
def running_map(plane: control_plane.ControlPlane) -> Generator[Callable[[str], str]]:
    """Run the map for the length of a block; reads the page of a pool, by its path."""
    config = plane.kubeconfig("admin", [control_plane.ADMIN_GROUP])
    with terminal([PROGRAM, "map", "--no-open"], KUBECONFIG=str(config)) as found:
        url = found.shows("http://127.0.0.1:")[0]
        yield lambda pool: read(f"{url}pools/{pool}")


def test_the_map_shows_pools_of_a_later_kind(plane: control_plane.ControlPlane) -> None:
    kind = "GlobalInClusterIPPool"
    path = f"{kind}/-/late"
    with running_map(plane) as page:
        assert "404" in page(path)
        install.crds(plane.admin, [definition(kind)])
        create(plane, "late", kind, {"addresses": ["10.0.1.77"], "prefix": 24})

        until("the map has the pool", lambda: page(path), lambda text: "10.0.1.77" in text)


def test_the_map_follows_owners_of_a_later_kind(plane: control_plane.ControlPlane) -> None:
    create(plane, "blue", "InClusterIPPool", {"addresses": ["10.0.0.2"], "prefix": 24})
    claims = plane.admin.resource("ipam.cluster.x-k8s.io/v1beta2", "ipaddressclaims", "default")
    owned = {"apiVersion": f"{INFRASTRUCTURE}/v1", "kind": "LateVM", "name": "vm", "uid": "unknown"}
    claim = manifests.claim("web", "blue", "InClusterIPPool", "v1beta2")
    claims.create(claim | {"metadata": {"name": "web", "ownerReferences": [owned]}})
    with running_map(plane) as page:
        assert "LateVM vm" in page(BLUE)

        install.crds(plane.admin, [infrastructure("LateVM")])
        vms = plane.admin.resource(f"{INFRASTRUCTURE}/v1", "latevms", "default")
        labels = {"cluster.x-k8s.io/cluster-name": "late-cluster"}
        body = {"apiVersion": f"{INFRASTRUCTURE}/v1", "kind": "LateVM"}
        vm = vms.create(body | {"metadata": {"name": "vm", "labels": labels}})
        claims.edit("web", lambda it: it["metadata"].update(ownerReferences=[owner(vm)]))

        until("the map has the Cluster", lambda: page(BLUE), lambda text: "late-cluster" in text)
