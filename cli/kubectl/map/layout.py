# SPDX-License-Identifier: Apache-2.0
"""Where each address of a pool stands on its map, for a pool of any size.

A number is that of an allocation: an address, or a sub-prefix of a prefix pool.  A window of up to
4,096 numbers has a cell for each of them.  In a larger one a cell is a block of numbers, and a run
of blocks that are all free, or all excluded, is a single bar.  A cell of blocks can be the next
window.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipam.notation import BITS, V6, Address, Block
from ipam.ranges import RangeSet

from .states import GAINED, OF_HOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ipam.address_sets import AddressSet
    from ipam.ranges import Range

    from ..maps import Layers

MOST_CELLS = 4096
"""Cells of one page: what a browser draws at once."""

COLUMNS = 64
"""Cells of a row; a power of two, so that rows begin at round addresses."""

_BLOCK_COLUMNS = 32
"""Blocks of a row: they are wider, because a number stands in each."""

_BLOCK_BITS = 8
"""A block has so many bits of numbers, or a multiple: 10.0.1.0/24 for addresses of IPv4."""

_NETWORK_BITS = 64
"""The bits of an IPv6 network, which is the natural block of a larger pool of addresses."""


@dataclass(slots=True)
class Cell:
    """Consecutive numbers: one, a block, or a run of blocks; without counts it is a gap."""

    first: int
    last: int
    columns: int = 1
    counts: Counter[str] = field(default_factory=Counter[str])
    """How many numbers have which state."""

    @property
    def in_use(self) -> int:
        """How many numbers are used or held."""
        return self.counts["used"] + self.counts["held"]

    @property
    def offered(self) -> int:
        """How many numbers are used, held or free, also if a change adds them."""
        return self.in_use + self.counts["free"] + self.counts[GAINED]

    @property
    def state(self) -> str:
        """The only state of the numbers; `mixed` if there are several; empty for a gap."""
        states = [state for state, number in self.counts.items() if number]
        return states[0] if len(states) == 1 else "mixed" if states else ""


@dataclass(frozen=True, slots=True)
class Row:
    """Cells that stand side by side; a row of one bar can stand for many rows."""

    first: int
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Layout:
    """The map of a window; `size` is how many numbers a cell has."""

    family: int
    block_size: int
    window: Range
    size: int
    columns: int
    rows: list[Row]

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells that are no gaps, in order."""
        return (cell for row in self.rows for cell in row.cells if cell.counts)


def of(layers: Layers, window: Range | None = None) -> Layout:
    """Return the map of a window; without one, of the whole pool.

    Guarantees:
        Its cells are at most MOST_CELLS, whatever the size of the window.
    """
    everything = layers.everything
    if window is None:
        window = (everything.lowest, everything.ranges[-1][1]) if everything else (0, -1)
    pieces = sorted(
        (first, last, state)
        for state, numbers in layers.sets.items()
        for first, last in numbers.within(*window)
    )
    total = sum(last - first + 1 for first, last, _ in pieces)
    if total <= MOST_CELLS:
        cells = list(_cells(pieces))
        return Layout(layers.family, layers.block_size, window, 1, COLUMNS, list(_rows(cells, 1)))
    bits = _smallest_bits(layers, window)
    while len(cells := _blocks(pieces, 1 << bits)) > MOST_CELLS:
        bits += _BLOCK_BITS
    rows = list(_rows(cells, 1 << bits))
    return Layout(layers.family, layers.block_size, window, 1 << bits, _BLOCK_COLUMNS, rows)


def name(family: int, block_size: int, first: int, last: int) -> str:
    """Return the addresses of numbers as a pool's entries are written: address, CIDR or range."""
    block = Block.of_indexes(family, block_size, first, last)
    size = block.last - block.first + 1
    if size > 1 and size & (size - 1) == 0 and block.first % size == 0:
        return f"{Address(family, block.first)}/{BITS[family] - size.bit_length() + 1}"
    return str(block)


def _smallest_bits(layers: Layers, window: Range) -> int:
    """Return the bits of the smallest block that suits a window."""
    wide = window[1] - window[0] + 1 > 1 << _NETWORK_BITS
    return _NETWORK_BITS if wide and layers.family == V6 and layers.block_size == 1 else _BLOCK_BITS


