# SPDX-License-Identifier: Apache-2.0
"""How soon after exec a conversion is answered, over TLS, beside the bare imports it needs.

usage: [GO_PROVIDER=PATH] start.py [RUNS]   (default 10; the best counts)

Old clients cannot read v1alpha1 while an upgrade replaces the process, so this is an outage.  All
modules are compiled first, as they are in the image.  `bare` is Python with asyncio and ssl.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import converters
import table
import urllib3
import usage

from envtest.pki import LOOPBACK, Authority
from envtest.ports import free_port
from envtest.processes import Process

BIN = Path(sys.executable).parent
BARE = "import asyncio, ssl"
MOST_SECONDS = 0.35
REVIEW = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "ConversionReview",
    "request": {
        "uid": "1",
        "desiredAPIVersion": "ipam.cluster.x-k8s.io/v1alpha2",
        "objects": [
            {
                "apiVersion": "ipam.cluster.x-k8s.io/v1alpha1",
                "kind": "InClusterIPPool",
                "metadata": {"name": "blue", "namespace": "default"},
                "spec": {"subnet": "10.9.0.0/24"},
            }
        ],
    },
}
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 60.0


class Start(NamedTuple):
    """What one start took, in seconds."""

    wall: float
    cpu: float


def until_answer(folder: Path, process: Process, port: int) -> Start:
    """Start a webhook and ask it until it answers."""
    pool = urllib3.HTTPSConnectionPool(
        LOOPBACK, port, ca_certs=str(folder / "ca.crt"), retries=False, timeout=5.0
    )
    began = time.perf_counter()
    with process, pool:  # the connection closes first: a goodbye that nobody hears takes 10 s
        while time.perf_counter() < began + PATIENCE_SECONDS:
            try:
                answer = pool.request("POST", "/convert", json=REVIEW).json()
            except urllib3.exceptions.HTTPError:
                assert process.running, process.log.read_text()
                time.sleep(POLL_SECONDS)
                continue
            taken = Start(time.perf_counter() - began, usage.cpu_seconds(process.pid))
            (converted,) = answer["response"]["convertedObjects"]
            assert converted["spec"]["addresses"] == ["10.9.0.1-10.9.0.254"], answer
            return taken
    raise SystemExit(f"{process.name} did not answer within {PATIENCE_SECONDS:g} s")


def until_imported() -> Start:
    """Import what no webhook in Python can do without."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", BARE], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Start(time.perf_counter() - began, cpu)


def best(start: Callable[[], Start], runs: int) -> Start:
    """Return the best of some starts; the first, which may compile modules, does not count."""
    start()
    starts = [start() for _ in range(runs)]
    return Start(min(one.wall for one in starts), min(one.cpu for one in starts))


def alone(folder: Path, port: int) -> Process:
    """Return the webhook of the command line."""
    flags = [f"--host={LOOPBACK}", f"--port={port}", f"--cert-dir={folder}"]
    return Process("webhook alone", [BIN / "ipam-in-cluster", "webhook", *flags], folder / "log")


def manager(folder: Path, port: int) -> Process:
    """Return the manager, which has no API server to talk to."""
    command: list[str | Path] = [
        BIN / "ipam-in-cluster-manager", f"--webhook-host={LOOPBACK}", f"--webhook-port={port}",
        f"--webhook-cert-dir={folder}", "--health-probe-bind-address=0",
        "--diagnostics-address=0", f"--kubeconfig={kubeconfig(folder)}",
    ]  # fmt: skip
    return Process("manager", command, folder / "log")


def kubeconfig(folder: Path) -> Path:
    """Write one that leads nowhere: conversion needs no API server."""
    path = folder / "kubeconfig"
    path.write_text(
        "{apiVersion: v1, kind: Config, current-context: x,"
        " contexts: [{name: x, context: {cluster: x, user: x}}],"
        " clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}],"
        " users: [{name: x, user: {token: x}}]}"
    )
    return path


def main(runs: int) -> None:
    """Print the best starts, and their ratios to the bare imports."""
    authority = Authority.new()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        authority.server("webhook").write(folder, "tls")
        (folder / "ca.crt").write_bytes(authority.pem)
        table.head()
        bare = best(until_imported, runs)
        port = free_port()
        for process in (alone(folder, port), manager(folder, port)):
            show(process.name, best(partial(until_answer, folder, process, port), runs), bare)
        for go in converters.go(folder, stack):
            start = best(partial(until_answer, folder, go.process, go.port), runs)
            show("Go provider", start, bare)


def show(name: str, start: Start, bare: Start) -> None:
    """Print what one program's start takes; only the manager has a target."""
    what, aims = f"{name}: exec to the first conversion", name == "manager"
    table.show(
        table.Figure(
            what, f"{start.wall:.2f} s", f"{bare.wall:.2f} s", start.wall / bare.wall,
            f"<= {MOST_SECONDS:g} s" if aims else "",
            start.wall <= MOST_SECONDS if aims else None,
        )
    )  # fmt: skip
    cpu = f"{start.cpu:.2f} s", f"{bare.cpu:.2f} s", start.cpu / bare.cpu
    table.show(table.Figure("  CPU time of it", *cpu))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
