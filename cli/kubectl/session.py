# SPDX-License-Identifier: Apache-2.0
"""Open a connection, do the work of one command on it, and say in one line what went wrong."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from kube.client import Client
from kube.connect import connect
from kube.errors import KubeError
from kube.tasks import first_error
from manager import version

from ..connecting import default_kubeconfig, text_of
from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.client import Api

    from .options import Target

T = TypeVar("T")

READING = (
    "the command needs the verbs get, list and watch on pools, ipaddressclaims and ipaddresses of "
    "the group ipam.cluster.x-k8s.io"
)
"""The rights that all commands need."""


@dataclass(frozen=True, slots=True)
class Session:
    """A client, the namespace that the user chose (empty: all of them), and the server's URL."""

    api: Api
    namespace: str
    server: str = ""


def run(target: Target, work: Callable[[Session], Awaitable[T]], rights: str = READING) -> T:
    """Return what the work of a command returns.

    Raises:
        CliError: the cluster cannot be reached, or denies access; `rights` says what is needed.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    results = list[T]()
    try:
        asyncio.run(_connected(target, work, results))
    except KubeError as error:
        raise CliError(text_of(error, rights)) from error
    except BaseExceptionGroup as group:
        first = first_error(group)
        if not isinstance(first, KubeError):
            raise
        raise CliError(text_of(first, rights)) from group
    return results[0]


async def _connected(
    target: Target, work: Callable[[Session], Awaitable[T]], results: list[T]
) -> None:
    """Append what the work returns.

    Caveats:
        It is not the result of the task: when `asyncio.run` ends, it takes the task's repr, which
        has the repr of its result, and that of 20,000 objects takes 80 MB.
    """
    kubeconfig = target.kubeconfig or default_kubeconfig()
    connection = await connect(kubeconfig, version.user_agent("kubectl-ipam"), target.context)
    try:
        namespace = "" if target.everywhere else target.namespace or connection.namespace
        results.append(await work(Session(Client(connection), namespace, connection.host)))
    finally:
        await connection.close()