def _cells(pieces: Iterable[tuple[int, int, str]]) -> Iterator[Cell]:
    for first, last, state in pieces:
        for number in range(first, last + 1):
            yield Cell(number, number, counts=Counter({state: 1}))


def _blocks(pieces: Iterable[tuple[int, int, str]], size: int) -> list[Cell]:
    """Return the blocks and bars of a window, in order.

    Flow:
        The blocks at both ends of a piece may be parts of it.  The blocks between are full of it.
    """
    parts, runs = defaultdict[int, Counter[str]](Counter[str]), list[Cell]()
    for first, last, state in pieces:
        low, high = -(-first // size), (last + 1) // size - 1  # the full blocks
        if low > high:
            for block in range(first // size, last // size + 1):
                begin, end = max(first, block * size), min(last, block * size + size - 1)
                parts[block][state] += end - begin + 1
            continue
        if first < low * size:
            parts[low - 1][state] += low * size - first
        if last >= (high + 1) * size:
            parts[high + 1][state] += last - (high + 1) * size + 1
        runs += _full(low, high, size, state)
    mixed = [
        Cell(block * size, block * size + size - 1, counts=counts)
        for block, counts in parts.items()
    ]
    return sorted([*mixed, *runs], key=lambda cell: cell.first)


def _full(low: int, high: int, size: int, state: str) -> Iterator[Cell]:
    """Yield one bar for full blocks, or each of them if holders have them."""
    number = high - low + 1
    if state in OF_HOLDERS and number <= MOST_CELLS:
        for block in range(low, high + 1):
            yield _run(block, block, size, state)
    else:
        yield _run(low, high, size, state)


def _run(low: int, high: int, size: int, state: str) -> Cell:
    number = high - low + 1
    counts = Counter({state: number * size})
    return Cell(low * size, high * size + size - 1, number, counts)


def _rows(cells: Iterable[Cell], size: int) -> Iterator[Row]:
    """Yield rows that begin at multiples of their length; rows without any number are left out."""
    columns = COLUMNS if size == 1 else _BLOCK_COLUMNS
    span, row = size * columns, Row(0, [])
    for cell in (part for whole in cells for part in _split(whole, size, columns)):
        first = cell.first // span * span
        if row.cells and first != row.first:
            yield _padded(row, size, columns)
            row = Row(first, [])
        if not row.cells:
            row = Row(first, [])
        at = row.cells[-1].last + 1 if row.cells else first
        if cell.first > at:
            row.cells.append(_gap(at, cell.first - 1, size))
        row.cells.append(cell)
    if row.cells:
        yield _padded(row, size, columns)


def _split(cell: Cell, size: int, columns: int) -> Iterator[Cell]:
    """Yield a bar in up to three parts: the end of a row, all full rows as one, the next row."""
    span = size * columns
    low, high = -(-cell.first // span) * span, (cell.last + 1) // span * span
    if cell.columns == 1 or cell.first // span == cell.last // span:
        yield cell
        return
    for first, last in ((cell.first, low - 1), (low, high - 1), (high, cell.last)):
        if first <= last:
            width = min((last - first + 1) // size, columns)
            yield Cell(first, last, width, Counter({cell.state: last - first + 1}))


def _gap(first: int, last: int, size: int) -> Cell:
    return Cell(first, last, (last - first + 1) // size)


def _padded(row: Row, size: int, columns: int) -> Row:
    """Return a row with a gap at its end, so that all rows are equally long."""
    used = sum(cell.columns for cell in row.cells)
    if used < columns:
        first = row.cells[-1].last + 1
        row.cells.append(_gap(first, first + (columns - used) * size - 1, size))
    return row


def shared(mine: AddressSet, overlap: RangeSet) -> RangeSet:
    """Return the numbers of a pool whose addresses other pools have, too.

    Args:
        mine: The addresses of the pool.
        overlap: The addresses of its IP family that several pools have.
    """
    size = mine.block_size
    return RangeSet.of(
        (first // size, last // size)
        for low, high in mine.indexes.ranges
        for first, last in overlap.within(low * size, high * size + size - 1)
    )
