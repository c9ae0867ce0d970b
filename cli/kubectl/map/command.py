# SPDX-License-Identifier: Apache-2.0
"""`map`: all pools as pages in a browser, or in one file."""

from __future__ import annotations

import asyncio
import webbrowser
from pathlib import Path

import click

from kube.tasks import run_until
from webhook import server

from .. import options, session, snapshot
from ..errors import CliError
from . import guard, pages, service
from .live import Live
from .model import Reader

_LOOPBACK = "127.0.0.1"
"""Only this machine reaches the pages."""

_HIGHEST_PORT = 65535


@options.command(
    "map",
    short="Show all pools as a map in the browser.",
    example="kubectl ipam map",
    text="""Serve a page with all pools and a map of each, and open the browser.  The page shows
    every change at once.  Only this machine reaches it, by a URL that cannot be guessed.  Nothing
    is sent to another server.  The command runs until it gets SIGINT (Ctrl-C) or SIGTERM.

    With --export, write all pages as one file instead, which needs neither a server nor a network.

    Without --namespace, the page shows all namespaces that you may read.
    """,
)
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write one HTML file instead of serving.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, _HIGHEST_PORT),
    default=0,
    help="Port on 127.0.0.1.  Default: any free port.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    help="Open the browser, or only print the URL.  Default: --open.",
)
def command(target: options.Target, export: Path | None, port: int, *, opens: bool) -> None:
    """Serve the map, or write it."""

    async def work(opened: session.Session) -> str:
        informers = await snapshot.informers(opened.api, opened.namespace)
        reader = Reader(opened.api, opened.cluster, target.namespace)
        if export is None:
            await _serve(Live(informers, reader), port, opens=opens)
            return ""
        return pages.export(await reader.model(informers.snapshot()))

    text = session.run(target, work)
    if export is not None:
        _write(export, text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())  # UTF-8, as the page says, whatever the locale is
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}") from error


async def _serve(live: Live, port: int, *, opens: bool) -> None:
    await live.load()
    token = guard.new_token()
    guarded = guard.Guard(service.create_app(live, f"/{token}"), token)
    serving = server.Server(guarded, _LOOPBACK, port)
    stop = server.stop_signal()
    try:
        await serving.start()
    except OSError as error:
        raise CliError(f"port {port}: {error.strerror or error}") from error
    guarded.hosts = guard.hosts(serving.port)
    url = f"http://{_LOOPBACK}:{serving.port}/{token}/"
    click.echo(url)
    if opens:
        await asyncio.to_thread(webbrowser.open, url)
    try:
        await run_until(stop, live.run())
    finally:
        live.end()
        await serving.stop()
