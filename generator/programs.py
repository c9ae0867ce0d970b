# SPDX-License-Identifier: Apache-2.0
"""What each program and each of its commands takes, in the words of its `--help`."""

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

MODULES = (
    ("ipam-in-cluster-manager", "manager.main"),
    ("ipam-in-cluster", "cli.main"),
    ("kubectl-ipam", "cli.kubectl.main"),
)
"""Each program, and the module whose `main` it runs; packages above this one are only named."""

_AS_IT_IS = re.compile(r"^\x08\n(.*?)(?:\n(?=\n)|\Z)", re.MULTILINE | re.DOTALL)
"""A paragraph after a backspace."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program, or one command of it: `usage` is the line to type, `flags` are name and help."""

    name: str
    usage: str
    description: str
    flags: tuple[tuple[str, str], ...]


def commands(modules: Iterable[tuple[str, str]] = MODULES) -> Iterator[Command]:
    """Yield each program, followed by its commands; one that two programs have comes once."""
    seen = set[int]()
    for program, module in modules:
        main: click.Command = importlib.import_module(module).main
        context = click.Context(main, info_name=program, **main.context_settings)
        yield _command(main, context)
        for name in main.list_commands(context) if isinstance(main, click.Group) else ():
            each = main.get_command(context, name) if isinstance(main, click.Group) else None
            if each is None:
                continue
            used = each.make_context(name, [], context, resilient_parsing=True)
            if id(used.command) not in seen:
                seen.add(id(used.command))
                yield _command(used.command, used)


def _command(command: click.Command, context: click.Context) -> Command:
    records = (parameter.get_help_record(context) for parameter in command.get_params(context))
    return Command(
        name=context.command_path,
        usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
        description=_description(command.help or ""),
        flags=tuple(record for record in records if record and record[0].startswith("-")),
    )


def _description(text: str) -> str:
    """Return a help text as Markdown: lines that click shows as they are become a block."""
    return _AS_IT_IS.sub(r"```console\n\1\n```\n", inspect.cleandoc(text)).replace("  ", " ")
