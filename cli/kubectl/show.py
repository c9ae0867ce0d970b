# SPDX-License-Identifier: Apache-2.0
"""`show`: one pool as a map, with its holders."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from api.resources import GROUP
from ipam.texts import counted, first_of

from . import (
    holders,
    maps,
    options,
    owners,
    pools,
    printing,
    selection,
    session,
    snapshot,
    spaces,
    specs,
    waiting,
)
from . import usage as usages
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kube.meta import Key
    from objects.pools import Pool, PoolKey

_SHOWN_RANGES = 8
"""Entries of a list that the head of the page shows; the map shows the rest."""

_SHOWN_CLAIMS = 5
"""Claims that wait for the same reason and are named; -o json has all of them."""


class _Waiting(msgspec.Struct, frozen=True):
    namespace: str
    claim: str
    since: str
    message: str


class ShowReport(msgspec.Struct, frozen=True, rename="camel"):
    """A pool, its holders and the claims that wait; `ranges` are addresses by their state."""

    pool: pools.PoolReport
    holders: list[holders.HolderReport]
    waiting: list[_Waiting]
    ranges: dict[str, list[str]]


@options.command(
    "show",
    example="kubectl ipam show blue --namespace default",
    text="""Show one pool: its fields, a map of its addresses, the holder of each address, and the
    claims that wait.  POOL is a name or KIND/NAME.

    In the map, a cell is one address.  If the pool is too large for that, a cell is a block, and
    its height is the share of the block in use.
    """,
)
@options.pool_argument
@options.output()
def command(target: options.Target, pool: str, output: str) -> None:
    """Show one pool."""

    async def work(opened: session.Session) -> printing.Answer:
        found = await snapshot.read(opened.api, opened.namespace)
        every = usages.of(found)
        key = selection.pool(every, pool, opened.namespace)
        claims = [holding.claim for holding in every[key].holdings if holding.claim]
        chains = await owners.Owners(opened.api).chains(claims)
        return answer(every, key, chains, found)

    printing.show(session.run(target, work), output)


def answer(
    every: Mapping[PoolKey, usages.Usage],
    key: PoolKey,
    chains: Mapping[Key, owners.Chain],
    found: snapshot.Snapshot,
) -> printing.Answer:
    """Return the page of a pool."""
    usage = every[key]
    (report,) = pools.reports_on([key], every)
    layers = maps.layers(usage, spaces.of(usage.pool)) if usage.pool else None
    listed = [
        holders.report(usage, holding, chains.get(holding.key, holders.NOBODY))
        for holding in usage.holdings
    ]
    waits = [
        _Waiting(*claim.metadata.key, claim.metadata.creation_timestamp, waiting.why(found, claim))
        for claim in usage.waiting
    ]
    ranges = maps.ranges(layers) if layers else {}
    return printing.Answer(
        data=ShowReport(report, listed, waits, ranges),
        above=[*_head(key, usage.pool, report), *(maps.lines(layers) if layers else ()), Text()],
        columns=(
            Column("ADDRESS"),
            Column("STATE"),
            *holders.COLUMNS,
            Column("SINCE", wide=True),
            holders.OWNERS,
        ),
        rows=[(each.address, each.state, *holders.cells(each)) for each in listed],
        empty="No address is in use.",
        names=[f"ipaddress.{GROUP}/{each.ip_address}" for each in listed if each.ip_address],
        notes=list(_notes(report, waits)),
    )


def _head(key: PoolKey, pool: Pool | None, report: pools.PoolReport) -> Iterator[Text]:
    yield Text(str(key), "bold")
    yield Text()
    for name, value in specs.fields(pool, _SHOWN_RANGES):
        yield Text(f"  {name:<10} ").append(value)
    held = f", {report.held} held" if report.held else ""
    numbers = f"{report.used} used{held}, {printing.count(report.free)} free"
    text = Text(f"  {'Usage':<10} ").append_text(pools.bar(report.share))
    yield text.append(f"   {numbers} of {printing.count(report.total)}")
    if report.problem:
        yield Text(f"  {'Problem':<10} ").append(f"The pool {report.problem}.", "red")
    yield Text()


def _notes(report: pools.PoolReport, waits: list[_Waiting]) -> Iterator[Text]:
    by_message = defaultdict[str, list[str]](list)
    for claim in waits:
        by_message[claim.message].append(f"{claim.namespace}/{claim.claim}")
    for message, names in by_message.items():
        verb = "waits" if len(names) == 1 else "wait"
        yield Text()
        yield Text(f"{first_of(names, _SHOWN_CLAIMS)} {verb}: {message}", "yellow")
    if report.overlaps:
        yield Text()
    for overlap in report.overlaps:
        yield Text(f"overlap: {overlap}", "yellow")
    if more := report.unnamed_overlapping:
        yield Text(f"overlap: with {counted(more, 'more pool')}", "yellow")
