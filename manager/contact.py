# SPDX-License-Identifier: Apache-2.0
"""Ends the process when it has lost the API server, and only if a new process would reach it.

If the API server is away, the process waits: a restart would not bring it back, and would only stop
the webhooks.  But credentials may have gone bad in memory, or a pool of connections may be stuck.
To find out, this module does what a restart would do: it connects anew, from the files.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import structlog

from kube.client import Client
from kube.errors import ApiError, ConfigError, KubeError
from kube.lease import LEASES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.connect import Connection

log = structlog.get_logger(__name__)

_UNAUTHORIZED = 401


class LostContactError(ConfigError):
    """This process gets no answer from the API server, and a new one would."""


class Bounds(NamedTuple):
    """Seconds.  A busy API server answers in ten; connections recover within a minute."""

    look: float = 30.0
    """Between two questions, each of which is one GET."""
    lost: float = 180.0
    """Without an answer, after which a new connection is tried."""
    again: float = 10.0
    """Between trials: an API server that has just come back is found by the old connection, too."""


_TRIALS = 3  # in which the new connection gets answers and the old one does not


async def keep(
    name: str,
    connection: Connection,
    connect: Callable[[], Awaitable[Connection]],
    lease: tuple[str, str],
    bounds: Bounds | None = None,
) -> NoReturn:
    """Ask the API server now and then on a connection of the process.

    Args:
        name: What the connection is for.
        connection: The one to look after.
        connect: Opens a new one, as a new process does.
        lease: Namespace and name of an object that we may read.
        bounds: Times other than the usual ones.

    Raises:
        LostContactError: a restart helps.
    """
    look, lost, again = bounds or Bounds()
    heard = time.monotonic()
    while True:
        await asyncio.sleep(look)
        if await _problem(connection, lease) is None:
            heard = time.monotonic()
        elif (seconds := time.monotonic() - heard) > lost:
            log.warning("no answer from the API server", connection=name, seconds=round(seconds))
            if await _restart_helps(connection, connect, lease, again):
                raise LostContactError(
                    f"no answer from the API server for {seconds:.0f} s on the connection for "
                    f"{name}, while a new connection gets one: the kubelet is to restart this"
                )


async def _restart_helps(
    connection: Connection,
    connect: Callable[[], Awaitable[Connection]],
    lease: tuple[str, str],
    seconds: float,
) -> bool:
    """Compare the connection with new ones, several times."""
    for trial in range(_TRIALS):
        await asyncio.sleep(seconds if trial else 0)
        if problem := await _problem_of_a_new_one(connect, lease):
            log.warning("a restart would not help", error=problem)
            return False
        if await _problem(connection, lease) is None:  # asked later than the new one
            return False
    return True


async def _problem_of_a_new_one(
    connect: Callable[[], Awaitable[Connection]], lease: tuple[str, str]
) -> str | None:
    try:
        connection = await connect()
    except KubeError as error:
        return str(error)
    try:
        return await _problem(connection, lease)
    finally:
        await connection.close()


async def _problem(connection: Connection, lease: tuple[str, str]) -> str | None:
    """Return why the API server does not answer us; a refusal of what we ask is an answer.

    401 is none: the API server does not know us.
    """
    try:
        await Client(connection).get(LEASES, *lease)
    except ApiError as error:
        return str(error) if error.status == _UNAUTHORIZED else None
    except KubeError as error:
        return str(error)
    return None
