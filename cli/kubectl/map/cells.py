# SPDX-License-Identifier: Apache-2.0
"""The cells of a map as they are drawn, each with a description in words."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from .. import spaces
from . import layout
from .states import CHANGES, GAINED, LOST, STRANDED, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from objects.pools import PoolKey

    from .model import Held, Model
    from .query import Query

_NAMED = 3
"""Holders that the description of a block names."""

_ROOMY = 6
"""Columns of a bar that has room for a text."""

_POWERS = 1 << 40
"""From here on, a power of two is shown: it is shorter than the number."""


class CellView(NamedTuple):
    """A cell as it is drawn: `classes` give it colour and pattern, `label` says all in words."""

    cell: layout.Cell
    classes: str
    text: str
    label: str
    window: str
    """The addresses that the cell leads to; empty if it has no map of its own."""
    overlaps: bool
    first: str
    """The address of the first holder; empty if the cell has no holder."""


class RowView(NamedTuple):
    """A row of the map, and its first address."""

    label: str
    cells: Sequence[CellView | layout.Cell]


class Cells:
    """Makes the cells of one page."""

    def __init__(self, found: Model, key: PoolKey, query: Query, drawn: layout.Layout) -> None:
        self._query, self._drawn = query, drawn
        self._addresses = found.usages[key].address_set
        self._shared = found.shared(key)
        self._held = defaultdict[int, list["Held"]](list)
        cells = list(drawn.cells)
        ends = [cell.last for cell in cells]
        for held in found.held(key):
            if held.numbers:
                first, last = held.numbers
                for at in range(bisect_left(ends, first), len(cells)):
                    if cells[at].first > last:
                        break
                    self._held[cells[at].first].append(held)

    def row(self, row: layout.Row) -> RowView:
        """Return a row of the map as it is drawn."""
        label = layout.name(self._drawn.family, self._drawn.block_size, row.first, row.first)
        return RowView(
            label.partition("/")[0],
            [self._cell(cell) if cell.counts else cell for cell in row.cells],
        )

    def _cell(self, cell: layout.Cell) -> CellView:
        holders = self._held.get(cell.first, [])
        matching = [each for each in holders if self._query.matches(each, self._addresses)]
        overlaps = self._shared.meets(cell.first, cell.last)
        addresses = layout.name(self._drawn.family, self._drawn.block_size, cell.first, cell.last)
        return CellView(
            cell=cell,
            classes=" ".join(
                _classes(cell, overlaps=overlaps, dim=bool(self._query) and not matching)
            ),
            text=_text(cell),
            label=", ".join(_words(addresses, cell, matching or holders, overlaps=overlaps)),
            window="" if self._drawn.size == 1 or not holders else addresses,
            overlaps=overlaps,
            first=(matching or holders)[0].report.address if holders else "",
        )


def _classes(cell: layout.Cell, *, overlaps: bool, dim: bool) -> Iterator[str]:
    """Yield the state; of a mixed block, also the share in use, in eighths."""
    state = cell.state
    yield state
    if state == "mixed":
        yield f"u{-(-cell.in_use * 8 // cell.offered) if cell.offered else 0}"
        yield from (f"some-{each}" for each in CHANGES if cell.counts[each])
    if overlaps:
        yield "overlap"
    if dim:
        yield "dim"


_LETTERS = frozenset({spaces.GATEWAY, spaces.RESERVED, spaces.EXCLUDED})
"""States whose cells have a letter, beside colour and pattern."""

_ALARMS = (STRANDED, "outside")
"""States that a block shows although it has others, too; the first one counts."""


def _text(cell: layout.Cell) -> str:
    """Return what stands in a cell."""
    for state in _ALARMS:
        if cell.counts[state]:
            return SYMBOLS[state][0]
    if cell.columns >= _ROOMY:
        return f"{_count(cell.last - cell.first + 1)} {cell.state}"
    if signs := "".join(SYMBOLS[state][0] for state in (LOST, GAINED) if cell.counts[state]):
        return signs
    if cell.first < cell.last and cell.in_use:
        return str(cell.in_use)
    return SYMBOLS[cell.state][0] if cell.state in _LETTERS else ""


def _count(number: int) -> str:
    return f"{number:,}" if number < _POWERS else f"2^{number.bit_length() - 1}"


def _words(addresses: str, cell: layout.Cell, held: list[Held], *, overlaps: bool) -> Iterator[str]:
    yield addresses
    if cell.first == cell.last:
        yield cell.state
    else:
        for state, number in cell.counts.items():
            yield f"{_count(number)} {state}"
    for each in islice(held, _NAMED):
        if words := whose(each):
            yield words
    if len(held) > _NAMED:
        yield f"and {len(held) - _NAMED} more"
    if overlaps:
        yield "also in another pool"


def whose(held: Held) -> str:
    """Return claim, Machine and Cluster of a holder in words."""
    report = held.report
    claim = f"claim {report.namespace}/{report.claim}" if report.claim else ""
    claim = claim or f"IPAddress {report.namespace}/{report.ip_address} without a claim"
    machine = report.machine if " " in report.machine else f"Machine {report.machine}"
    parts = (claim, report.machine and machine, report.cluster and f"Cluster {report.cluster}")
    return " → ".join(part for part in parts if part)
