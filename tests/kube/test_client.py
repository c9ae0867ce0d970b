# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request that gets no answer."""

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import yaml

from kube import capi
from kube.client import Client
from kube.connect import connect
from kube.errors import UnreachableError

CLAIMS = capi.V1Beta2("v1beta2").claims
SECONDS = 0.2


@pytest.fixture
async def api(tmp_path: Path) -> AsyncGenerator[Client]:
    """A client of a server that takes requests and never answers."""

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    connection = await connect(str(file), "test")
    yield Client(connection, lambda: SECONDS)
    await connection.close()
    server.close()


async def test_a_write_without_an_answer_may_have_been_applied(api: Client) -> None:
    with pytest.raises(UnreachableError, match=r"no answer in 0\.2 s") as caught:
        await api.create(CLAIMS, "default", b"{}")

    assert caught.value.maybe_applied


async def test_a_cancellation_counts_though_the_time_of_the_request_is_up_just_then(
    api: Client,
) -> None:
    async def worker() -> None:
        with pytest.raises(UnreachableError):
            await api.create(CLAIMS, "default", b"{}")
        await asyncio.Event().wait()  # for the next piece of work

    task = asyncio.create_task(worker())
    asyncio.get_running_loop().call_later(SECONDS, task.cancel)
    await asyncio.sleep(SECONDS / 2)

    time.sleep(SECONDS)  # noqa: ASYNC251 - the process is frozen, so both are due when it goes on

    done, _ = await asyncio.wait([task], timeout=5)
    assert done
