# SPDX-License-Identifier: Apache-2.0
"""Pools as releases of years ago left them: stored in v1alpha1, in etcd itself.

The API server stores v1alpha2, so nobody can write such a pool through it.
"""

import json
import uuid
from collections.abc import Iterable

from envtest import manifests
from envtest.client import Json
from envtest.contract import GROUP
from envtest.controlplane.etcd import Etcd
from envtest.controlplane.provider import Provider

PLURAL = "inclusterippools"
CRD = f"{PLURAL}.{GROUP}"
BOTH = ["v1alpha1", "v1alpha2"]

_CREATED = "2022-11-30T12:00:00Z"


def write(cluster: Provider, namespace: str, specs: dict[str, Json], manager: str = "argo") -> None:
    """Write pools by name, each with its spec in v1alpha1, as if `manager` had applied them."""
    etcd = cluster.control_plane.etcd_client()
    pairs = [(_key(namespace, name), spec) for name, spec in specs.items()]
    etcd.put([(key, json.dumps(_pool(key, spec, manager))) for key, spec in pairs])
    etcd.close()
    crds = cluster.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    crds.merge(CRD, {"status": {"storedVersions": BOTH}}, "status")


def stored(cluster: Provider, namespace: str, names: Iterable[str]) -> dict[str, str]:
    """Return in which version each pool is stored."""
    etcd = cluster.control_plane.etcd_client()
    found = {name: _version(etcd, namespace, name) for name in names}
    etcd.close()
    return found


def _key(namespace: str, name: str) -> str:
    return f"/registry/{GROUP}/{PLURAL}/{namespace}/{name}"


def _version(etcd: Etcd, namespace: str, name: str) -> str:
    found: Json = json.loads(etcd.get(_key(namespace, name)))
    return str(found["apiVersion"]).rpartition("/")[2]


def _pool(key: str, spec: Json, manager: str) -> Json:
    *_, namespace, name = key.split("/")
    api_version = f"{GROUP}/v1alpha1"
    entry: Json = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": api_version,
        "time": _CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {f"f:{field}": {} for field in spec}},
    }
    metadata: Json = {
        "namespace": namespace,
        "uid": str(uuid.uuid4()),
        "generation": 1,
        "creationTimestamp": _CREATED,
        "managedFields": [entry],
    }
    return manifests.pool(name, spec, version="v1alpha1", **metadata)
