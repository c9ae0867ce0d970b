# SPDX-License-Identifier: Apache-2.0
"""The commands."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from api import resources
from conversion import registry
from kube import pod
from webhook import options

from . import findings, manifests
from .errors import CliError, FileError, SyntaxProblemError

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


def versions() -> list[str]:
    """Return all versions of all kinds, older ones first."""
    each = ((*kind.spokes, kind.hub) for kind in registry.KINDS.values())
    return list(dict.fromkeys(version for several in each for version in several))


@main.command()
@click.option("--to", type=click.Choice(versions()), required=True)
@_files
def convert(to: str, paths: Sequence[str]) -> None:
    """Print manifests with all pools in another version; other kinds pass as they are.

    Nothing is printed where a value makes no sense: then it ends with 1 and names each.
    """
    files, found = _read(paths)
    for document in _documents(files):
        found += findings.before_conversion(document, to)
    _end_on(found)
    click.echo(manifests.write(files, f"{resources.GROUP}/{to}"), nl=False)


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

    What is no object of Kubernetes, or no YAML at all, gets a warning, unless it is about pools:
    repositories hold other files, too, such as templates.
    """
    if more_paths and _given("paths"):
        raise click.UsageError("name files with -f or without it, not both")
    files, found = _read(more_paths or paths, lenient=True)
    old_files, old_found = _read(old_paths)
    found += old_found
    new, old = _documents(files), _documents(old_files)
    context = findings.Context.of(new, old)
    for document in old:
        found += findings.not_an_object(document)
    for document in new:
        found += findings.all_of(document, context)
    _end_on(found)


@main.command()
@click.option("--host", default="", help="Default: all interfaces.")
@click.option(
    "--port", default=pod.WEBHOOK.number, type=click.IntRange(0, 65535), show_default=True
)
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


def _given(parameter: str) -> bool:
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not click.core.ParameterSource.DEFAULT


def _documents(files: Sequence[manifests.File]) -> list[manifests.Document]:
    return [document for file in files for document in manifests.objects(file)]


def _read(
    paths: Sequence[str], *, lenient: bool = False
) -> tuple[list[manifests.File], list[findings.Finding]]:
    """Read files, and tell which cannot be read; `lenient`: no matter unless about pools."""
    files, found = list[manifests.File](), list[findings.Finding]()
    for path in paths:
        try:
            files.append(manifests.read(path))
        except SyntaxProblemError as error:
            warning = lenient and not error.about_pools
            found.append(findings.Finding(error.path, error.problem, warning))
        except FileError as error:
            found.append(findings.Finding(error.path, error.problem))
    return files, found


def _end_on(found: Sequence[findings.Finding]) -> None:
    """Print findings; end the command if one of them is more than a warning."""
    for finding in found:
        click.echo(str(finding), err=True)
    if any(not finding.warning for finding in found):
        sys.exit(1)


def _fail(error: CliError) -> NoReturn:
    click.echo(str(error), err=True)
    sys.exit(1)
