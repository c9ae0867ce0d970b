# SPDX-License-Identifier: Apache-2.0
"""`pools`: all pools with their usage, the claims that wait, and overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from objects.pools import PoolKey
from webhook import overlaps

from . import options, printing, selection, session, snapshot, usage
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BAR_CELLS = 20
_FULL = "█"
_REST = "░"

_YELLOW, _RED = 0.7, 0.9
"""Shares of a pool in use from which its bar has these colours."""

COLUMNS = (
    Column("NAMESPACE"),
    Column("NAME"),
    Column("KIND"),
    Column("USAGE"),
    Column("USED", number=True),
    Column("FREE", number=True),
    Column("TOTAL", number=True),
    Column("WAITING", number=True),
    Column("OVERLAPS", number=True),
    Column("HELD", number=True, wide=True),
    Column("OUTSIDE", number=True, wide=True),
    Column("DUPLICATES", number=True, wide=True),
)


class PoolReport(msgspec.Struct, frozen=True, rename="camel"):
    """One pool in numbers; `problem` says why it cannot allocate."""

    kind: str
    namespace: str
    name: str
    total: int
    used: int
    held: int
    free: int
    outside: int
    duplicates: int
    waiting: int
    overlaps: tuple[str, ...] = ()
    """Warnings about the first pools that have the same addresses."""
    problem: str = ""
    overlapping: int = 0
    """The number of pools that have the same addresses."""

    @property
    def unnamed_overlapping(self) -> int:
        """How many of these pools `overlaps` leaves out."""
        return self.overlapping - len(self.overlaps)

    @property
    def key(self) -> PoolKey:
        """The pool."""
        return PoolKey(self.kind, self.namespace, self.name)

    @property
    def share(self) -> float:
        """The part of the pool that is not free."""
        return (self.total - self.free) / self.total if self.total else 0.0


@options.command(
    "pools",
    example="kubectl ipam pools --all-namespaces",
    text="""List the pools that serve a namespace, with their usage, the claims that wait for an
    address, and the number of other pools that offer the same addresses.

    HELD counts addresses that no live claim uses and that no other claim can get, such as during a
    grace period.  OUTSIDE counts IPAddresses that the pool does not hand out any more.
    """,
)
@options.output()
def command(target: options.Target, output: str) -> None:
    """List the pools."""

    async def work(opened: session.Session) -> printing.Answer:
        found = await snapshot.read(opened.api, opened.namespace)
        return answer(usage.of(found), opened.namespace)

    printing.show(session.run(target, work), output)


def answer(usages: Mapping[PoolKey, usage.Usage], namespace: str) -> printing.Answer:
    """Return the table of the pools that serve a namespace."""
    found = reports(usages, namespace)
    return printing.Answer(
        data={"pools": found},
        columns=COLUMNS,
        rows=[row(report) for report in found],
        names=[
            selection.name_of(key)
            for key in selection.visible(usages, namespace)
            if usages[key].pool
        ],
        notes=problems(found),
        empty=f"No pools found in namespace {namespace}." if namespace else "No pools found.",
    )


def reports(usages: Mapping[PoolKey, usage.Usage], namespace: str) -> list[PoolReport]:
    """Return the numbers of the pools that serve a namespace."""
    return reports_on(selection.visible(usages, namespace), usages)


def reports_on(keys: Iterable[PoolKey], usages: Mapping[PoolKey, usage.Usage]) -> list[PoolReport]:
    """Return the numbers of these pools; `usages` has all pools, with which they may overlap."""
    index = overlaps.Index({key: each.address_set for key, each in usages.items()})
    return [_report(usages[key], index.overlaps(key)) for key in keys]


def problems(found: Iterable[PoolReport]) -> list[Text]:
    """Return a line for each pool that cannot allocate."""
    return [
        Text(f"{report.kind} {report.name} {report.problem}", "red")
        for report in found
        if report.problem
    ]


def _report(found: usage.Usage, others: overlaps.Overlaps) -> PoolReport:
    return PoolReport(
        *found.key,
        total=found.address_set.total,
        used=found.used,
        held=found.held,
        free=found.free.size,
        outside=len(found.outside),
        duplicates=len(found.duplicates),
        waiting=len(found.waiting),
        overlapping=others.total,
        overlaps=others.first,
        problem=found.closed,
    )


def bar(share: float) -> Text:
    """Return a bar and a percentage; a pool that is not empty has at least one full cell."""
    full = round(share * _BAR_CELLS)
    full = min(max(full, share > 0), _BAR_CELLS - (share < 1))
    colour = "red" if share >= _RED else "yellow" if share >= _YELLOW else "green"
    text = Text(_FULL * full, colour)
    text.append(_REST * (_BAR_CELLS - full), "dim")
    return text.append(f" {_percent(share):>4}", "default")


def _percent(share: float) -> str:
    """Return a share such as 42%; never 0% for some, nor 100% for not all."""
    if 0 < share < 0.01:  # noqa: PLR2004 - one percent
        return "<1%"
    return f"{min(int(share * 100), 99) if share < 1 else 100}%"


def row(report: PoolReport) -> tuple[printing.Cell, ...]:
    """Return the row of a pool in a table with `COLUMNS`."""
    return (
        report.namespace,
        report.name,
        report.kind,
        bar(report.share),
        report.used,
        report.free,
        report.total,
        Text(str(report.waiting), "yellow" if report.waiting else ""),
        Text(str(report.overlapping), "yellow" if report.overlapping else ""),
        report.held,
        report.outside,
        report.duplicates,
    )
