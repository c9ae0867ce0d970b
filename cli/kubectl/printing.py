# SPDX-License-Identifier: Apache-2.0
"""Write an answer as a table, as JSON or YAML, or as names.

On a terminal, a table is as wide as the terminal and has colours.  Elsewhere it is as wide as its
cells, without colours and without spaces at the ends of its lines, so that programs can read it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import yamltext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

_WIDE = 10_000
"""Columns of a table that no terminal limits."""

_POWERS = 1 << 40  # more than a trillion: nobody reads such a number, and a power of two is short

_COLUMNS_APART = (0, 2, 0, 0)
"""Spaces around cells, as kubectl has them."""


class Column(NamedTuple):
    """A column; a `wide` one is for `-o wide`, a `number` stands at the right."""

    name: str
    wide: bool = False
    number: bool = False


Cell = str | int | Text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: `data` for programs, a table for people, `names` for scripts.

    `notes` follow the table; `empty` stands for a table without rows.
    """

    data: object
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[Cell]] = ()
    names: Sequence[str] = ()
    notes: Sequence[RenderableType] = field(default=())
    above: Sequence[RenderableType] = field(default=())
    empty: str = ""


def show(answer: Answer, output: str) -> None:
    """Write an answer to standard output."""
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(answer.data), indent=2, ensure_ascii=False))
    elif output == "yaml":
        click.echo(yamltext.dump(msgspec.to_builtins(answer.data)), nl=False)
    elif output == "name":
        for name in answer.names:
            click.echo(name)
    else:
        _show_table(answer, wide=output == "wide")


def count(number: int) -> str:
    """Return a count as people read it: an IPv6 pool can have 2^64 addresses."""
    if number < _POWERS:
        return str(number)
    power = number.bit_length() - 1
    return f"2^{power}" if number == 1 << power else f"~2^{(number - 1).bit_length()}"


def render(*parts: RenderableType, width: int | None = None) -> str:
    """Return parts as text, with colours on a terminal."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    if width or not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=width or _WIDE)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _show_table(answer: Answer, *, wide: bool) -> None:
    parts = [*answer.above]
    if answer.rows:
        parts.append(_table(answer, wide=wide))
    elif answer.empty:
        parts.append(Text(answer.empty))
    if text := render(*parts, *answer.notes):
        click.echo(text)


def _table(answer: Answer, *, wide: bool) -> Table:
    shown = [number for number, column in enumerate(answer.columns) if wide or not column.wide]
    table = Table(box=None, pad_edge=False, padding=_COLUMNS_APART, header_style="")
    for number in shown:
        column = answer.columns[number]
        table.add_column(column.name, justify="right" if column.number else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*(_cell(row[number]) for number in shown))
    return table


def _cell(cell: Cell) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text(count(cell) if isinstance(cell, int) else cell)
