# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam` and its commands; each module is loaded when its command is asked for."""

import gc
import importlib
import io
import os
import sys
from typing import Any

import click
from typing_extensions import override

from manager import options

from .commands import COMMANDS
from .errors import FAILED, CliError
from .printable import printable

_COLLECTIONS = 50_000, 20, 100
"""Objects until the next collection of garbage, and collections until one of older objects.  By
default, reading 20,000 addresses and writing their page spends half of its time on collections."""

COMPLETE = "_KUBECTL_IPAM_COMPLETE"
"""The variable in which a shell asks for completions."""


class _LazyCommand(click.Command):
    """A command whose module is loaded when it is used."""

    @override
    def make_context(self, *args: Any, **more: Any) -> click.Context:
        module = importlib.import_module(f"{__package__}.{COMMANDS[self.name or ''].module}")
        command: click.Command = module.command
        return command.make_context(*args, **more)


class Commands(click.Group):
    """Loads commands on demand: one with a cluster does not wait for the models of the others."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_offline().list_commands(ctx)]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _offline().get_command(ctx, cmd_name)
        return _LazyCommand(cmd_name, short_help=COMMANDS[cmd_name].short)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            click.echo(printable(str(error)), err=True)
            sys.exit(FAILED)


def _offline() -> click.Group:
    """Return the group of the commands of ipam-in-cluster."""
    group: click.Group = importlib.import_module("..main", __package__).main
    return group


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    short_help="Show, check and plan the pools and addresses of a cluster.",
    help="""\b
    kubectl ipam pools --all-namespaces

    Show, check and plan the pools and addresses of Cluster API's in-cluster IPAM provider.

    The commands of ipam-in-cluster are available here, too.  Most of them need no cluster.
    """,
)
@options.version_option("kubectl-ipam")
def main() -> None:
    """Serve as the group of all commands."""


def run() -> None:
    """Run a command as kubectl starts it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # not all terminals have the blocks of bars
    gc.set_threshold(*_COLLECTIONS)
    name = "kubectl-ipam" if COMPLETE in os.environ else "kubectl ipam"
    main(prog_name=name, complete_var=COMPLETE)
