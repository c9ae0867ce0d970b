# SPDX-License-Identifier: Apache-2.0
"""Write an answer as a table, as JSON or YAML, or as names.

On a terminal, a table is as wide as the terminal and has colours.  Elsewhere it is as wide as its
cells, without colours and without spaces at the ends of its lines, so that programs can read it.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import yaml_output
from .printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DRAWN = 1_000
"""Rows of a table that is fitted to the terminal; more would take seconds."""

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
    notes: Sequence[Text] = field(default=())
    above: Sequence[Text] = field(default=())
    empty: str = ""


def show(answer: Answer, output: str) -> None:
    """Write an answer to standard output."""
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(answer.data), indent=2, ensure_ascii=False))
    elif output == "yaml":
        click.echo(yaml_output.dump(msgspec.to_builtins(answer.data)), nl=False)
    elif output == "name":
        for name in answer.names:
            click.echo(name)
    else:
        _show_table(answer, wide=output == "wide")


def count(number: int) -> str:
    """Return a count as people read it: an IPv6 pool can have 2^64 addresses."""
    if number < _POWERS:
        return str(number)
    power = power_near(number)
    return f"2^{power}" if number == 1 << power else f"~2^{power}"


def power_near(number: int) -> int:
    """Return the exponent of the power of two that is nearest to a large count."""
    return round(math.log2(number))


def printable_line(text: Text) -> Text:
    """Return a line without characters that control a terminal; it keeps its colours."""
    line = text.copy()
    line.plain = printable(text.plain)
    return line


def _show_table(answer: Answer, *, wide: bool) -> None:
    console = Console(file=sys.stdout, highlight=False)
    drawn = console.is_terminal and len(answer.rows) <= _DRAWN
    for part in answer.above:
        console.print(printable_line(part), soft_wrap=True)
    if answer.rows and drawn:
        console.print(table(answer, wide=wide))
    elif answer.rows:
        click.echo("\n".join(_lines(answer, wide=wide)))
    elif answer.empty:
        click.echo(answer.empty)
    for note in answer.notes:
        console.print(printable_line(note), soft_wrap=True)


def table(answer: Answer, *, wide: bool = False, one_line: bool = False) -> Table:
    """Return a table that fits the terminal; if a row is to have one line, its cells are cut."""
    shown = _shown(answer, wide=wide)
    made = Table(box=None, pad_edge=False, padding=_COLUMNS_APART, header_style="")
    for number in shown:
        column = answer.columns[number]
        made.add_column(
            column.name,
            justify="right" if column.number else "left",
            overflow="ellipsis" if one_line else "fold",
            no_wrap=one_line,
        )
    for row in answer.rows:
        made.add_row(*(_cell(row[number]) for number in shown))
    return made


def _lines(answer: Answer, *, wide: bool) -> Iterator[str]:
    """Yield the lines of a table without colours."""
    shown = _shown(answer, wide=wide)
    columns = [answer.columns[number] for number in shown]
    rows = [[column.name for column in columns]]
    rows += [[_text(row[number]) for number in shown] for row in answer.rows]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _shown(answer: Answer, *, wide: bool) -> list[int]:
    """Return the numbers of the columns that are shown."""
    return [number for number, column in enumerate(answer.columns) if wide or not column.wide]


def _cell(cell: Cell) -> Text:
    return printable_line(cell) if isinstance(cell, Text) else Text(_text(cell))


def _text(cell: Cell) -> str:
    """Return what a cell has to say, without its colours."""
    if isinstance(cell, Text):
        return printable(cell.plain)
    return count(cell) if isinstance(cell, int) else printable(cell)
