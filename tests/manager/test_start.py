# SPDX-License-Identifier: Apache-2.0
"""Old clients cannot read while a process starts, so it imports little before it answers."""

import asyncio
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from webhook_client import REVIEW, trusting

from envtest import pki, ports, processes

SECONDS = 60.0  # for a start on a busy machine
KUBECONFIG: dict[str, Any] = {  # nobody is there: webhooks do not need the API server
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "users": [{"name": "none", "user": {}}],
    "current-context": "none",
}
HELD = """
import asyncio, json, pathlib, sys
from kube import imports

folder = pathlib.Path(sys.argv[1])
run = imports.run

async def held(function, *args):
    listed = folder / f"modules-{len(list(folder.glob('modules-*')))}"
    (folder / "half").write_text(json.dumps(list(sys.modules)))
    (folder / "half").rename(listed)
    while not (folder / "go").exists():
        await asyncio.sleep(0.01)
    return await run(function, *args)

imports.run = held
from {program} import main
main.main(sys.argv[2:])
"""
"""A program whose later imports wait for a file; it lists what was imported before each."""

HEAVY = {"aiohttp", "cryptography", "fastapi", "kubernetes", "starlette"}
HEAVY_FOR = {"manager": HEAVY | {"pydantic", "yaml"}, "cli": HEAVY}
"""By program; the command line's other commands need the models."""

MANAGER = [
    "--kubeconfig={folder}/kubeconfig",
    "--webhook-host=127.0.0.1",
    "--webhook-port={port}",
    "--webhook-cert-dir={folder}",
    "--health-probe-bind-address=127.0.0.1:{probes}",
    "--diagnostics-address=0",
]
WEBHOOK = ["webhook", "--host=127.0.0.1", "--port={port}", "--cert-dir={folder}"]
ADMISSION = "/validate-ipam-cluster-x-k8s-io-v1alpha2-inclusterippool"


class Held:
    """A program that has not imported yet what conversion does not need."""

    def __init__(self, folder: Path, program: str, arguments: list[str]) -> None:
        self.folder = folder
        self.program = program
        self.port, self.probes = ports.free_port(), ports.free_port()
        pki.Authority.new().server("webhook").write(folder, "tls")
        (folder / "kubeconfig").write_text(json.dumps(KUBECONFIG))
        places = {"port": self.port, "probes": self.probes, "folder": folder}
        code = HELD.replace("{program}", program)
        flags = [each.format(**places) for each in arguments]
        command = [sys.executable, "-c", code, str(folder), *flags]
        self.process = processes.Process("program", command, folder / "log")

    def imported(self, number: int = 0) -> set[str]:
        """Return the packages that were imported before the later import of that number."""
        listed = self.folder / f"modules-{number}"
        self.process.await_ready(listed.exists, SECONDS)
        return {name.partition(".")[0] for name in json.loads(listed.read_text())}

    def go_on(self) -> None:
        (self.folder / "go").touch()

    async def post(self, path: str, body: Any) -> int:
        """Send a body, and return the status of the answer."""
        async with (
            aiohttp.ClientSession(f"https://127.0.0.1:{self.port}") as session,
            session.post(path, json=body, ssl=trusting()) as response,
        ):
            await response.read()
            return response.status

    async def ready(self) -> int:
        url = f"http://127.0.0.1:{self.probes}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status


@pytest.fixture(params=["manager", "cli"])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Held]:
    arguments = MANAGER if request.param == "manager" else WEBHOOK
    made = Held(tmp_path, request.param, arguments)
    with made.process:
        yield made
        made.process.kill()  # what still waits for its imports does not stop when it is asked


async def test_a_conversion_is_answered_before_what_it_does_not_need_is_imported(
    held: Held,
) -> None:
    assert held.imported() & HEAVY_FOR[held.program] == set()
    assert await held.post("/convert", REVIEW) == 200


@pytest.mark.parametrize("held", ["manager"], indirect=True)
async def test_it_is_ready_before_the_rest_is_imported(held: Held) -> None:
    held.imported()

    assert await held.ready() == 200


@pytest.mark.parametrize("held", ["manager"], indirect=True)
async def test_a_write_that_comes_early_waits_for_its_imports_and_not_for_the_controllers(
    held: Held,
) -> None:
    held.imported()
    early = asyncio.create_task(held.post(ADMISSION, {}))
    await asyncio.sleep(0.2)
    assert not early.done()

    held.go_on()

    assert await early == 400  # it is no review
    assert "aiohttp" not in held.imported(1)
    assert "fastapi" in held.imported(1)
