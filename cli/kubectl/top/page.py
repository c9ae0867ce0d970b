# SPDX-License-Identifier: Apache-2.0
"""One screen of `top`: the pools that need attention first, as far as they fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from ipam.texts import counted

from .. import pools, printing
from ..printing import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from ..pools import PoolReport
    from .changes import Changes

ORDERS: dict[str, Callable[[PoolReport], tuple[object, ...]]] = {
    "attention": lambda pool: (-pool.waiting, not pool.problem, -pool.share),
    "usage": lambda pool: (-pool.share,),
    "free": lambda pool: (pool.free,),
    "waiting": lambda pool: (-pool.waiting,),
    "name": lambda pool: (pool.namespace, pool.name),
}
"""The sort keys; pools with equal keys stay in the order of `kubectl ipam pools`."""

COLUMNS = (*pools.COLUMNS, Column("LAST CHANGE"))

_DROPPED = ("KIND", "OVERLAPS", "TOTAL", "LAST CHANGE")
"""The columns that a narrow terminal does not show; the first one is dropped first."""

_APART = 2
"""Spaces between columns."""

_HEAD = 3
"""Lines above the first pool: a summary, an empty line, and the names of the columns."""

_MOST_NOTES = 3
"""The most pools whose problem is shown below the table."""


@dataclass(frozen=True, slots=True)
class Page:
    """The content of a screen; `failure` says why it is not up to date."""

    cluster: str
    pools: Sequence[PoolReport]
    changes: Changes
    failure: str = ""

    def lines(self, width: int, height: int) -> Group:
        """Return the lines of a screen of this size."""
        parts: list[RenderableType] = [self._summary(), Text()]
        if self.failure:
            parts.insert(1, _line(f"Not up to date: {self.failure}", "red"))
        notes = pools.problems(self.pools)[:_MOST_NOTES]
        room = height - _HEAD - bool(self.failure) - len(notes)
        shown = self.pools if len(self.pools) <= room else self.pools[: max(room - 1, 0)]
        if shown:
            parts.append(printing.table(_fitted(self._answer(shown), width), one_line=True))
        if more := len(self.pools) - len(shown):
            text = f"Not shown: {counted(more, 'pool')}. Choose a namespace with --namespace."
            parts.append(_line(text))
        return Group(*parts, *map(printing.printable_line, notes))

    def _summary(self) -> Text:
        waiting = sum(pool.waiting for pool in self.pools)
        text = _line(counted(len(self.pools), "pool"), "bold")
        text.append(", ").append(counted(waiting, "waiting claim"), "yellow" if waiting else "")
        return text.append(f"   {self.cluster}   q: quit", "dim")

    def _answer(self, shown: Sequence[PoolReport]) -> printing.Answer:
        rows = [(*pools.row(each), self.changes.text(each.key)) for each in shown]
        return printing.Answer({}, COLUMNS, rows)


def _fitted(answer: printing.Answer, width: int) -> printing.Answer:
    """Return a table without the columns that do not fit into the terminal."""
    numbers = [at for at, column in enumerate(answer.columns) if not column.wide]
    lengths = {
        at: max(cell_len(str(each)) for each in (answer.columns[at].name, *_cells(answer, at)))
        for at in numbers
    }
    for name in _DROPPED:
        if sum(lengths[at] + _APART for at in numbers) - _APART <= width:
            break
        numbers = [at for at in numbers if answer.columns[at].name != name]
    return printing.Answer(
        {},
        [answer.columns[at] for at in numbers],
        [[row[at] for at in numbers] for row in answer.rows],
    )


def _cells(answer: printing.Answer, number: int) -> list[printing.Cell]:
    return [row[number] for row in answer.rows]


def _line(text: str, style: str = "") -> Text:
    """Return a text that is cut at the end of the line."""
    return Text(text, style, no_wrap=True, overflow="ellipsis", end="\n")
