# SPDX-License-Identifier: Apache-2.0
"""The options that all commands have, in kubectl's spelling."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from . import commands, suggestions

OUTPUTS = ("table", "wide", "json", "yaml", "name")
"""The formats of `-o`."""

Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster and the namespace that a user chooses.

    If `namespace` is empty, it is that of the context.
    """

    kubeconfig: str | None = None
    context: str = ""
    namespace: str = ""
    everywhere: bool = False

    @property
    def chosen(self) -> str:
        """The namespace that the user names; empty: all that the user may read.

        As in kubectl, --all-namespaces has precedence.
        """
        return "" if self.everywhere else self.namespace


def command(name: str, *, example: str, text: str) -> Callable[[Command], Command]:
    """Make a function a command whose help begins with an example.

    The function gets the cluster as `target`.
    """
    help_text = f"\b\n{inspect.cleandoc(example)}\n\n{inspect.cleandoc(text)}"

    def decorate(function: Command) -> Command:
        short = commands.COMMANDS[name].short
        return click.command(name, short_help=short, help=help_text)(_with_target(function))

    return decorate


def check_one_namespace(target: Target) -> None:
    """Check that a command which writes a claim is not asked for all namespaces.

    Raises:
        click.UsageError: it is.
    """
    if target.everywhere:
        raise click.UsageError("a claim is in one namespace: choose it with -n, and leave out -A")


def output(*formats: str) -> Callable[[Command], Command]:
    """Add `-o`; the first format is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats or OUTPUTS),
        default=(formats or OUTPUTS)[0],
        show_default=True,
        help="Output format.",
    )


def pool_argument(function: Command) -> Command:
    """Add the argument POOL, whose names the shell completes."""
    return click.argument("pool", shell_complete=suggestions.pools)(function)


def _with_target(function: Command) -> Command:
    """Add the options that choose a cluster and a namespace."""

    @click.option(
        "--kubeconfig",
        metavar="FILE",
        type=click.Path(),
        help="Path of the kubeconfig.  Default: $KUBECONFIG, else ~/.kube/config.",
    )
    @click.option(
        "--context",
        metavar="NAME",
        default="",
        shell_complete=suggestions.contexts,
        help="Context of the kubeconfig.  Default: the current one.",
    )
    @click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        default="",
        shell_complete=suggestions.namespaces,
        help="Namespace.  Default: that of the context.",
    )
    @click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Read all namespaces.")
    @functools.wraps(function)
    def wrapped(
        kubeconfig: str | None,
        context: str,
        namespace: str,
        everywhere: bool,  # noqa: FBT001 - click passes it by name
        **others: Any,  # noqa: ANN401 - the command's own options
    ) -> None:
        function(target=Target(kubeconfig, context, namespace, everywhere), **others)

    return wrapped
