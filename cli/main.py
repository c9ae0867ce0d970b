# SPDX-License-Identifier: Apache-2.0
"""The commands."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import click

from conversion import registry
from crdkit.conversion import annotation
from manager import options, pod

from . import conversions, findings, inputs, manifests
from .errors import CliError, FileError, SyntaxProblemError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""\b
    ipam-in-cluster validate -R pools

    Check and convert manifests of pools of Cluster API's in-cluster IPAM provider.

    Only `versions` needs a cluster.
    """,
)
@options.version_option("ipam-in-cluster")
def main() -> None:
    """Serve as the group of all commands."""


def versions() -> list[str]:
    """Return all versions of all kinds, older ones first."""
    each = ((*kind.spokes, kind.hub) for kind in registry.REGISTRY.kinds.values())
    return list(dict.fromkeys(version for several in each for version in several))


@main.command(
    short_help="Convert pools in manifests to another version.",
    help="""\b
    ipam-in-cluster convert --to v1alpha2 -f pools.yaml

    Print manifests with all pools in another version.  Everything else stays as it is written.

    A pool keeps its comments, the order of its fields and their quotes.  A kind without that
    version stays as it is, with a warning.  If a value is not valid, nothing is printed or
    written: the command names each such value and exits with 1.
    """,
)
@click.option(
    "--to", type=click.Choice(versions()), required=True, help="Version that the pools get."
)
@click.option("-i", "--in-place", is_flag=True, help="Change the files instead of printing them.")
@click.option(
    "--with-annotation/--without-annotation",
    "annotation",
    default=None,
    help=(
        f"Keep or drop the annotation {annotation.NAME}, which holds what the version has no "
        "field for.  Default: drop it from pools that get the hub version, keep it in others."
    ),
)
@inputs.file_arguments
def convert(names: inputs.Names, to: str, in_place: bool, annotation: bool | None) -> None:  # noqa: FBT001 - click passes them by name
    """Convert manifests."""
    from . import preflight  # noqa: PLC0415 - --help and shells that complete words need no pydantic

    if in_place and names.has_stdin:
        raise click.UsageError("--in-place changes files: name them")
    target = conversions.Target(to, annotation)
    files, found = _read(names, lenient=in_place)
    for document in _documents(files):
        found += preflight.before_conversion(document, target, lenient=in_place)
    _end_on(found)
    converted = [manifests.convert(file, target) for file in files]
    _end_on([each for file in converted for each in preflight.after_conversion(file)])
    if in_place:
        _save(files, converted)
    else:
        click.echo(manifests.text_of(converted), nl=False)


@main.command(
    short_help="Check manifests of pools as admission does.",
    help="""\b
    ipam-in-cluster validate -R pools

    Check manifests of pools as admission does, and print a line for each error and warning.

    A document that is not a Kubernetes object, or not YAML, gets only a warning, unless it is about
    pools: repositories also contain other files, such as templates.

    The exit code is 1 if there is an error.
    """,
)
@inputs.file_arguments
@click.option(
    "--old",
    "old_paths",
    multiple=True,
    type=inputs.PATH,
    metavar="FILE",
    help="The current manifests, for the rules about changes.  May be repeated.",
)
def validate(names: inputs.Names, old_paths: Sequence[str]) -> None:
    """Check manifests."""
    from . import validation  # noqa: PLC0415 - as in `convert`

    files, found = _read(names, lenient=True)
    old_files, old_found = _read(names.of(old_paths))
    found += old_found
    new, old = _documents(files), _documents(old_files)
    context = validation.Context.of(new, old)
    for document in old:
        found += findings.not_an_object(document)
    for document in new:
        found += validation.all_of(document, context)
    _end_on(found)


@main.command(
    short_help="Serve conversion without a cluster.",
    help="""\b
    ipam-in-cluster webhook --cert-dir certificates

    Serve conversion reviews at /convert until SIGTERM, without a cluster.
    """,
)
@click.option("--host", default="", help="Address to listen on.  Default: all interfaces.")
@click.option(
    "--port",
    default=pod.WEBHOOK.number,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port to listen on.",
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
    """Serve conversion reviews."""
    from . import serving  # noqa: PLC0415 - fastapi costs 0.5 s, which other commands need not wait

    try:
        serving.run(host, port, cert_dir, tls_min_version, ciphers)
    except CliError as error:
        _fail(error)


@main.command(
    "versions",
    short_help="Show which API versions of the pools a cluster uses.",
    help="""\b
    ipam-in-cluster versions

    Show which API versions of the pools a cluster serves, stores and names in managedFields.

    Below the table, a line for each old version says which step of its removal is safe next, or
    what blocks it.
    """,
)
@click.option(
    "--kubeconfig",
    metavar="FILE",
    help=(
        "Path of the kubeconfig.  Default: $KUBECONFIG, else ~/.kube/config, else the pod's "
        "ServiceAccount."
    ),
)
@click.option(
    "--check", is_flag=True, help="Exit with 1 if the next step is not safe for each version."
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output format.",
)
@click.option(
    "--rewrite-managed-fields",
    "rewrite",
    is_flag=True,
    help="First translate managedFields of old versions.  Each manager keeps its fields.",
)
def cluster_versions(*, kubeconfig: str | None, check: bool, output: str, rewrite: bool) -> None:
    """Show versions."""
    from . import cluster, version_report  # noqa: PLC0415 - other commands need no client

    try:
        kinds = cluster.kinds(kubeconfig, rewrite=rewrite)
    except CliError as error:
        _fail(error)
    as_json = output == "json"
    click.echo(version_report.as_json(kinds) if as_json else "\n".join(version_report.lines(kinds)))
    if check and not version_report.ready(kinds):
        sys.exit(1)


def _documents(files: Sequence[manifests.File]) -> list[manifests.Document]:
    return [document for file in files for document in manifests.objects(file)]


def _read(
    names: inputs.Names, *, lenient: bool = False
) -> tuple[list[manifests.File], list[findings.Finding]]:
    """Read files, and find those that cannot be read; `lenient` files only warn."""
    files, found = list[manifests.File](), list[findings.Finding]()
    for path in names.paths:
        try:
            for each in names.files(path):
                found += _read_one(each, files, lenient=lenient)
        except FileError as error:
            found.append(findings.Finding(error.path, error.problem))
    return files, found


def _read_one(
    path: str, files: list[manifests.File], *, lenient: bool
) -> Iterator[findings.Finding]:
    """Add a file to `files`, or yield why it cannot be read."""
    try:
        files.append(manifests.read(path))
    except SyntaxProblemError as error:
        yield findings.Finding(error.path, error.problem, lenient and not error.about_pools)
    except FileError as error:
        yield findings.Finding(error.path, error.problem)


def _save(files: Sequence[manifests.File], converted: Sequence[manifests.File]) -> None:
    """Write the files that have changed."""
    try:
        for old, new in zip(files, converted, strict=True):
            if old != new:
                manifests.save(new)
    except FileError as error:
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
