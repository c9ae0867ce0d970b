# SPDX-License-Identifier: Apache-2.0
"""Objects as a user would write them, in the few forms that tests and the demo need."""

import yaml

from .client import Json
from .contract import GROUP

POOL_PLURALS = {
    "InClusterIPPool": "inclusterippools",
    "GlobalInClusterIPPool": "globalinclusterippools",
    "InClusterPrefixPool": "inclusterprefixpools",
    "GlobalInClusterPrefixPool": "globalinclusterprefixpools",
}
"""The plurals of the four kinds of pools, by kind."""


def parse(text: str) -> list[Json]:
    """Return the objects of a YAML file; libyaml reads it in a tenth of the time of Python's."""
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


def pool(
    name: str,
    spec: object,
    kind: str = "InClusterIPPool",
    version: str = "v1alpha2",
    **metadata: object,
) -> Json:
    """Return a pool; the namespace is that of the resource that it is sent to."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def claim(
    name: str,
    pool_name: str,
    kind: str = "InClusterIPPool",
    version: str = "v1beta2",
    **metadata: object,
) -> Json:
    """Return a claim on a pool."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "IPAddressClaim",
        "metadata": {"name": name, **metadata},
        "spec": {"poolRef": reference(pool_name, kind)},
    }


def address(  # noqa: PLR0913 - the fields of an IPAddress
    name: str,
    text: str,
    pool_name: str,
    kind: str = "InClusterIPPool",
    version: str = "v1beta2",
    *,
    prefix: int = 24,
    claim_name: str = "",
    **metadata: object,
) -> Json:
    """Return an IPAddress of a pool, for the claim of its name unless another is named."""
    spec = {"claimRef": {"name": claim_name or name}, "address": text, "prefix": prefix}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "IPAddress",
        "metadata": {"name": name, **metadata},
        "spec": {"poolRef": reference(pool_name, kind), **spec},
    }


def reference(pool_name: str, kind: str = "InClusterIPPool") -> Json:
    """Return a reference to a pool, as claims and IPAddresses have it."""
    return {"apiGroup": GROUP, "kind": kind, "name": pool_name}


def cluster(name: str, version: str, *, paused: bool = False, **metadata: object) -> Json:
    """Return a Cluster in a version of its group, such as `cluster.x-k8s.io/v1beta2`."""
    return {
        "apiVersion": version,
        "kind": "Cluster",
        "metadata": {"name": name, **metadata},
        "spec": {"paused": paused},
    }


def definition(group: str, kind: str, *versions: Json, scope: str = "Cluster") -> Json:
    """Return the CRD of a kind whose plural has an `s`; the first version is stored."""
    plural = f"{kind.lower()}s"
    served = [each | {"served": True, "storage": each is versions[0]} for each in versions]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": scope,
            "versions": served,
        },
    }


def version(name: str, schema: Json, **more: object) -> Json:
    """Return a version of a CRD."""
    return {"name": name, "schema": {"openAPIV3Schema": schema}, **more}
