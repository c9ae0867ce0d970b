# SPDX-License-Identifier: Apache-2.0
"""Credential plugins: programs that a kubeconfig names under `exec`.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/
(client-go credential plugins)
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from .credentials import Identity, bearer
from .errors import CredentialsError
from .structs import prepared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SECONDS = 60.0  # for one run: a plugin that waits for a person never ends here
_ERROR_BYTES = 500  # the end of what a plugin writes: the cause is mostly there


def _wall_clock() -> datetime:
    return datetime.now(UTC)


class _Variable(msgspec.Struct):
    name: str
    value: str


@prepared
class Exec(msgspec.Struct, rename="camel", frozen=True):
    """The `exec` entry of a kubeconfig's user."""

    command: str
    api_version: str
    args: list[str] | None = None
    env: list[_Variable] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


@prepared
class _Credential(msgspec.Struct, rename="camel"):
    api_version: str
    status: _Status


class Plugin:
    """Runs one plugin.

    `cluster` is what a plugin learns of the cluster if it wants to.  A command with a slash is
    relative to `folder`, where the kubeconfig is.
    """

    def __init__(
        self,
        settings: Exec,
        cluster: dict[str, object],
        folder: Path,
        wall_clock: Callable[[], datetime] = _wall_clock,
    ) -> None:
        self._exec = settings
        self._folder = folder
        self._wall_clock = wall_clock
        spec: dict[str, object] = {"interactive": False}
        if settings.provide_cluster_info:
            spec["cluster"] = cluster
        self._info = {"apiVersion": settings.api_version, "kind": "ExecCredential", "spec": spec}

    async def ask(self) -> tuple[Identity, float]:
        """Run the plugin; return its credentials and the seconds until they end.

        Raises:
            CredentialsError: it failed; the text says how, and what the kubeconfig says to install.
        """
        if self._exec.interactive_mode == "Always":
            raise self._error("it wants a terminal (interactiveMode: Always), there is none")
        output = await self._run()
        try:
            answer = msgspec.json.decode(output, type=_Credential)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._error(f"its output cannot be read: {error}") from error
        if answer.api_version != self._exec.api_version:
            wanted = self._exec.api_version
            raise self._error(f"it answers in {answer.api_version}, the kubeconfig wants {wanted}")
        return self._identity(answer.status), self._seconds(answer.status.expiration_timestamp)

    def _identity(self, status: _Status) -> Identity:
        certificate, key = status.client_certificate_data, status.client_key_data
        if not (status.token or certificate) or bool(certificate) != bool(key):
            raise self._error("it gives neither a token nor a certificate with its key")
        authorization = bearer(status.token.encode()) if status.token else ""
        return Identity(authorization, certificate.encode(), key.encode())

    def _seconds(self, end: datetime | None) -> float:
        """Return the seconds that credentials last, so that a later clock change has no effect."""
        if end is None:
            return math.inf
        return (end - self._wall_clock()).total_seconds()

    async def _run(self) -> bytes:
        command = self._exec.command
        program = str(self._folder / command) if os.sep in command else command
        variables = {each.name: each.value for each in self._exec.env or ()}
        info = msgspec.json.encode(self._info).decode()
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *(self._exec.args or ()),
                env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": info},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise self._error(str(error)) from error
        try:
            async with asyncio.timeout(_SECONDS):
                output, errors = await process.communicate()
        except TimeoutError as error:
            raise self._error(f"no answer in {_SECONDS:g} s") from error
        finally:
            await _end(process)
        if process.returncode:
            text = errors.decode(errors="replace").strip()[-_ERROR_BYTES:]
            raise self._error(f"exit status {process.returncode}: {text}")
        return output

    def _error(self, problem: str) -> CredentialsError:
        hint = f"; {self._exec.install_hint}" if self._exec.install_hint else ""
        return CredentialsError(f"credential plugin {self._exec.command}: {problem}{hint}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
