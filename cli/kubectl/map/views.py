# SPDX-License-Identifier: Apache-2.0
"""What a page shows, without HTML: all pools, or a window of one pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ipam.errors import NotationError
from ipam.notation import parse_entry

from .. import lookup, specs
from . import layout, model
from .cells import Cells, CellView
from .states import OF_HOLDERS, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipam.ranges import Range
    from objects.pools import PoolKey

    from ..maps import Layers
    from ..pools import PoolReport
    from .cells import RowView
    from .model import Held, Model, Waiting
    from .query import Query

MOST_ROWS = 500
"""Rows of a table on one page."""

_SHOWN_RANGES = 200
"""Ranges of one state that the table of ranges lists."""

OVERLAP = "overlap"


class Match(NamedTuple):
    """An answer of the search: a holder or what an address is, and where."""

    key: PoolKey
    address: str
    state: str
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All pools, and the matches of a search."""

    pools: Sequence[PoolReport]
    matches: Sequence[Match]
    more: int
    """How many matches are left out."""
    waiting: Sequence[tuple[PoolKey, Waiting]]


class RangesView(NamedTuple):
    """The addresses of one state, as entries of a pool are written."""

    state: str
    entries: Sequence[str]
    more: int


@dataclass(frozen=True, slots=True)
class PoolView:
    """A window of a pool."""

    key: PoolKey
    report: PoolReport
    spec: Sequence[tuple[str, str]]
    window: str
    """What the page shows; empty: the whole pool."""
    cell: str
    """What one cell is."""
    is_blocks: bool
    """Whether a cell is a block, so that it has room for a number."""
    columns: int
    rows: Sequence[RowView]
    states: Sequence[str]
    """The states that the map has, for its legend."""
    holders: Sequence[Held]
    page: int
    pages: int
    waiting: Sequence[Waiting]
    ranges: Sequence[RangesView]


def overview(found: Model, query: Query) -> Overview:
    """Return the page of all pools."""
    matches = list(_matches(found, query)) if query else []
    waits = [
        (key, claim)
        for key in found.keys
        for claim in found.waiting(key)
        if query and query.matches_waiting(claim)
    ]
    more = max(len(matches) - MOST_ROWS, 0)
    return Overview(found.pools, matches[:MOST_ROWS], more, waits[:MOST_ROWS])


def clusters(found: Model) -> list[str]:
    """Return the names of all Clusters that hold or wait, for the filter."""
    of_claims = {claim.cluster_name for claim in found.snapshot.claims.values()}
    return sorted({*of_claims, *(chain.cluster for chain in found.chains.values())} - {""})


def namespaces(found: Model) -> list[str]:
    """Return the namespaces of all claims and IPAddresses, for the filter."""
    return sorted({key.namespace for key in (*found.snapshot.claims, *found.snapshot.addresses)})


def _matches(found: Model, query: Query) -> Iterator[Match]:
    some = False
    for key in found.keys:
        for held in found.held(key):
            if query.matches(held, found.usages[key].address_set):
                some = True
                yield Match(key, held.report.address, held.report.state, held)
    if not some and query.address:
        for key, state in lookup.in_pools(query.address, model.visible(found)):
            yield Match(key, str(query.address), state)


def window_of(found: Model, key: PoolKey, text: str) -> Range | None:
    """Return the numbers of a pool that a URL names; None if it names none of them."""
    try:
        block = parse_entry(text)
    except NotationError:
        return None
    address_set = found.usages[key].address_set
    if block.family != address_set.family:
        return None
    return block.first // address_set.block_size, block.last // address_set.block_size


def pool(
    found: Model, key: PoolKey, query: Query, window: Range | None = None, page: int = 1
) -> PoolView:
    """Return the page of a pool; `page` 0 has all rows of the table."""
    used = found.usages[key]
    layers = found.layers(key)
    drawn = layout.of(layers, window)
    seen = [
        held
        for held in found.held(key)
        if query.matches(held, used.address_set) and (window is None or _meets(held, window))
    ]
    pages = max(-(-len(seen) // MOST_ROWS), 1)
    page = min(page, pages)
    rows = seen[(page - 1) * MOST_ROWS : page * MOST_ROWS] if page else seen
    cells = Cells(found, key, query, drawn)
    shown = [cells.row(row) for row in drawn.rows]
    return PoolView(
        key=key,
        report=found.report(key),
        spec=list(specs.fields(used.pool)),
        window=layout.name(layers.family, layers.block_size, *window) if window else "",
        cell=_amount(drawn),
        is_blocks=drawn.size > 1,
        columns=drawn.columns,
        rows=shown,
        states=[*_states(shown)],
        holders=rows,
        page=page,
        pages=pages,
        waiting=[claim for claim in found.waiting(key) if query.matches_waiting(claim)],
        ranges=list(_ranges(layers, drawn.window)),
    )


def _meets(held: Held, window: Range) -> bool:
    return held.numbers is not None and (
        held.numbers[0] <= window[1] and window[0] <= held.numbers[1]
    )


def _amount(drawn: layout.Layout) -> str:
    """Return what a cell of the map is."""
    end = layout.name(drawn.family, drawn.block_size, 0, drawn.size - 1).rpartition("/")[2]
    if drawn.size > 1:
        return f"a block of /{end}"
    return "one address" if drawn.block_size == 1 else f"a prefix of /{end}"


def _states(rows: Sequence[RowView]) -> Iterator[str]:
    views = [cell for row in rows for cell in row.cells if isinstance(cell, CellView)]
    seen = {state for view in views for state, number in view.cell.counts.items() if number}
    yield from (state for state in SYMBOLS if state in seen)
    if any(view.overlaps for view in views):
        yield OVERLAP


def _ranges(layers: Layers, window: Range) -> Iterator[RangesView]:
    """Yield the addresses of each state that no holder has."""
    for state, numbers in layers.sets.items():
        parts = list(numbers.within(*window)) if state not in OF_HOLDERS else []
        if parts:
            entries = [
                layout.name(layers.family, layers.block_size, *part)
                for part in parts[:_SHOWN_RANGES]
            ]
            yield RangesView(state, entries, len(parts) - len(entries))
