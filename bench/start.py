# SPDX-License-Identifier: Apache-2.0
"""How soon after exec a conversion is answered, over TLS, beside the bare imports it needs.

usage: start.py [RUNS]   (default 5; the median counts)

Old clients cannot read v1alpha1 while an upgrade replaces the process, so this is an outage.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import urllib3

from envtest.pki import LOOPBACK, Authority
from envtest.ports import free_port
from envtest.processes import Process

BIN = Path(sys.executable).parent
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


def seconds_to_answer(folder: Path, authority: Authority, command: list[str]) -> float:
    """Start a webhook and ask it until it answers."""
    port = free_port()
    (folder / "ca.crt").write_bytes(authority.pem)
    pool = urllib3.HTTPSConnectionPool(
        LOOPBACK, port, ca_certs=str(folder / "ca.crt"), retries=False, timeout=5.0
    )
    program = [str(BIN / command[0]), *command[1:], f"--{_prefix(command)}port={port}"]
    began = time.perf_counter()
    with pool, Process(command[0], program, folder / "log") as process:
        while time.perf_counter() < began + PATIENCE_SECONDS:
            try:
                answer = pool.request("POST", "/convert", json=REVIEW).json()
            except urllib3.exceptions.HTTPError:
                assert process.running, (folder / "log").read_text()
                time.sleep(POLL_SECONDS)
                continue
            taken = time.perf_counter() - began
            (converted,) = answer["response"]["convertedObjects"]
            assert converted["spec"]["addresses"] == ["10.9.0.1-10.9.0.254"], answer
            return taken
    raise SystemExit(f"{command[0]} did not answer within {PATIENCE_SECONDS:g} s")


def _prefix(command: list[str]) -> str:
    return "" if "webhook" in command else "webhook-"


def seconds_of_imports() -> float:
    """Import what a conversion webhook in Python cannot do without."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import fastapi, uvicorn"], check=True)
    return time.perf_counter() - began


def main(runs: int) -> None:
    """Print medians and their ratios."""
    authority = Authority.new()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority.server("webhook").write(folder, "tls")
        alone = ["ipam-in-cluster", "webhook", f"--host={LOOPBACK}", f"--cert-dir={folder}"]
        manager = [
            "ipam-in-cluster-manager", f"--webhook-host={LOOPBACK}",
            f"--webhook-cert-dir={folder}", "--health-probe-bind-address=0",
            "--diagnostics-address=0",
            f"--kubeconfig={kubeconfig(folder)}",
        ]  # fmt: skip
        imports = statistics.median(seconds_of_imports() for _ in range(runs))
        print(f"import fastapi, uvicorn:  {imports:.2f} s")
        for what, command in (("webhook alone", alone), ("manager", manager)):
            taken = statistics.median(
                seconds_to_answer(folder, authority, command) for _ in range(runs)
            )
            print(f"{what + ':':25s} {taken:.2f} s, {taken / imports:.1f} x the imports")


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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
