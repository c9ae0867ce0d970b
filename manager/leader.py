# SPDX-License-Identifier: Apache-2.0
"""The part of the process that talks to the API server: admission's reads, and the controller.

Imported after the webhook answers, because `kubernetes` takes most of a second.
"""

from __future__ import annotations

import asyncio
import platform
import uuid
from typing import TYPE_CHECKING, NoReturn, cast

import structlog

from controller.controller import Controller
from controller.migration import Migration
from controller.state import Scope
from kube import capi, version
from kube.client import Client
from kube.connect import connect, own_namespace
from kube.errors import KubeError, NotLeaderError
from kube.lease import Lease
from kube.tasks import together
from webhook.live import Live
from webhook.server import Server

from .diagnostics import Diagnostics
from .flags import DEFAULT_NAMESPACE, PROGRAM

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from kube.connect import Connection
    from webhook.inuse import Later
    from webhook.tls import Certificates

    from .flags import Flags

log = structlog.get_logger(__name__)

LEASE_NAME = "7bb7acb4.ipam.cluster.x-k8s.io"
"""The Go provider's lease, so that the two can't run at once."""

_AGAIN_SECONDS = 2.0  # before another try where CAPI is not installed, or a first list failed


async def run(
    flags: Flags, in_use: Later, certificates: Certificates | None, last: AsyncExitStack
) -> NoReturn:
    """Connect, tell admission so, and lead whenever that is this process's turn.

    When cancelled, nothing leads any more; admission can ask until `last` is left.

    Raises:
        ConfigError: there is no way to reach an API server.
        OSError: the port of the diagnostics is taken.
    """
    agent = version.user_agent(PROGRAM)
    connection = await connect(flags.kubeconfig, agent)
    last.push_async_callback(connection.close)
    in_use.give(Live(Client(connection)))
    if diagnostics := _diagnostics(flags, Client(connection), certificates):
        await diagnostics.start()
        last.push_async_callback(diagnostics.stop)
    for_lease = connection.beside()  # its renewals share no socket with anything else
    last.push_async_callback(for_lease.close)
    while flags.leader_elect:
        await _lead(flags, connection, for_lease)
    await _work(Client(connection), flags)
    raise AssertionError("work never ends")  # pragma: no cover - it ends by an error


def _diagnostics(flags: Flags, api: Client, certificates: Certificates | None) -> Server | None:
    """Return the server of metrics, if there is to be one."""
    host, port = flags.diagnostics.host, flags.diagnostics.port
    if port == 0:
        return None
    if flags.insecure_diagnostics:
        return Server(Diagnostics(None), host, port)
    if certificates is None:
        log.warning("no metrics: they are served with the webhook's certificate, which is off")
        return None
    return Server(Diagnostics(api), host, port, certificates.context)


async def _lead(flags: Flags, connection: Connection, for_lease: Connection) -> None:
    """Wait for the lease, and run the controller for as long as it is held."""
    lease = _lease(flags, for_lease)
    try:
        await lease.acquire()
        fenced = Client(connection, lease.write_seconds)
        await together(lease.renew(), _work(fenced, flags))
    except* NotLeaderError as error:
        log.warning("leadership lost", error=_reason(error))
    finally:
        await lease.release()


async def _work(api: Client, flags: Flags) -> None:
    """Do everything of which there may be only one in the cluster."""
    await together(_control(api, flags), Migration(api).keep())


def _lease(flags: Flags, connection: Connection) -> Lease:
    identity = f"{platform.node()}_{uuid.uuid4()}"
    api = Client(connection)
    return Lease(api, own_namespace(DEFAULT_NAMESPACE), LEASE_NAME, identity, flags.lease_seconds)


async def _control(api: Client, flags: Flags) -> NoReturn:
    """Run controllers one after the other: a new one where CAPI's versions have changed.

    Raises:
        NotLeaderError: it stopped because the lease is lost.
    """
    scope = Scope(flags.namespace, flags.watch_filter)
    while True:
        try:
            if contract := await capi.discover(api):
                log.info("controller starts", contract=contract.version)
                await Controller(api, contract, scope).run()
            log.warning("Cluster API's IPAM types are not installed; waiting for them")
        except* NotLeaderError:
            raise
        except* KubeError as error:
            log.warning("controller starts again", error=_reason(error))
        await asyncio.sleep(_AGAIN_SECONDS)


def _reason(error: BaseException) -> str:
    """Return the first error in nested groups: the others followed from it, or say the same."""
    if not isinstance(error, BaseExceptionGroup):
        return str(error)
    return _reason(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
