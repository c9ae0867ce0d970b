# SPDX-License-Identifier: Apache-2.0
"""The work of one command on a connection, in the namespace that the user chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kube.client import Client

from .. import connecting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kube.connect import Connection

    from .options import Target

T = TypeVar("T")

READING = (
    "the command needs the verbs get, list and watch on pools, ipaddressclaims and ipaddresses of "
    "the group ipam.cluster.x-k8s.io"
)
"""The rights that all commands need."""


@dataclass(frozen=True, slots=True)
class Session:
    """A client, the namespace that the user chose (empty: all of them), and the cluster's name."""

    api: Client
    namespace: str
    cluster: str = ""
    """The API server's URL, and the context if the user chose one."""


def run(target: Target, work: Callable[[Session], Awaitable[T]], rights: str = READING) -> T:
    """Return what the work of a command returns.

    Raises:
        CliError: the cluster cannot be reached, or denies access; `rights` says what is needed.
    """

    async def opened(connection: Connection) -> T:
        namespace = target.chosen or ("" if target.everywhere else connection.namespace)
        host = connection.host
        cluster = f"{target.context} ({host})" if target.context else host
        return await work(Session(Client(connection), namespace, cluster))

    return connecting.run(target.kubeconfig, target.context, "kubectl-ipam", opened, rights)
