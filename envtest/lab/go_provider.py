# SPDX-License-Identifier: Apache-2.0
"""A release in the shape of the Go provider's, and objects as that provider leaves them.

Names, labels, finalizers and the lease are its own, from the contract that both providers keep;
none of its code runs.  What stands for its pod serves conversion, so that old clients can read
before the switch, and nothing else: its admission webhooks may be missing.
"""

from typing import Any

import yaml

from ..client import Json, Resource
from ..contract import GROUP, PROTECT, RELEASE
from ..controlplane import install

CONTRACTS = {"v1.0.3": "v1beta1", "v1.1.0": "v1beta2"}
"""Its releases that clusters run, with the contract of each."""
IMAGE = "localhost/go-provider"
VERSIONED = {
    "inclusterippools": "InClusterIPPool",
    "globalinclusterippools": "GlobalInClusterIPPool",
}
"""The kinds of pools that it has, by their plural."""
CONVERSION_DATA = "cluster.x-k8s.io/conversion-data"
_AUTHORITY = {"capi-ipam-in-cluster-ca", "capi-ipam-in-cluster-ca-issuer"}
"""What it lacks: its certificate signs itself."""
_SPEC = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def components(version: str) -> str:
    """Return what `clusterctl init` installs of one of its releases."""
    documents = [it for it in install.shipped() if it["metadata"]["name"] not in _AUTHORITY]
    return yaml.safe_dump_all(_turned(document, version) for document in documents)


def crd(plural: str, storage: str, *, conversion: Json | None = None) -> Json:
    """Return the CRD of a kind of pool that stores one version; None converts nothing."""
    kind = VERSIONED[plural]
    schema = {"type": "object", "properties": {"spec": _SPEC, "status": _SPEC}}
    versions: list[Json] = [
        {
            "name": name,
            "served": True,
            "storage": name == storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        for name in ("v1alpha1", "v1alpha2")
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "labels": {"clusterctl.cluster.x-k8s.io/move-hierarchy": ""},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": plural.removesuffix("s"),
                "categories": ["cluster-api"],
            },
            "scope": "Cluster" if plural.startswith("global") else "Namespaced",
            "versions": versions,
            **({"conversion": conversion} if conversion else {}),
        },
    }


def _turned(document: Json, version: str) -> Json:
    """Make an object of our release one of its."""
    kind, meta = document["kind"], document["metadata"]
    if kind == "CustomResourceDefinition" and document["spec"]["names"]["plural"] in VERSIONED:
        plural, conversion = document["spec"]["names"]["plural"], document["spec"]["conversion"]
        mine = crd(plural, "v1alpha2", conversion=conversion)
        mine["metadata"] |= {"annotations": meta["annotations"]}
        mine["metadata"]["labels"] |= meta["labels"]
        return mine
    for hook in document.get("webhooks", ()):
        hook["failurePolicy"] = "Ignore"
    if kind == "Certificate":
        document["spec"]["issuerRef"]["name"] = "capi-ipam-in-cluster-selfsigned-issuer"
    if kind == "Deployment":
        container: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
        folder = container["volumeMounts"][0]["mountPath"]
        container |= {
            "image": f"{IMAGE}:{version}",
            "command": ["/usr/local/bin/ipam-in-cluster"],
            "args": ["webhook", f"--cert-dir={folder}"],
            "ports": [{"name": "webhook-server", "containerPort": 9443}],
        }
        del container["livenessProbe"], container["readinessProbe"]
    return document


def bind(claims: Resource, addresses: Resource, claim: Json, pool: Json, address: str) -> None:
    """Bind an existing claim to an address of a pool, as that provider does."""
    meta = claim["metadata"]
    name, version = meta["name"], claim["apiVersion"]
    claims.merge(name, {"metadata": {"finalizers": [RELEASE]}})
    owners = [_owner(claim, controller=True), _owner(pool, controller=False)]
    labels = {k: v for k, v in meta.get("labels", {}).items() if k.endswith("cluster-name")}
    reference = claim["spec"]["poolRef"]
    body = {
        "apiVersion": version,
        "kind": "IPAddress",
        "metadata": {
            "name": name,
            "finalizers": [PROTECT],
            "labels": labels,
            "ownerReferences": owners,
        },
        "spec": {
            "address": address,
            "prefix": pool["spec"].get("prefix", 24),
            "claimRef": {"name": name},
            "poolRef": reference,
            **({"gateway": gateway} if (gateway := pool["spec"].get("gateway")) else {}),
        },
    }
    addresses.create(body)
    claims.merge(name, {"status": {"addressRef": {"name": name}}}, "status")


def _owner(found: Json, *, controller: bool) -> Json:
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }
