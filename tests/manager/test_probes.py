# SPDX-License-Identifier: Apache-2.0
"""The kubelet's probes can fail: real processes, each with one thing wrong."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import urllib3

from envtest import pki, ports, processes
from kube import liveness
from manager import health

SECONDS = 60.0  # for a start on a busy machine
KUBECONFIG: dict[str, Any] = {  # nobody is there: probes say nothing about the API server
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "users": [{"name": "none", "user": {}}],
    "current-context": "none",
}
PROGRAM = """
import asyncio, signal, sys, time
from kube import liveness
from manager import main
from webhook import acceptor

def close_the_port(*_):  # as a defect does, or an exhausted table of files
    for each in list(acceptors):
        each._loop.remove_reader(each._listener)
        if sys.argv[1] == "closed":
            each._listener.close()

acceptors = []
listen = acceptor.Acceptor._listen
def remember(self):
    if self._context:
        acceptors.append(self)
    listen(self)
acceptor.Acceptor._listen = remember
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
signal.signal(signal.SIGUSR2, close_the_port)
liveness.BOUND_SECONDS = float(sys.argv[2])
main.main(sys.argv[3:])
"""
"""The manager, with faults that signals bring about."""


@dataclass
class Running:
    """A manager and its probes."""

    process: processes.Process
    probes: str

    def probe(self, path: str, seconds: float = 5.0) -> tuple[int, str]:
        """Ask as the kubelet does; status 0 is no answer in time."""
        try:
            answer = urllib3.request("GET", f"{self.probes}{path}", retries=False, timeout=seconds)
        except urllib3.exceptions.HTTPError as error:
            return 0, str(error)
        return answer.status, answer.data.decode()

    def until(self, path: str, status: int) -> str:
        """Wait for an answer of a probe, and return its text."""
        end = time.monotonic() + SECONDS
        while (answer := self.probe(path))[0] != status:
            assert time.monotonic() < end, answer
            time.sleep(0.05)
        return answer[1]


def start(
    folder: Path, *, fault: str = "frozen", bound: float = 600.0, certificate: bool = True
) -> Running:
    if certificate:
        put_certificate(folder)
    (folder / "kubeconfig").write_text(json.dumps(KUBECONFIG))
    probes = ports.free_port()
    command: list[str | Path] = [
        sys.executable, "-c", PROGRAM, fault, str(bound),
        f"--kubeconfig={folder}/kubeconfig",
        "--webhook-host=127.0.0.1",
        f"--webhook-port={ports.free_port()}",
        f"--webhook-cert-dir={folder}",
        f"--health-probe-bind-address=127.0.0.1:{probes}",
        "--diagnostics-address=0",
        "--leader-elect",
    ]  # fmt: skip
    return Running(
        processes.Process("manager", command, folder / "log"), f"http://127.0.0.1:{probes}"
    )


def put_certificate(folder: Path) -> None:
    pki.Authority.new().server("webhook").write(folder, "tls")


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[Running]:
    made = start(tmp_path, **getattr(request, "param", {}))
    with made.process:
        yield made


def test_a_manager_without_an_api_server_is_alive_and_ready(running: Running) -> None:
    assert running.until("/readyz", 200) == "ok"
    assert running.probe("/healthz") == (200, "ok")


@pytest.mark.parametrize("running", [{"certificate": False}], indirect=True)
def test_without_a_certificate_it_is_alive_and_not_ready(running: Running, tmp_path: Path) -> None:
    running.until("/healthz", 200)
    assert running.probe("/readyz") == (503, "the webhooks do not answer yet")
    time.sleep(1.5)  # three looks for the certificate, of which one is logged

    put_certificate(tmp_path)

    running.until("/readyz", 200)
    assert (tmp_path / "log").read_text().count("waiting for a usable certificate") == 1


@pytest.mark.parametrize(
    ("running", "told"),
    [({"fault": "closed"}, "Connection refused"), ({"fault": "frozen"}, "within 4 s")],
    indirect=["running"],
)
def test_a_webhook_port_that_does_not_answer_is_not_ready_and_alive(
    running: Running, told: str
) -> None:
    running.until("/readyz", 200)

    running.process.signal(signal.SIGUSR2)

    text = running.until("/readyz", 503)
    assert "the webhooks at port" in text
    assert told in text
    assert running.probe("/healthz") == (200, "ok")


def test_a_loop_that_is_blocked_answers_no_probe(running: Running) -> None:
    running.until("/readyz", 200)

    running.process.signal(signal.SIGUSR1)

    status, text = running.probe("/healthz", 1)
    assert (status, "timed out" in text) == (0, True)
    running.process.kill()  # a blocked loop does not stop when it is asked


@pytest.mark.parametrize("running", [{"bound": 0.0}], indirect=True)
def test_a_job_that_is_silent_for_too_long_is_not_alive(running: Running, tmp_path: Path) -> None:
    running.until("/readyz", 200)

    text = running.until("/healthz", 503)

    assert "the election by lease 7bb7acb4.ipam.cluster.x-k8s.io has shown no sign of life" in text
    assert "the kubelet is to restart this container" in (tmp_path / "log").read_text()
    assert running.probe("/readyz")[0] == 200


def test_a_heartbeat_is_late_only_after_its_bound_and_only_while_its_job_runs() -> None:
    now = [100.0]
    heart = liveness.Heartbeat("the job", lambda: now[0])
    before = liveness.LIVENESS.problems()

    with heart.running():
        now[0] += liveness.BOUND_SECONDS
        assert liveness.LIVENESS.problems() == before
        now[0] += 1
        assert liveness.LIVENESS.problems() == [
            *before, "the job has shown no sign of life for 601 s (bound: 600 s)",
        ]  # fmt: skip
        heart.beat()
        assert liveness.LIVENESS.problems() == before
        now[0] += 1000

    assert liveness.LIVENESS.problems() == before


async def test_a_kubelet_that_asks_while_it_starts_is_answered_when_it_is_ready() -> None:
    probes = health.Health()
    early = asyncio.create_task(probes._answer("/readyz"))
    await asyncio.sleep(0.05)
    assert not early.done()

    probes.set_ready(None)

    assert await early == (HTTPStatus.OK, "ok")


async def test_a_kubelet_that_asks_while_it_starts_hears_of_a_stop_at_once() -> None:
    probes = health.Health()
    early = asyncio.create_task(probes._answer("/readyz"))
    await asyncio.sleep(0)

    probes.set_stopping()

    assert await early == (HTTPStatus.SERVICE_UNAVAILABLE, "stopping")


async def test_without_webhooks_nothing_is_dialled() -> None:
    app = health.Health()
    app.set_ready(None)

    assert await app._not_ready() == ""


async def test_an_answer_of_a_port_that_speaks_no_tls_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        app = health.Health()
        app.set_ready(health.Target("127.0.0.1", plain.getsockname()[1]))
        plain.settimeout(0)
        plain.shutdown(socket.SHUT_RDWR)

        assert "do not answer" in await app._not_ready()
