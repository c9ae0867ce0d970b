# SPDX-License-Identifier: Apache-2.0
"""Pools as large as their schema allows, and reviews of them: the most that anybody can send."""

import json

from api.resources import GROUP
from crdkit.models.resources import Resource

from .client import Json

MOST = 4096
"""Entries of a list, by the schema."""


def spec(kind: str, entries: int = MOST, *, changed: bool = False) -> Json:
    """Return a spec with so many entries in both lists, none of which touches another.

    The `changed` one offers an allocation less for each of them.
    """
    first = 5 if changed else 6
    if "Prefix" in kind:
        excluded = [f"2001:db8:{n:x}:{first}::-2001:db8:{n:x}:9::" for n in range(entries)]
        prefixes = [f"2001:db8:{n:x}::/48" for n in range(entries)]
        return {
            "prefixes": prefixes,
            "allocationPrefixLength": 64,
            "excludedPrefixes": excluded,
        }
    nets = [f"10.{n >> 8}.{n & 255}" for n in range(entries)]
    return {
        "addresses": [f"{net}.0/25" for net in nets],
        "prefix": 8,
        "gateway": "10.0.0.1",
        "excludedAddresses": [f"{net}.{first}-{net}.9" for net in nets],
    }


def pool(resource: Resource, spec: Json) -> Json:
    """Return a pool in the hub version."""
    namespace = {"namespace": "default"} if resource.scope == "Namespaced" else {}
    return {
        "apiVersion": resource.api_version(resource.hub),
        "kind": resource.kind,
        "metadata": {"name": "large", **namespace},
        "spec": spec,
    }


def update(resource: Resource, version: str, old: Json, new: Json) -> bytes:
    """Return the review of an update of a pool's spec by a client of a version."""
    kind = {"group": GROUP, "version": resource.hub, "kind": resource.kind}
    request = {
        "uid": "1",
        "operation": "UPDATE",
        "kind": kind,
        "requestKind": kind | {"version": version},
        "object": pool(resource, new),
        "oldObject": pool(resource, old),
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(review).encode()
