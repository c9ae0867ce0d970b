# SPDX-License-Identifier: Apache-2.0
"""The part of the process that talks to the API server: admission's reads, and the controller.

Imported after the webhook answers, because `kubernetes` takes most of a second.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import structlog

from controller.controller import Controller
from controller.election import Election
from controller.events import CONTROLLER
from controller.migration import Migration
from kube import events, liveness
from kube.client import Client
from kube.config import pod_name
from kube.connect import connect, own_namespace
from kube.errors import KubeError, NotLeaderError
from kube.lease import LEASES, Lease
from kube.meta import Key
from kube.tasks import first_error, together
from objects.informers import InformerSupervisor, Scope
from objects.metadata import CACHE_REVISIONS_ANNOTATION
from webhook.live_reader import LiveReader
from webhook.server import Server

from . import contact, pod, version
from .diagnostics import Diagnostics
from .expiry import EXPIRY
from .flags import DEFAULT_NAMESPACE, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AsyncExitStack

    from kube.connect import Connection
    from kube.meta import Meta
    from webhook.cluster_reader import DeferredReader
    from webhook.tls import Certificates

    from .flags import Flags

log = structlog.get_logger(__name__)

_EXPIRED_SECONDS = 20.0
"""A lease may be over for so long before the leader must have noticed: as client-go allows."""

_EVENT_SECONDS = 2.0  # nobody waits longer for an Event at the end of a leadership

_AGAIN_SECONDS = 2.0  # before another try where the copies could not be brought up to date


async def run(
    flags: Flags, cluster: DeferredReader, certificates: Certificates | None, last: AsyncExitStack
) -> NoReturn:
    """Connect, inform admission, and lead whenever that is this process's turn.

    When cancelled, nothing leads any more; admission can ask until `last` is left.

    Raises:
        ConfigError: there is no way to reach an API server, or none but by a new process.
        OSError: the port of the diagnostics is taken.
    """

    def new_connection() -> Awaitable[Connection]:
        return connect(flags.kubeconfig, version.user_agent(PROGRAM))

    connection = await new_connection()
    last.push_async_callback(connection.close)
    live_reader = LiveReader(Client(connection))
    cluster.set_reader(live_reader)
    EXPIRY.certificates = certificates
    if diagnostics := _diagnostics(flags, Client(connection), certificates):
        await diagnostics.start()
        last.push_async_callback(diagnostics.stop)
    for_lease = connection.beside()  # its renewals share no socket with anything else
    last.push_async_callback(for_lease.close)
    scope = Scope(flags.namespace, flags.watch_filter)
    supervisor = InformerSupervisor(Client(connection), scope, live_reader.using)
    place = own_namespace(DEFAULT_NAMESPACE), pod.LEASE
    await together(
        supervisor.run(),
        _serve(flags, supervisor, connection, for_lease),
        contact.keep("everything but the lease", connection, new_connection, place),
        contact.keep("the lease", for_lease, new_connection, place),
    )
    raise AssertionError("work never ends")  # pragma: no cover - it ends by an error


async def _serve(
    flags: Flags, supervisor: InformerSupervisor, connection: Connection, for_lease: Connection
) -> None:
    """Lead whenever this process is elected, and be a warm standby otherwise."""
    while flags.leader_elect:
        await _lead(flags, supervisor, connection, for_lease)
    api, election = Client(connection), Election()
    election.win()
    await together(_control(api, supervisor, election), Migration(api).keep())


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


async def _lead(
    flags: Flags, supervisor: InformerSupervisor, connection: Connection, for_lease: Connection
) -> None:
    """Wait for the lease, and reconcile while it is held.

    Flow:
        While the controller waits, it keeps its allocations up to date.  After a leadership, it is
        dropped with all its pending writes, and the next call begins with new allocations.
    """
    lease, election = _lease(flags, for_lease), Election()
    fenced = Client(connection, lease.write_seconds)
    with lease.heartbeat.running():
        try:
            await together(
                _control(fenced, supervisor, election),
                _hold(lease, election, fenced, Client(for_lease)),
            )
        except* NotLeaderError as error:
            log.warning("leadership lost", error=str(first_error(error)))
        finally:
            await lease.release(election.left(supervisor.newest))
            if election.is_won:
                await _record(Client(for_lease), lease.held, lease, "stopped leading")


async def _hold(lease: Lease, election: Election, fenced: Client, for_lease: Client) -> None:
    """Acquire the lease, record an Event, and renew it; meanwhile migrate old versions."""
    await lease.acquire()
    election.win(lease.left)
    recording = _record(for_lease, lease.held, lease, "became leader")
    with liveness.LIVENESS.checking(lambda: _led_too_long(lease)):
        await together(lease.renew(), Migration(fenced).keep(), recording)


def _led_too_long(lease: Lease) -> str:
    """Return the message that this process leads after its lease ended; empty if it does not."""
    over = -lease.remaining()
    if over <= _EXPIRED_SECONDS:
        return ""
    return f"this process leads, though its lease ended {over:.0f} s ago"


async def _record(api: Client, about: Meta, lease: Lease, what: str) -> None:
    """Record an Event of the Lease, in the words of client-go."""
    event = events.Event("LeaderElection", "LeaderElection", f"{lease.identity} {what}")
    with suppress(TimeoutError):
        async with asyncio.timeout(_EVENT_SECONDS):
            await events.write(api, CONTROLLER, events.Subject(LEASES, about), event)


def _lease(flags: Flags, connection: Connection) -> Lease:
    identity = f"{pod_name()}_{uuid.uuid4()}"
    api = Client(connection)
    key = Key(own_namespace(DEFAULT_NAMESPACE), pod.LEASE)
    return Lease(api, key, identity, flags.lease_seconds, CACHE_REVISIONS_ANNOTATION)


async def _control(api: Client, supervisor: InformerSupervisor, election: Election) -> NoReturn:
    """Run controllers one after the other: a new one whenever the caches are replaced.

    Each waits until this process is elected.

    Raises:
        NotLeaderError: it stopped because the lease is lost.
    """
    while True:
        informers = await supervisor.current()
        try:
            await together(
                Controller(api, informers).run(election), supervisor.until_replaced(informers)
            )
        except* NotLeaderError:
            raise
        except* KubeError as error:
            log.warning("controller starts again", error=str(first_error(error)))
            await asyncio.sleep(_AGAIN_SECONDS)
