# SPDX-License-Identifier: Apache-2.0
"""`free`: the next free addresses of a pool, and its longest free runs."""

from __future__ import annotations

import sys
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from ipam.notation import BITS
from ipam.texts import counted

from . import options, printing, selection, session, snapshot, usage
from .errors import NO, CliError
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipam.ranges import Range

_RUNS = 3
"""The longest free runs that are shown below the addresses."""


class Run(msgspec.Struct, frozen=True):
    """Free addresses without a gap."""

    first: str
    last: str
    count: int


class FreeReport(msgspec.Struct, frozen=True, rename="camel"):
    """The free addresses that were asked for, in order, and the longest runs of the pool."""

    pool_kind: str
    pool_namespace: str
    pool: str
    free: int
    addresses: list[str]
    longest: list[Run]


@options.command(
    "free",
    example="kubectl ipam free blue -c 5",
    text="""List the addresses that a pool gives to its next claims, lowest first, and its
    longest runs of free addresses.  POOL is a name or KIND/NAME.

    With --contiguous K, list the first K free addresses that have no gap between them.

    The exit code is 1 if the pool has fewer free addresses, or not K of them without a gap.
    """,
)
@options.pool_argument
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="Number of addresses.",
)
@click.option(
    "--contiguous",
    metavar="K",
    type=click.IntRange(1, 10_000),
    help="Number of addresses without a gap.",
)
@options.output("table", "json", "yaml")
def command(
    target: options.Target, pool: str, count: int, contiguous: int | None, output: str
) -> None:
    """List free addresses."""

    async def work(opened: session.Session) -> usage.Usage:
        every = usage.of(await snapshot.read(opened.api, opened.namespace))
        found = every[selection.pool(every, pool, opened.namespace)]
        if found.closed == usage.NOT_READ:
            raise CliError(f"{found.key} {found.closed}: {session.READING}")
        return found

    found = session.run(target, work)
    report = report_of(found, count, contiguous)
    printing.show(answer(found, report), output)
    if len(report.addresses) < (contiguous or count):
        sys.exit(NO)


def report_of(found: usage.Usage, count: int, contiguous: int | None) -> FreeReport:
    """Return the next free addresses of a pool; those of a paused or broken pool, too."""
    indexes = _run(found, contiguous) if contiguous else islice(_indexes(found), count)
    longest = nlargest(_RUNS, found.free.ranges, key=lambda each: each[1] - each[0])
    return FreeReport(
        *found.key,
        free=found.free.size,
        addresses=[_text(found, index) for index in indexes],
        longest=[_run_report(found, each) for each in longest],
    )


def answer(found: usage.Usage, report: FreeReport) -> printing.Answer:
    """Return the table of free addresses."""
    return printing.Answer(
        data=report,
        columns=(Column("ADDRESS"),),
        rows=[(address,) for address in report.addresses],
        empty=_nothing(found, report),
        notes=list(_notes(found, report)),
    )


def _nothing(found: usage.Usage, report: FreeReport) -> str:
    if report.free:
        amount = counted(report.free, "free address")
        return f"{found.key} has {amount}, but not as many without a gap."
    return f"{found.key} has no free address."


def _notes(found: usage.Usage, report: FreeReport) -> Iterator[Text]:
    if report.longest:
        yield Text()
        yield Text("Longest free runs:")
    for run in report.longest:
        yield Text(f"  {run.first} to {run.last} ({printing.count(run.count)})")
    if found.closed:
        yield Text(f"{found.key} {found.closed}. It allocates nothing now.", "red")


def _indexes(found: usage.Usage) -> Iterator[int]:
    for first, last in found.free.ranges:
        number = first
        while number <= last:  # a range of 2^64 numbers has no len()
            yield number
            number += 1


def _run(found: usage.Usage, length: int) -> Iterator[int]:
    for first, last in found.free.ranges:
        if last - first + 1 >= length:
            yield from (first + number for number in range(length))
            return


def _run_report(found: usage.Usage, run: Range) -> Run:
    first, last = run
    return Run(_text(found, first), _text(found, last), last - first + 1)


def _text(found: usage.Usage, index: int) -> str:
    address, block_size = found.address_set.address_at(index), found.address_set.block_size
    length = BITS[address.family] - block_size.bit_length() + 1
    return str(address) if block_size == 1 else f"{address}/{length}"
