# SPDX-License-Identifier: Apache-2.0
"""The commands."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from api import resources
from conversion import registry, values
from webhook import options

from . import findings, manifests
from .errors import CliError

_files = click.option(
    "-f",
    "--filename",
    "paths",
    multiple=True,
    default=[manifests.STDIN],
    metavar="FILE",
    help="Manifests in YAML or JSON; - for standard input (the default).  May be repeated.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@options.version_option("ipam-in-cluster")
def main() -> None:
    """Work with the pools of Cluster API's in-cluster IPAM provider, without a cluster."""


@main.command()
@click.option("--to", type=click.Choice(["v1alpha1", "v1alpha2"]), required=True)
@_files
def convert(to: str, paths: Sequence[str]) -> None:
    """Print manifests with all pools in another version; other kinds pass as they are.

    Nothing is printed where a value makes no sense: then it ends with 1 and names each.
    """
    files = _read(paths)
    found: list[findings.Finding] = []
    for file in files:
        for document in manifests.objects(file):
            found += findings.shapeless(document)
            if findings.is_ours(document.obj):
                found += findings.unusable(document, to)
    _end_on(found)
    target = f"{resources.GROUP}/{to}"
    click.echo("".join(_converted(file, target) for file in files), nl=False)


@main.command()
@_files
@click.option(
    "--old",
    "old_paths",
    multiple=True,
    metavar="FILE",
    help="The present manifests, for the rules about changes.  May be repeated.",
)
@click.argument("more_paths", nargs=-1, metavar="[FILE]...")
def validate(paths: Sequence[str], old_paths: Sequence[str], more_paths: Sequence[str]) -> None:
    """Say in one line each what admission would say; ends with 1 if it would refuse any.

    A document that is no object of Kubernetes gets a warning: repositories hold other YAML, too.
    """
    if more_paths and _given("paths"):
        raise click.UsageError("name files with -f or without it, not both")
    new = _documents(more_paths or paths)
    old = _documents(old_paths)
    around = findings.Surroundings.of(new, old)
    found: list[findings.Finding] = []
    for document in old:
        found += findings.shapeless(document)
    for document in new:
        found += findings.shapeless(document, lenient=True)
        if findings.is_ours(document.obj):
            found += findings.all_of(document, around)
    _end_on(found)


@main.command()
@click.option("--host", default="", help="Default: all interfaces.")
@click.option("--port", default=9443, type=click.IntRange(0, 65535), show_default=True)
@click.option(
    "--cert-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder with tls.crt and tls.key; they are read again when they change.",
)
@options.tls_min_version
@options.tls_cipher_suites
def webhook(host: str, port: int, cert_dir: Path, tls_min_version: str, ciphers: str) -> None:
    """Serve conversion reviews at /convert until SIGTERM, without a cluster."""
    from . import serving  # noqa: PLC0415 - fastapi costs 0.5 s, which other commands need not wait

    try:
        serving.run(host, port, cert_dir, tls_min_version, ciphers)
    except CliError as error:
        _fail(error)


def _converted(file: manifests.File, target: str) -> str:
    """Return the file's text with all pools in the target version."""

    def convert_one(obj: object) -> object:
        if values.is_object(obj) and findings.is_ours(obj):
            return registry.convert(obj, target)
        return obj

    return manifests.write(file, [manifests.replaced(each, convert_one) for each in file.documents])


def _given(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not click.core.ParameterSource.DEFAULT


def _documents(paths: Sequence[str]) -> list[manifests.Document]:
    return [document for file in _read(paths) for document in manifests.objects(file)]


def _read(paths: Sequence[str]) -> list[manifests.File]:
    try:
        return [manifests.read(path) for path in paths]
    except CliError as error:
        _fail(error)


def _end_on(found: Sequence[findings.Finding]) -> None:
    """Print findings; end the command if one of them is more than a warning."""
    for finding in found:
        click.echo(str(finding), err=True)
    if any(not finding.warning for finding in found):
        sys.exit(1)


def _fail(error: CliError) -> NoReturn:
    click.echo(str(error), err=True)
    sys.exit(1)
