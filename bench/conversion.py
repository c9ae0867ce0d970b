# SPDX-License-Identifier: Apache-2.0
"""How fast the running service converts, over TLS, beside a naive one and the Go provider.

usage: [GO_PROVIDER=PATH] conversion.py [SECONDS]   (of each measurement; default 3)

wrk (Debian: apt-get install wrk) sends the same review again and again on 8 connections, and on one
for the latency of a single review.  All servers run all the time, one of them is asked at a time,
in turns; the median of the turns counts.

The Go provider takes part where GO_PROVIDER names its binary.  Get its sources, build it there with
`go build -o manager .`, and give the path of that file.  It runs beside a real API server.

CPU counts what the server itself uses, so it says most on a machine that is busy with others.

The last figure is how long a real API server takes for its first LIST of 500 pools after a start.
For v1alpha1 it has each of them converted, for v1alpha2, which is stored, none.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import converters
import usage
from converters import Figures, Load, Service

from envtest.client import Resource
from envtest.controlplane.provider import Provider
from envtest.errors import RefusedError

TURNS = 3
MANY = 500  # pools of a LIST
CONNECTIONS = 8
GROUP = "ipam.cluster.x-k8s.io"
KIND = "InClusterIPPool"
DIRECTIONS = {"up": ("v1alpha1", "v1alpha2"), "down": ("v1alpha2", "v1alpha1")}
CPU_MS = {1: 0.06, MANY: 0.012}  # of an object, by objects of a review: what we aim at
RATIO = {1: 1.5, MANY: 2.5}  # of our reviews a second to the Go provider's


def pool(version: str, number: int) -> dict[str, object]:
    """Return a pool as the API server sends it, managedFields and status included."""
    spec: dict[str, object] = {"subnet": f"10.{number % 250}.0.0/24", "gateway": "10.0.0.1"}
    if version == "v1alpha2":
        addresses = [f"10.{number % 250}.0.10-10.{number % 250}.0.200"]
        spec = {"addresses": addresses, "prefix": 24, "excludedAddresses": ["10.0.0.50"]}
    fields = {"f:spec": {f"f:{name}": dict[str, object]() for name in spec}}
    managed = {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1"}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": KIND,
        "metadata": {
            "name": f"pool-{number}",
            "namespace": "default",
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "resourceVersion": str(number + 1),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [managed | {"fieldsV1": fields}],
        },
        "spec": spec,
        "status": {"ipAddresses": {"total": 254, "free": 200, "used": 54, "outOfRange": 0}},
    }


def review(source: str, target: str, count: int) -> dict[str, object]:
    """Return a review of so many pools."""
    objects = [pool(source, number) for number in range(count)]
    request = {"uid": "1", "desiredAPIVersion": f"{GROUP}/{target}", "objects": objects}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "request": request,
    }


def cold_lists(folder: Path) -> dict[str, float]:
    """Return the seconds of the first LIST of each version after a start of the API server."""
    with Provider(folder) as provider:
        namespace = provider.new_namespace("bench")
        pools = provider.pools("inclusterippools", namespace, "v1alpha1")
        for number in range(MANY):
            pools.create(
                {"kind": KIND, "apiVersion": f"{GROUP}/v1alpha1"}
                | {"metadata": {"name": f"pool-{number}"}, "spec": pool("v1alpha1", number)["spec"]}
            )
        found = {version: list[float]() for version in ("v1alpha1", "v1alpha2")}
        for _ in range(TURNS):
            for version, seconds in found.items():
                provider.control_plane.apiserver.stop()
                provider.control_plane.start()
                provider.manager.run()
                resource = provider.pools("inclusterippools", namespace, version)
                seconds.append(first_list(resource))
    return {version: statistics.median(seconds) for version, seconds in found.items()}


def first_list(pools: Resource) -> float:
    """Return the seconds until a LIST is answered; the API server may ask to come back for it."""
    began = time.perf_counter()
    while True:
        try:
            assert len(pools.list()) == MANY
        except RefusedError as error:
            if error.code != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            time.sleep(0.01)
        else:
            return time.perf_counter() - began


def main(seconds: float) -> None:
    """Print the figures of each case."""
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed to make load: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), seconds)
    with tempfile.TemporaryDirectory() as name:
        for version, cold in cold_lists(Path(name)).items():
            print(f"cold LIST of {MANY} pools in {version}: {cold:.2f} s")


def compare(folder: Path, seconds: float) -> None:
    """Print what all services do under load."""
    body = folder / "review.json"
    with converters.running(folder, review(*DIRECTIONS["up"], 1)) as services:
        line("", [each.name for each in services], "ours/others", "aim")
        for count in (1, MANY):
            for direction, versions in DIRECTIONS.items():
                body.write_text(json.dumps(review(*versions, count)))
                load = Load(body, count, CONNECTIONS, seconds)
                show(f"{count} {direction}", load, services)
        rss = [usage.rss_mib(each.process.pid) for each in services]
        figures("memory, MiB", rss, 0)


def show(case: str, load: Load, services: Sequence[Service]) -> None:
    """Measure one case and print its figures."""
    for service in services:
        service.check(load)
    found = measured(load, services)
    beside_go = f"{RATIO[load.objects]:g} x Go" if len(services) > len(("naive", "ours")) else ""
    figures(f"{case}: reviews a second", [each.rate for each in found], 1, beside_go)
    figures(f"{case}: p50, ms", [each.p50 for each in found], 3)
    figures(f"{case}: p99, ms", [each.p99 for each in found], 3)
    aim = f"{CPU_MS[load.objects]:g}"
    figures(f"{case}: CPU of an object, ms", [each.cpu for each in found], 4, aim)
    if load.objects == 1:
        alone = measured(replace(load, connections=1), services)
        aim = "Go's" if beside_go else ""
        figures(f"{case}: one at a time, p50, ms", [each.p50 for each in alone], 3, aim)


def measured(load: Load, services: Sequence[Service]) -> list[Figures]:
    """Return the turn of the median rate, of each service."""
    turns = [[each.measure(load) for each in services] for _ in range(TURNS)]
    columns = zip(*turns, strict=True)
    return [sorted(column, key=lambda each: each.rate)[TURNS // 2] for column in columns]


def figures(what: str, values: Sequence[float], digits: int, aim: str = "") -> None:
    """Print a figure of each service, and how ours, the last, is to the others."""
    *others, ours = values
    ratios = " ".join(f"{ours / other:.2f}" for other in others)
    line(what, [f"{value:.{digits}f}" for value in values], ratios, aim)


def line(what: str, columns: Sequence[str], ratios: str, aim: str) -> None:
    """Print one line of the table."""
    cells = "".join(f"{column:>10}" for column in columns)
    print(f"{what:32}{cells}  {ratios:12} {aim}".rstrip(), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
