# SPDX-License-Identifier: Apache-2.0
"""A pool as a map of blocks for a terminal: a cell is an address, or as many as are needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from ipam.notation import Address, Block
from ipam.ranges import RangeSet

from . import spaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .usage import Usage

_CELLS = 64
"""Cells of a row; a power of two, so that rows begin at round addresses."""

_ROWS = 16
"""Most rows of a map: with what is around them, they fit on a screen."""

_LEVELS = "▁▂▃▄▅▆▇█"
"""Cells of more than one address, by the share of them that is in use."""

_NOTHING = " "

SYMBOLS = {
    "free": ("·", "green"),
    "used": ("█", "blue"),
    "held": ("▒", "magenta"),
    "outside": ("!", "bold red"),
    spaces.GATEWAY: ("G", "cyan"),
    spaces.RESERVED: ("r", "dim"),
    spaces.EXCLUDED: ("x", "dim"),
}
"""A letter or pattern for each state, so that the map needs no colours."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The numbers of a pool's allocations by their state; no number is in two of them."""

    family: int
    block_size: int
    sets: dict[str, RangeSet]

    @property
    def everything(self) -> RangeSet:
        """All numbers that have a state."""
        return RangeSet.of(part for slots in self.sets.values() for part in slots.ranges)


def layers(usage: Usage, parts: spaces.Spaces) -> Layers:
    """Return what each address of a pool is, for its map; nothing if the spec has errors."""
    address_set = usage.address_set
    if address_set.errors:
        return Layers(address_set.family, address_set.block_size, {})
    taken = dict[str, list[range]](used=[], held=[], outside=[])
    for holding in usage.holdings:
        found = address_set.overlapping(holding.network) if holding.network else None
        if found:
            state = "held" if holding.is_held else "used"
            state = "outside" if holding.key in usage.outside else state
            taken[state].append(range(found[0], found[1] + 1))
    sets = {state: RangeSet.of((each[0], each[-1]) for each in taken[state]) for state in taken}
    sets["held"] -= sets["used"]
    sets["outside"] -= RangeSet.of((*sets["used"].ranges, *sets["held"].ranges))
    sets["free"] = usage.free
    known = RangeSet.of(part for slots in sets.values() for part in slots.ranges)
    for reason, slots in parts.withheld.items():
        sets[reason] = slots - known
        known = RangeSet.of((*known.ranges, *slots.ranges))
    return Layers(address_set.family, address_set.block_size, sets)


def lines(found: Layers) -> Iterator[Text]:
    """Yield the rows of the map, and what its cells mean."""
    everything = found.everything
    if not everything:
        return
    bits = _bits(everything)
    size = 1 << bits
    rows = [
        number
        for first, last in _scaled(everything, size * _CELLS).ranges
        for number in range(first, last + 1)
    ]
    labels = [
        str(Address(found.family, number * size * _CELLS * found.block_size)) for number in rows
    ]
    width = max(map(len, labels))
    for number, label in zip(rows, labels, strict=True):
        row = Text(f"{label:<{width}}  ")
        for cell in range(number * _CELLS, (number + 1) * _CELLS):
            row.append_text(_cell(found, cell * size, (cell + 1) * size - 1))
        row.rstrip()
        yield row
    yield Text("")
    yield from _legend(found, size)


def _bits(everything: RangeSet) -> int:
    """Return how many bits of numbers one cell stands for, so that the map is not too long."""
    bits = 0
    while _scaled(everything, _CELLS << bits).size > _ROWS:
        bits += 1
    return bits


def _scaled(slots: RangeSet, size: int) -> RangeSet:
    return RangeSet.of((first // size, last // size) for first, last in slots.ranges)


def _cell(found: Layers, first: int, last: int) -> Text:
    counts = Counter[str]()
    for state, slots in found.sets.items():
        counts[state] = sum(high - low + 1 for low, high in slots.within(first, last))
    total = counts.total()
    if not total:
        return Text(_NOTHING)
    if counts["outside"]:
        return Text(*SYMBOLS["outside"])
    if first == last or counts.most_common(1)[0][1] == total:
        return Text(*SYMBOLS[counts.most_common(1)[0][0]])
    in_use, in_pool = (
        counts["used"] + counts["held"],
        counts["used"] + counts["held"] + counts["free"],
    )
    if not in_use:
        return Text(*SYMBOLS["free"])
    level = max(in_use * len(_LEVELS) - 1, 0) // in_pool
    return Text(_LEVELS[level], SYMBOLS["used"][1])


def _legend(found: Layers, size: int) -> Iterator[Text]:
    """Yield one line with the states that the map has."""
    text = Text()
    for state, (symbol, style) in SYMBOLS.items():
        if found.sets.get(state):
            text.append("   " if text else "").append(symbol, style).append(f" {state}")
    if size > 1:
        text.append(f"   ▁▃▅▇ share in use   each cell: {_amount(size, found.block_size)}")
    yield text


def _amount(size: int, block_size: int) -> str:
    number = f"{size}" if size < 1 << 20 else f"2^{size.bit_length() - 1}"
    return f"{number} {'addresses' if block_size == 1 else 'prefixes'}"


def ranges(found: Layers) -> dict[str, list[str]]:
    """Return the addresses of each state, as entries of a pool are written."""
    return {
        state: [
            str(Block.of_indexes(found.family, found.block_size, first, last))
            for first, last in slots.ranges
        ]
        for state, slots in found.sets.items()
        if slots
    }
