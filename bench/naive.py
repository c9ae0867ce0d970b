# SPDX-License-Identifier: Apache-2.0
"""The yardstick: the conversion webhook as one would write it first, with FastAPI and Pydantic.

usage: naive.py PORT CERTIFICATE KEY

Each object is parsed into the model of its version, converted with the standard library's
`ipaddress`, and dumped again.  It keeps no annotation, so it loses what v1alpha1 cannot say.
"""

import ipaddress
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from api import v1alpha1, v1alpha2

Json = dict[str, Any]

app = FastAPI()


class Request(BaseModel):
    """What is to be converted."""

    uid: str
    desiredAPIVersion: str  # noqa: N815 - as Kubernetes writes it
    objects: list[Json]


class Response(BaseModel):
    """What came of it."""

    uid: str
    convertedObjects: list[Json]  # noqa: N815 - as Kubernetes writes it
    result: Json


class ConversionReview(BaseModel):
    """The envelope of both."""

    apiVersion: str  # noqa: N815 - as Kubernetes writes it
    kind: str
    request: Request | None = None
    response: Response | None = None


@app.post("/convert")
def convert(review: ConversionReview) -> ConversionReview:
    """Convert all objects of a review."""
    assert review.request is not None
    wanted = review.request.desiredAPIVersion
    turn = up if wanted.endswith("v1alpha2") else down
    review.response = Response(
        uid=review.request.uid,
        convertedObjects=[turn(obj) | {"apiVersion": wanted} for obj in review.request.objects],
        result={"status": "Success"},
    )
    review.request = None
    return review


def up(obj: Json) -> Json:
    """Say a v1alpha1 pool in v1alpha2."""
    pool = v1alpha1.InClusterIPPool.model_validate(obj)
    spec = pool.spec
    addresses = list(spec.addresses or ()) if spec else []
    prefix = spec.prefix if spec else None
    if spec and spec.subnet:
        network = ipaddress.ip_network(spec.subnet, strict=False)
        addresses.append(f"{network[1]}-{network[-2]}")
        prefix = network.prefixlen
    hub = {"addresses": addresses, "prefix": prefix, "gateway": spec.gateway if spec else None}
    new = v1alpha2.InClusterIPPool.model_validate(obj | {"spec": hub})
    return new.model_dump(mode="json", by_alias=True, exclude_none=True)


def down(obj: Json) -> Json:
    """Say a v1alpha2 pool in v1alpha1."""
    pool = v1alpha2.InClusterIPPool.model_validate(obj)
    spec = pool.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]
    for entry in spec["addresses"]:
        first, _, last = entry.partition("-")
        ipaddress.ip_network(first, strict=False)
        if last:
            ipaddress.ip_address(last)
    old = {name: spec[name] for name in ("addresses", "prefix", "gateway") if name in spec}
    new = v1alpha1.InClusterIPPool.model_validate(obj | {"spec": old})
    return new.model_dump(mode="json", by_alias=True, exclude_none=True)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ssl_certfile=sys.argv[2],
        ssl_keyfile=sys.argv[3],
        access_log=False,
    )
