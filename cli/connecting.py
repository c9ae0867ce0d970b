# SPDX-License-Identifier: Apache-2.0
"""How the commands that read a cluster connect to it, and what they say when they cannot."""

from __future__ import annotations

import asyncio
import logging
import os
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from kube.connect import connect
from kube.errors import (
    ApiError,
    ConfigError,
    CredentialsError,
    KubeError,
    UnauthorizedError,
)
from kube.tasks import first_error
from manager import version

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.connect import Connection

T = TypeVar("T")

_DEFAULT = Path("~/.kube/config")


def run(
    kubeconfig: str | None,
    context: str,
    program: str,
    work: Callable[[Connection], Awaitable[T]],
    rights: str,
) -> T:
    """Return what some work on a connection returns.

    Args:
        kubeconfig: Path of the kubeconfig; None: the default one.
        context: The context in it; empty: the current one.
        program: What the API server's logs call the client.
        work: What is done on the connection.
        rights: What the command needs, for the error if it is not allowed.

    Raises:
        CliError: the cluster cannot be reached, or denies access.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    results = list[T]()

    async def connected() -> None:
        """Append what the work returns.

        Caveats:
            It is not the result of the task: when `asyncio.run` ends, it takes the task's repr,
            which has the repr of its result, and that of 20,000 objects takes 80 MB.
        """
        agent = version.user_agent(program)
        connection = await connect(kubeconfig or default_kubeconfig(), agent, context)
        try:
            results.append(await work(connection))
        finally:
            await connection.close()

    try:
        asyncio.run(connected())
    except KubeError as error:
        raise CliError(text_of(error, rights)) from error
    except BaseExceptionGroup as group:
        first = first_error(group)
        if not isinstance(first, KubeError):
            raise
        raise CliError(text_of(first, rights)) from group
    return results[0]


def default_kubeconfig() -> str | None:
    """Return the path of kubectl's default kubeconfig; None if $KUBECONFIG or no file counts."""
    if os.environ.get("KUBECONFIG"):
        return None
    try:
        path = _DEFAULT.expanduser()
        return str(path) if path.is_file() else None
    except (OSError, RuntimeError):  # there is no home, or it may not be searched
        return None


def text_of(error: KubeError, rights: str) -> str:
    """Return state, cause and remedy of a failure, in one line.

    `rights` says what the command needs; it follows the API server's own text, which names the verb
    and the resource that are not allowed.
    """
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, CredentialsError):
        return f"the credentials in the kubeconfig cannot be used: {error}"
    if isinstance(error, UnauthorizedError):
        return "the API server does not accept the credentials in the kubeconfig: log in again"
    if isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN:
        return f"{error.message}; {rights}"
    if isinstance(error, ApiError):
        return f"the API server refuses {error}"
    return f"the API server cannot be reached: {error}; check --kubeconfig and the network"
