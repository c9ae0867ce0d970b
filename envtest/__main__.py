# SPDX-License-Identifier: Apache-2.0
"""`python -m envtest build|up|down`: the programs, and a provider to play with."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from .controlplane import binaries, dev, released
from .errors import EnvtestError

DEFAULT_FOLDER = Path(".dev")


class _Group(click.Group):
    """Prints this package's errors as sentences; a traceback says nothing more."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EnvtestError as error:
            _fail(error)


def _fail(error: EnvtestError) -> NoReturn:
    sys.exit(f"envtest: {error}")


@click.group(cls=_Group)
def main() -> None:
    """Control the control plane."""


@main.command()
@click.option("--e2e", is_flag=True, help="Also the programs that the end-to-end tests run.")
@click.option(
    "--index",
    envvar=released.INDEX,
    show_envvar=True,
    default="",
    help="URL of setup-envtest's index of released programs, or `none` to build them.",
)
def build(*, e2e: bool, index: str) -> None:
    """Find, fetch or build etcd, kube-apiserver and kubectl, and print where they are."""
    released.fetch(index)
    tools = binaries.END_TO_END if e2e else binaries.RELEASED
    for tool in tools:
        click.echo(f"{tool.name} {tool.version}: {binaries.find(tool)}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER)
def up(folder: Path) -> None:
    """Start a control plane with the provider, and leave it running."""
    kubeconfig = dev.up(folder.resolve())
    click.echo(f"export KUBECONFIG={kubeconfig}")
    click.echo(
        f"# a map of its pools in the browser: {Path(sys.executable).parent}/kubectl-ipam map"
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER)
def down(folder: Path) -> None:
    """End what `up` started and remove its state."""
    dev.down(folder.resolve())


if __name__ == "__main__":
    main()
