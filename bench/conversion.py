# SPDX-License-Identifier: Apache-2.0
"""How fast the running service converts, over TLS, beside a naive one (`naive.py`) in one run.

usage: conversion.py [SECONDS]   (of each measurement; default 3)

wrk (Debian: apt-get install wrk) sends the same review again and again on 8 connections, and on one
for the latency of a single review.  Both servers run all the time, one of them is asked at a time,
in turns; the median of the turns counts.

Last, how long a real API server takes for its first LIST of 500 pools after a start, for which it
has each of them converted (v1alpha1) or none (v1alpha2, which is stored).
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
import usage

from envtest.client import Resource
from envtest.errors import RefusedError
from envtest.pki import LOOPBACK, Authority
from envtest.ports import free_port
from envtest.processes import Process
from envtest.provider import Provider

BIN = Path(sys.executable).parent
TURNS = 3
MANY = 500  # pools of a LIST
CONNECTIONS = 8
START_SECONDS = 30.0
GROUP = "ipam.cluster.x-k8s.io"
KIND = "InClusterIPPool"

_POST = """wrk.method = "POST"
wrk.body = io.open("{body}"):read("*a")
wrk.headers["Content-Type"] = "application/json"
"""
_FIGURES = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s)\b")
_TO_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Figures:
    """Of one measurement: requests/s, and milliseconds within which 50 and 99 % were answered."""

    rate: float
    p50: float
    p99: float
    cpu: float
    """Seconds of CPU per 1,000 objects."""


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


class Service:
    """A server under load."""

    def __init__(self, folder: Path, name: str, command: list[str], port: int) -> None:
        self.name = name
        self.url = f"https://{LOOPBACK}:{port}/convert"
        self.process = Process(name, command, folder / f"{name}.log")
        self._folder = folder
        self._http = urllib3.PoolManager(ca_certs=str(folder / "ca.crt"), retries=False)

    def ask(self, body: bytes) -> dict[str, Any]:
        """Send one review."""
        headers = {"Content-Type": "application/json"}
        answer: dict[str, Any] = self._http.request(
            "POST", self.url, body=body, headers=headers
        ).json()
        return answer

    def ready(self) -> bool:
        """Tell whether it answers."""
        try:
            self.ask(json.dumps(review("v1alpha1", "v1alpha2", 1)).encode())
        except urllib3.exceptions.HTTPError:
            return False
        return True

    def check(self, body: bytes, count: int) -> None:
        """Make sure that what is measured is a conversion."""
        response = self.ask(body)["response"]
        assert response["result"]["status"] == "Success", response["result"]
        assert len(response["convertedObjects"]) == count

    def measure(self, body: Path, count: int, seconds: float, connections: int) -> Figures:
        """Send the review for some seconds."""
        script = self._folder / "post.lua"
        script.write_text(_POST.format(body=body))
        before = usage.cpu_seconds(self.process.pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}", "--latency", "-s", script]
        run = subprocess.run(
            [*map(str, command), self.url], check=True, capture_output=True, text=True
        )
        assert "Non-2xx" not in run.stdout, run.stdout
        requests = int(re.findall(r"(\d+) requests in", run.stdout)[0])
        times = {p: float(n) * _TO_MS[unit] for p, n, unit in _FIGURES.findall(run.stdout)}
        rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", run.stdout)[0])
        cpu = (usage.cpu_seconds(self.process.pid) - before) / (requests * count) * 1000
        return Figures(rate, times["50"], times["99"], cpu)


@contextmanager
def services(folder: Path) -> Generator[tuple[Service, Service]]:
    """Start the naive service and ours."""
    authority = Authority.new()
    (folder / "ca.crt").write_bytes(authority.pem)
    certificate, key = authority.server("webhook").write(folder, "tls")
    ports = free_port(), free_port()
    naive_program = [sys.executable, str(Path(__file__).with_name("naive.py"))]
    naive = Service(
        folder, "naive", [*naive_program, str(ports[0]), str(certificate), str(key)], ports[0]
    )
    program = [str(BIN / "ipam-in-cluster"), "webhook", f"--host={LOOPBACK}"]
    ours = Service(
        folder, "ours", [*program, f"--cert-dir={folder}", f"--port={ports[1]}"], ports[1]
    )
    with naive.process, ours.process:
        for each in (naive, ours):
            each.process.await_ready(each.ready, START_SECONDS)
        yield naive, ours


def middle(found: list[Figures]) -> Figures:
    """Return the turn of the median rate."""
    return sorted(found, key=lambda figures: figures.rate)[len(found) // 2]


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
    """Print the figures of each case, and the ratios."""
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed to make load: apt-get install wrk")
    compare(seconds)
    with tempfile.TemporaryDirectory() as name:
        for version, cold in cold_lists(Path(name)).items():
            print(f"cold LIST of {MANY} pools in {version}: {cold:.2f} s")


def compare(seconds: float) -> None:
    """Print what both services do under load."""
    with tempfile.TemporaryDirectory() as name, services(Path(name)) as (naive, ours):
        print("objects  direction        naive/s    ours/s  ratio   p50 ms   p99 ms  CPU s/1,000")
        for count in (1, 500):
            for source, target in (("v1alpha1", "v1alpha2"), ("v1alpha2", "v1alpha1")):
                body = Path(name) / "review.json"
                body.write_text(json.dumps(review(source, target, count)))
                for service in (naive, ours):
                    service.check(body.read_bytes(), count)
                turns = [
                    [each.measure(body, count, seconds, CONNECTIONS) for each in (naive, ours)]
                    for _ in range(TURNS)
                ]
                slow, fast = (middle(list(column)) for column in zip(*turns, strict=True))
                ratio = statistics.median(b.rate / a.rate for a, b in turns)
                direction = "up" if target == "v1alpha2" else "down"
                print(
                    f"{count:7d}  {direction:9s} {slow.rate:14.1f} {fast.rate:9.1f} {ratio:6.2f}"
                    f" {fast.p50:8.2f} {fast.p99:8.2f} {fast.cpu:12.3f}"
                )
                if count == 1:
                    alone = [each.measure(body, 1, seconds, 1).p50 for each in (naive, ours)]
                    print(
                        f"{'':9s}one at a time: p50 {alone[1]:.2f} ms, naive {alone[0]:.2f} ms,"
                        f" {alone[0] / alone[1]:.2f} x"
                    )
        rss = [usage.rss_mib(each.process.pid) for each in (naive, ours)]
        print(f"RSS: ours {rss[1]:.0f} MiB, naive {rss[0]:.0f} MiB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
