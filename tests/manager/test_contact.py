# SPDX-License-Identifier: Apache-2.0
"""A process that lost the API server ends where a new one would find it, and only there."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from envtest import ports
from kube import connect
from manager import contact

FAST = contact.Bounds(look=0.01, lost=0.05, again=0.01)
PLACE = ("system", "leader")
NEW = "what-a-new-process-reads"
LONG = 1.0  # a hundred looks


class ApiServer:
    """A server that answers GETs of a lease as a test wants."""

    def __init__(self) -> None:
        self.known = {"good"}
        self.status = 404  # of the lease, which no test needs
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.known:
            return status(401)
        return status(self.status)


def status(code: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": "no"}, status=code)


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def port(api: ApiServer) -> AsyncGenerator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def write_kubeconfig(folder: Path, port: int, token: str, name: str = NEW) -> Path:
    config: dict[str, Any] = {
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"token": token}}],
        "current-context": "a",
    }
    path = folder / name
    path.write_text(json.dumps(config))
    return path


Outcome = Callable[[], Awaitable[str]]


@pytest.fixture
async def outcome(tmp_path: Path, port: int) -> AsyncGenerator[Outcome]:
    """Return why keeping contact ends, on a connection made now; empty if it goes on."""
    path = str(write_kubeconfig(tmp_path, port, "good"))
    old = write_kubeconfig(tmp_path, port, "good", "what-this-process-has-read")
    connection = await connect.connect(str(old), "test")

    async def watch() -> str:
        try:
            async with asyncio.timeout(LONG):
                await contact.keep(
                    "work", connection, lambda: connect.connect(path, "test"), PLACE, FAST
                )
        except TimeoutError:
            return ""
        except contact.LostContactError as error:
            return str(error)

    yield watch
    await connection.close()


@pytest.mark.parametrize("code", [200, 403, 404, 429])
async def test_an_answer_is_contact_whatever_it_says(
    outcome: Outcome, api: ApiServer, code: int
) -> None:
    api.status = code

    assert await outcome() == ""
    assert api.asked > 1


async def test_an_api_server_that_is_ill_is_waited_for(outcome: Outcome, api: ApiServer) -> None:
    api.status = 500

    assert await outcome() == ""


async def test_an_api_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    path = str(write_kubeconfig(tmp_path, ports.free_port(), "good"))
    connection = await connect.connect(path, "test")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LONG):
            await contact.keep(
                "work", connection, lambda: connect.connect(path, "test"), PLACE, FAST
            )

    await connection.close()


async def test_credentials_that_nobody_has_any_more_are_no_reason_to_restart(
    outcome: Outcome, api: ApiServer
) -> None:
    api.known = {"another"}

    assert await outcome() == ""


async def test_a_kubeconfig_that_is_broken_is_no_reason_to_restart(
    outcome: Outcome, api: ApiServer, tmp_path: Path
) -> None:
    api.known = {"another"}
    (tmp_path / NEW).write_text("{")

    assert await outcome() == ""


async def test_credentials_that_only_a_new_process_reads_end_this_one(
    outcome: Outcome, api: ApiServer, port: int, tmp_path: Path
) -> None:
    api.known = {"renewed"}
    write_kubeconfig(tmp_path, port, "renewed")

    text = await outcome()

    assert text.startswith("no answer from the API server for")
    assert "on the connection for work, while a new connection gets one" in text


async def test_a_connection_that_is_found_again_meanwhile_goes_on(
    outcome: Outcome, api: ApiServer, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.known = {"renewed"}
    write_kubeconfig(tmp_path, port, "renewed")
    problem = contact._problem
    trials = 0

    async def heal(connection: connect.Connection, lease: tuple[str, str]) -> str | None:
        nonlocal trials
        found = await problem(connection, lease)
        if found is None:  # a new connection gets an answer: so does the old one the next time
            trials += 1
            api.known.add("good")
        return found

    monkeypatch.setattr(contact, "_problem", heal)

    assert await outcome() == ""
    assert trials
