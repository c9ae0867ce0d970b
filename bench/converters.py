# SPDX-License-Identifier: Apache-2.0
"""The conversion services that `conversion.py` compares, and the load that it puts on them."""

import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import goprovider
import urllib3
import usage

from envtest.controlplane.provider import Provider
from envtest.pki import LOOPBACK, Authority
from envtest.ports import free_port
from envtest.processes import Process

BIN = Path(sys.executable).parent
START_SECONDS = 60.0  # the Go provider waits for its caches

_POST = """wrk.method = "POST"
wrk.body = io.open("{body}"):read("*a")
wrk.headers["Content-Type"] = "application/json"
"""
_FIGURES = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s)\b")
_TO_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What is sent: a file with a review, how many objects are in it, and how it is sent."""

    body: Path
    objects: int
    connections: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    """Of one measurement."""

    rate: float
    """Reviews a second."""
    p50: float
    """Milliseconds in which half of them were answered."""
    p99: float
    """Milliseconds in which 99 % were."""
    cpu: float
    """Milliseconds of CPU, user and system, per object."""


class Service:
    """A server under load; it listens on loopback and shows the certificate `tls` of its folder."""

    def __init__(self, folder: Path, process: Process, port: int) -> None:
        self.name = process.name
        self.port = port
        self.process = process
        self._url = f"https://{LOOPBACK}:{port}/convert"
        self._folder = folder
        self._http = urllib3.PoolManager(ca_certs=str(folder / "ca.crt"), retries=False)

    def ask(self, body: bytes) -> dict[str, Any]:
        """Send one review."""
        headers = {"Content-Type": "application/json"}
        answer: dict[str, Any] = self._http.request(
            "POST", self._url, body=body, headers=headers
        ).json()
        return answer

    def await_ready(self, review: dict[str, object]) -> None:
        """Return when it answers a review."""
        self.process.await_ready(lambda: self._answers(json.dumps(review).encode()), START_SECONDS)

    def check(self, load: Load) -> None:
        """Make sure that what is measured is a conversion."""
        response = self.ask(load.body.read_bytes())["response"]
        assert response["result"]["status"] == "Success", (self.name, response["result"])
        assert len(response["convertedObjects"]) == load.objects

    def measure(self, load: Load) -> Figures:
        """Send the review again and again."""
        script = self._folder / "post.lua"
        script.write_text(_POST.format(body=load.body))
        before = usage.cpu_seconds(self.process.pid)
        options = ["-t1", f"-c{load.connections}", f"-d{load.seconds:g}", "--latency"]
        run = subprocess.run(
            ["wrk", *options, "-s", str(script), self._url],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        cpu = usage.cpu_seconds(self.process.pid) - before
        assert "Non-2xx" not in run.stdout, run.stdout
        requests = int(re.findall(r"(\d+) requests in", run.stdout)[0])
        times = {p: float(n) * _TO_MS[unit] for p, n, unit in _FIGURES.findall(run.stdout)}
        rate = float(re.findall(r"Requests/sec:\s+([\d.]+)", run.stdout)[0])
        return Figures(rate, times["50"], times["99"], 1000 * cpu / (requests * load.objects))

    def _answers(self, body: bytes) -> bool:
        try:
            self.ask(body)
        except urllib3.exceptions.HTTPError:
            return False
        return True


@contextmanager
def running(folder: Path, review: dict[str, object]) -> Generator[list[Service]]:
    """Start the naive service, the Go provider where its binary is named, and ours, which is last.

    Args:
        folder: For certificates and logs.
        review: What each must answer before this goes on.
    """
    authority = Authority.new()
    (folder / "ca.crt").write_bytes(authority.pem)
    authority.server("webhook").write(folder, "tls")
    with ExitStack() as stack:
        found = [_naive(folder), *go(folder, stack), _ours(folder)]
        for each in found:
            stack.enter_context(each.process)
        for each in found:
            each.await_ready(review)
        yield found


def _naive(folder: Path) -> Service:
    port = free_port()
    program = str(Path(__file__).with_name("naive.py"))
    files = [str(folder / name) for name in ("tls.crt", "tls.key")]
    command = [sys.executable, program, str(port), *files]
    return Service(folder, Process("naive", command, folder / "naive.log"), port)


def _ours(folder: Path) -> Service:
    port = free_port()
    program = [str(BIN / "ipam-in-cluster"), "webhook", f"--host={LOOPBACK}"]
    command = [*program, f"--cert-dir={folder}", f"--port={port}"]
    return Service(folder, Process("ours", command, folder / "ours.log"), port)


def go(folder: Path, stack: ExitStack) -> Generator[Service]:
    """Yield the Go provider, where it is to be measured."""
    if not goprovider.named():
        return
    (folder / "cluster").mkdir()
    cluster = Provider(folder / "cluster")
    stack.callback(cluster.stop)
    cluster.control_plane.start()
    cluster.install()
    port = free_port()
    yield Service(folder, goprovider.process(cluster, folder, port), port)
