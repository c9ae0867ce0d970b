# SPDX-License-Identifier: Apache-2.0
"""`plan`: show what applying manifests of pools would change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from ipam.texts import counted, first_of

from .. import inputs, manifests
from . import options, planner, printing, session, snapshot, usage
from .errors import DONE, FAILED, NO
from .planning import REFUSED, UNCHANGED, PoolPlan
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_NUMBERS = ("GAINED", "LOST", "FREE", "SERVED", "STRANDED")
_COLUMNS = (Column("POOL"), Column("CHANGE"), *(Column(each, number=True) for each in _NUMBERS))

_SHOWN = 5
"""Ranges and holders that are shown; -o json has all of them."""


@options.command(
    "plan",
    example="kubectl ipam plan -f pools.yaml",
    text="""Show what applying manifests of pools would change: addresses that pools gain and lose,
    IPAddresses that would be outside of their pool, and claims that would get an address.  The
    rules are those of admission.  Nothing is changed.

    The exit code is 0 if nothing would change, 1 if something would, and 3 if admission would
    refuse a pool.
    """,
)
@inputs.file_arguments
@options.output("table", "json", "yaml")
def command(names: inputs.Names, target: options.Target, output: str) -> None:
    """Show a plan."""
    files = (manifests.read(each) for path in names.paths for each in names.files(path))
    documents = planner.pools_in(files)

    async def work(opened: session.Session) -> list[PoolPlan]:
        read = await snapshot.read(opened.api, opened.namespace)
        work_out = planner.Planner(opened.api, opened.namespace).changes
        found = await work_out(documents, read, usage.of(read))
        return [each.plan for each in found]

    found = session.run(target, work)
    printing.show(answer(found), output)
    sys.exit(_code(found))


def answer(found: Sequence[PoolPlan]) -> printing.Answer:
    """Return the table of a plan, and the details below it."""
    return printing.Answer(
        data={"plans": found},
        columns=_COLUMNS,
        rows=[
            (
                each.shown,
                Text(each.change, "red" if each.change == REFUSED else ""),
                each.gained_count,
                each.lost_count,
                each.free,
                each.served,
                len(each.stranded),
            )
            for each in found
        ],
        notes=[line for each in found for line in _notes(each)],
        empty="The files contain no pools.",
    )


def _notes(plan: PoolPlan) -> Iterator[Text]:
    lines = list(details(plan))
    if lines:
        yield Text()
        yield Text(plan.shown, "bold")
        yield from (Text(f"  {text}", style) for text, style in lines)


def details(plan: PoolPlan) -> Iterator[tuple[str, str]]:
    """Yield the details of a plan, each with its colour."""
    for problem in plan.refused:
        yield f"refused: {problem}", "red"
    if plan.gained:
        yield f"gains {first_of(plan.gained, _SHOWN)}", "green"
    if plan.lost:
        yield f"loses {first_of(plan.lost, _SHOWN)}", "yellow"
    if plan.stranded:
        names = [f"{each.namespace}/{each.ip_address} ({each.address})" for each in plan.stranded]
        yield f"strands {first_of(names, _SHOWN)}", "red"
    if plan.served:
        yield f"serves {counted(plan.served, 'waiting claim')}", "green"
    if plan.converted:
        yield f"is written in {plan.version} and stored as: {plan.converted}", ""
    for warning in plan.warnings:
        yield f"warning: {warning}", "yellow"


def _code(found: Sequence[PoolPlan]) -> int:
    changes = {each.change for each in found}
    if REFUSED in changes:
        return FAILED
    return NO if changes - {UNCHANGED} else DONE
