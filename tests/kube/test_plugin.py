# SPDX-License-Identifier: Apache-2.0
"""Credential plugins: real programs that answer as the ExecCredential API says."""

import asyncio
import json
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kube import plugin
from kube.credentials import Identity
from kube.errors import CredentialsError
from kube.plugin import Exec, Plugin

VERSION = "client.authentication.k8s.io/v1"
TOKEN = "secret"  # noqa: S105 - nobody's
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER: dict[str, object] = {"server": "https://api.example"}


def answer(version: str = VERSION, **status: str) -> str:
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


def made(folder: Path, script: str, **more: Any) -> Plugin:
    """Return a plugin that is a shell script beside a kubeconfig."""
    path = folder / "plugin.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    entry = {"command": "./plugin.sh", "apiVersion": VERSION, **more}
    return Plugin(msgspec.convert(entry, Exec), CLUSTER, folder, lambda: NOW)


def saying(folder: Path, text: str, **more: Any) -> Plugin:
    (folder / "answer").write_text(text)
    return made(folder, f"cat {folder}/answer", **more)


async def test_a_token_becomes_the_header_and_lasts_until_it_expires(tmp_path: Path) -> None:
    end = (NOW + timedelta(minutes=5)).isoformat()

    found = await saying(tmp_path, answer(token=TOKEN, expirationTimestamp=end)).ask()

    assert found == (Identity("Bearer secret"), 300.0)


async def test_credentials_without_an_end_last_until_they_are_refused(tmp_path: Path) -> None:
    _, seconds = await saying(tmp_path, answer(token=TOKEN)).ask()

    assert seconds == math.inf


async def test_a_certificate_comes_with_its_key(tmp_path: Path) -> None:
    text = answer(clientCertificateData="CERT", clientKeyData="KEY")

    identity, _ = await saying(tmp_path, text).ask()

    assert identity == Identity("", b"CERT", b"KEY")


async def test_the_plugin_gets_arguments_variables_and_the_cluster_if_it_wants(
    tmp_path: Path,
) -> None:
    script = f'echo "$1 $WHO" > {tmp_path}/got; echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; '
    env = [{"name": "WHO", "value": "me"}]
    told = made(
        tmp_path,
        script + f"echo '{answer(token=TOKEN)}'",
        args=["login"],
        env=env,
        provideClusterInfo=True,
    )

    await told.ask()

    assert (tmp_path / "got").read_text() == "login me\n"
    assert json.loads((tmp_path / "info").read_text()) == {
        "apiVersion": VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": CLUSTER},
    }


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo no network >&2; exit 3", "exit status 3: no network; try again"),
        ("echo hello", "its output cannot be read"),
        (f"echo '{answer()}'", "neither a token nor a certificate"),
        (f"echo '{answer(clientCertificateData='x')}'", "neither a token nor a certificate"),
        (
            f"echo '{answer('v2', token=TOKEN)}'",
            f"it answers in v2, the kubeconfig wants {VERSION}",
        ),
        ("""echo '{"apiVersion": "x"}'""", "its output cannot be read"),
    ],
)
async def test_a_failure_says_what_the_plugin_said_and_what_to_do(
    tmp_path: Path, script: str, problem: str
) -> None:
    with pytest.raises(CredentialsError, match=problem) as caught:
        await made(tmp_path, script, installHint="try again").ask()

    assert str(caught.value).startswith("credential plugin ./plugin.sh: ")


async def test_a_plugin_that_is_not_installed_is_named_with_its_hint(tmp_path: Path) -> None:
    entry = {"command": "no-such-plugin", "apiVersion": VERSION, "installHint": "install it"}
    missing = Plugin(msgspec.convert(entry, Exec), CLUSTER, tmp_path)

    with pytest.raises(CredentialsError, match=r"no-such-plugin: .*No such file.*; install it"):
        await missing.ask()


async def test_a_plugin_that_wants_a_terminal_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="wants a terminal"):
        await made(tmp_path, f"touch {tmp_path}/ran", interactiveMode="Always").ask()

    assert not (tmp_path / "ran").exists()


async def test_a_plugin_that_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_SECONDS", 0.5)

    with pytest.raises(CredentialsError, match=r"no answer in 0\.5 s"):
        await made(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60").ask()

    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_plugin_whose_question_is_given_up_is_killed(tmp_path: Path) -> None:
    task = asyncio.create_task(made(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60").ask())
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110 - a process writes it
            await asyncio.sleep(0.01)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(int((tmp_path / "pid").read_text()))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
