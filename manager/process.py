# SPDX-License-Identifier: Apache-2.0
"""One event loop for everything: webhook first, the controller when the webhook answers."""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NoReturn

import structlog
import uvloop

from crdkit.conversion.errors import MissingPairError
from crdkit.webhook import worker
from kube import imports
from kube.errors import ConfigError
from kube.tasks import first_error, stop_signal
from webhook import tls
from webhook.cluster_reader import DeferredReader
from webhook.deferred import DeferredApp
from webhook.errors import CertificateError
from webhook.server import Server

from .health import Health, Target

if TYPE_CHECKING:
    from .flags import Address, Flags

log = structlog.get_logger(__name__)

_CERTIFICATE_SECONDS = 0.5  # between looks for files that the kubelet has not mounted yet


def run(flags: Flags, unknown: list[str]) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    if unknown:
        log.warning("unknown flags are ignored", flags=unknown)
    faulthandler.enable()  # a crash of a library written in C leaves a trace in the log
    worker.share_interpreter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(flags))


async def _main(flags: Flags) -> int:
    stop, health = stop_signal(), Health()
    jobs = [_work(flags, health)]
    if flags.self_signed and flags.webhook.port:
        jobs.append(_sign(flags))
    tasks = [asyncio.create_task(job) for job in jobs]
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    health.set_stopping()  # first of all, so that traffic goes elsewhere
    for task in (*tasks, waiting):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if stop.is_set():
        log.info("stopped")
        return 0
    return _failed(done.pop().exception())


def _failed(error: BaseException | None) -> int:
    """Say why the process ends by itself, in one line where that is enough."""
    error = first_error(error) if error else None
    if isinstance(error, ConfigError | CertificateError | MissingPairError | OSError):
        log.error("cannot run", error=str(error))
    else:
        log.error("ended by a defect", exc_info=error)
    return 1


async def _sign(flags: Flags) -> NoReturn:
    """Make the certificate that `_work` waits for."""
    certificates = await imports.run(importlib.import_module, "manager.certificates")
    await certificates.keep(flags)
    raise AssertionError("signing never ends")  # pragma: no cover - it ends by an error


async def _work(flags: Flags, health: Health) -> NoReturn:
    """Serve webhooks, then lead; everything is taken down again, in reverse, when cancelled.

    Flow:
        The process answers conversion reviews first.  Then it imports what admission reviews need,
        and the controller last.

    Flow of the end:
        The lease; the webhooks, which answer for the delay and finish what is under way; then what
        they needed for that (`last`), and the probes.
    """
    cluster = DeferredReader()
    app = DeferredApp(cluster)
    async with AsyncExitStack() as last:
        if probes := await _serve_probes(health, flags.health):
            last.push_async_callback(probes.stop)
        certificates = await _certificates(flags) if flags.webhook.port else None
        webhooks = await _serve_webhooks(flags, app, certificates)
        try:
            health.set_ready(Target(flags.webhook.host, webhooks.port) if webhooks else None)
            log.info("webhooks answer", port=flags.webhook.port)
            if webhooks:
                await app.load()
            leader = await imports.run(importlib.import_module, "manager.leader")
            await leader.run(flags, cluster, certificates, last)
        except asyncio.CancelledError:
            if webhooks:
                await asyncio.sleep(
                    flags.shutdown_delay / 2
                )  # the Service drops this pod meanwhile
                webhooks.retire()
                await asyncio.sleep(flags.shutdown_delay / 2)
            raise
        finally:
            if webhooks:
                await webhooks.stop()
    raise AssertionError("leading never ends")  # pragma: no cover - it ends by an error


async def _serve_probes(app: Health, address: Address) -> Server | None:
    if address.port == 0:
        return None
    server = Server(app, address.host, address.port)
    await server.start()
    return server


async def _serve_webhooks(
    flags: Flags, app: DeferredApp, certificates: tls.Certificates | None
) -> Server | None:
    if certificates is None:
        return None
    server = Server(app, flags.webhook.host, flags.webhook.port, certificates.context)
    await server.start()
    return server


async def _certificates(flags: Flags) -> tls.Certificates:
    """Load the certificate, and wait for its files where they are not there yet."""
    files, logged = tls.Files(flags.certificate, flags.key), ""
    while True:
        try:
            return tls.Certificates(files, tls.VERSIONS[flags.tls_min_version], flags.ciphers)
        except CertificateError as error:
            if str(error) != logged:
                logged = str(error)
                log.warning("waiting for a usable certificate", error=logged)
            await asyncio.sleep(_CERTIFICATE_SECONDS)
