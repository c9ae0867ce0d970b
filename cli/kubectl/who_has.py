# SPDX-License-Identifier: Apache-2.0
"""`who-has`: show the holder of an address, or why it has none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from rich.text import Text

from . import holders, lookup, options, printing, selection, session, snapshot, usage
from .errors import NO
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

_STDIN = "-"


@options.command(
    "who-has",
    example="kubectl ipam who-has 10.0.0.7",
    text="""Show the holder of an address: its pool, IPAddress, claim, Machine and Cluster.  For an
    address without a holder, show which pools offer it, or why none does.

    A name is that of a claim, an IPAddress, a Machine or a Cluster.  With -, read addresses and
    names from standard input, separated by spaces or lines.  Without --namespace, all
    namespaces that you may read are searched.  A claim without an address has the state
    waiting: `kubectl ipam check` shows why.

    The exit code is 1 if an address has no holder, or a name is not found.
    """,
)
@click.argument("queries", nargs=-1, required=True, metavar="ADDRESS|NAME...")
@options.output("table", "wide", "json", "yaml", "name")
def command(target: options.Target, queries: Sequence[str], output: str) -> None:
    """Show holders."""
    asked = sys.stdin.read().split() if list(queries) == [_STDIN] else list(queries)

    async def work(opened: session.Session) -> list[lookup.Found]:
        found = await snapshot.read(opened.api, opened.namespace)
        every = usage.of(found)
        seen = selection.visible(every, target.chosen)
        return await lookup.everything(asked, {key: every[key] for key in seen}, opened.api)

    results = session.run(target, work)
    printing.show(answer(results), output)
    if any(each.holder is None for each in results):
        sys.exit(NO)


def answer(results: Sequence[lookup.Found]) -> printing.Answer:
    """Return the table of what was found."""
    return printing.Answer(
        data={"results": results},
        columns=(
            Column("QUERY"),
            Column("ADDRESS"),
            Column("STATE"),
            Column("POOL"),
            *holders.COLUMNS,
            Column("SINCE"),
            holders.OWNERS,
        ),
        rows=[_row(each) for each in results],
        names=[each.name for each in results if each.name],
    )


def _row(found: lookup.Found) -> tuple[printing.Cell, ...]:
    state = Text(found.state, "" if found.holder else "yellow")
    if (holder := found.holder) is None:
        return (found.query, "", state, found.shown_pool, *[""] * 6)
    return found.query, holder.address, state, found.shown_pool, *holders.cells(holder)
