# SPDX-License-Identifier: Apache-2.0
"""`map`: all pools as pages in a browser, or in one file."""

from __future__ import annotations

import asyncio
import shlex
import webbrowser
from pathlib import Path

import click

from kube.tasks import run_until, stop_signal
from webhook import server

from ... import inputs, manifests
from .. import options, session, snapshot
from ..errors import CliError
from . import guard, pages, service
from .live import Live
from .model import Reader
from .overlay import Manifest
from .what_if import WhatIf

_LOOPBACK = "127.0.0.1"
"""Only this machine reaches the pages."""

_HIGHEST_PORT = 65535


@options.command(
    "map",
    example="kubectl ipam map\nkubectl ipam map -f pools.yaml",
    text="""Serve a page with all pools and a map of each, and open the browser.  The page shows
    every change at once.  Only this machine reaches it, by a URL that cannot be guessed.  Nothing
    is sent to another server.  The command runs until it gets SIGINT (Ctrl-C) or SIGTERM.

    With -f, the pages show what applying manifests of pools would change, by the rules of `kubectl
    ipam plan`.  Each page also has a form for a manifest.  Nothing is applied.

    With --export, write all pages as one file instead, which needs neither a server nor a network.

    Without --namespace, the page shows all namespaces that you may read.
    """,
)
@inputs.file_options
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
def command(
    names: inputs.Names, target: options.Target, export: Path | None, port: int, *, opens: bool
) -> None:
    """Serve the map, or write it."""
    manifest = _manifest(names, target) if names.paths else None

    async def work(opened: session.Session) -> str:
        informers = await snapshot.informers(opened.api, opened.namespace)
        reader = Reader(opened.api, opened.cluster, target.chosen)
        what_if = WhatIf(opened.api, opened.namespace)
        if export is None:
            if manifest:
                what_if.keep(manifest)
            site = service.Site(Live(informers, reader), what_if)
            await _serve(site, manifest, port, opens=opens)
            return ""
        found = await reader.model(informers.snapshot())
        return pages.export(await what_if.changed(found, manifest) if manifest else found)

    text = session.run(target, work)
    if export is not None:
        _write(export, text)


def _manifest(names: inputs.Names, target: options.Target) -> Manifest:
    """Read the manifests of files.

    Raises:
        CliError: a file cannot be read, or is neither YAML nor JSON.
    """
    files = [manifests.read(each) for path in names.paths for each in names.files(path)]
    flags = {
        "--kubeconfig": target.kubeconfig,
        "--context": target.context,
        "--namespace": target.chosen,
    }
    words = ["kubectl", "apply"]
    words += [word for flag, value in flags.items() if value for word in (flag, value)]
    words += [word for path in names.paths for word in ("-f", path)]
    words += ["-R"] if names.recursive else []
    return Manifest.read(manifests.text_of(files), shlex.join(words))


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())  # UTF-8, as the page says, whatever the locale is
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}") from error


async def _serve(site: service.Site, manifest: Manifest | None, port: int, *, opens: bool) -> None:
    await site.live.load()
    token = guard.new_token()
    guarded = guard.Guard(service.create_app(site, f"/{token}"), token)
    serving = server.Server(guarded, _LOOPBACK, port)
    stop = stop_signal()
    try:
        await serving.start()
    except OSError as error:
        raise CliError(f"port {port}: {error.strerror or error}") from error
    guarded.hosts = guard.hosts(serving.port)
    base = f"http://{_LOOPBACK}:{serving.port}/{token}"
    url = pages.Links(base, manifest.name if manifest else "").overview()
    click.echo(url)
    if opens:
        await asyncio.to_thread(webbrowser.open, url)
    try:
        await run_until(stop, site.live.run())
    finally:
        site.live.end()
        await serving.stop()
