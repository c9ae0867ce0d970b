# SPDX-License-Identifier: Apache-2.0
"""Objects as a user would write them, in the few forms that tests and the demo need."""

import yaml

from .client import Json
from .contract import GROUP

KINDS = {
    "InClusterIPPool": "inclusterippools",
    "GlobalInClusterIPPool": "globalinclusterippools",
    "InClusterPrefixPool": "inclusterprefixpools",
    "GlobalInClusterPrefixPool": "globalinclusterprefixpools",
}
"""Plural by kind."""


def parse(text: str) -> list[Json]:
    """Return the objects of a YAML file; libyaml reads it in a tenth of the time of Python's."""
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


def pool(name: str, spec: Json, kind: str = "InClusterIPPool", version: str = "v1alpha2") -> Json:
    """Return a pool; the namespace is that of the resource that it is sent to."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def claim(
    name: str, pool_name: str, kind: str = "InClusterIPPool", version: str = "v1beta2"
) -> Json:
    """Return a claim on a pool."""
    reference = {"apiGroup": GROUP, "kind": kind, "name": pool_name}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "IPAddressClaim",
        "metadata": {"name": name},
        "spec": {"poolRef": reference},
    }
