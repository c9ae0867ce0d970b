# SPDX-License-Identifier: Apache-2.0
"""Serve the conversion webhook alone."""

import asyncio
from pathlib import Path

import click
import uvloop

from crdkit.conversion import errors as conversion_errors
from crdkit.webhook import worker
from kube.tasks import stop_signal
from webhook import deferred, errors, server, tls

from .errors import CliError


def run(host: str, port: int, folder: Path, minimum: str, ciphers: str) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        CliError: no usable certificate, the port is taken, or a version cannot be converted.
    """
    files = tls.Files(folder / "tls.crt", folder / "tls.key")
    try:
        certificates = tls.Certificates(files, tls.VERSIONS[minimum], ciphers)
        app = deferred.DeferredApp()
        webhook = server.Server(app, host, port, certificates.context)
        worker.share_interpreter()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app, webhook))
    except (errors.CertificateError, conversion_errors.MissingPairError) as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"port {port}: {error.strerror or error}") from error


async def _serve(app: deferred.DeferredApp, webhook: server.Server) -> None:
    stop = stop_signal()
    await webhook.start()
    click.echo(f"conversion answers on port {webhook.port}", err=True)
    await app.load()
    await stop.wait()
    await webhook.stop()
