# SPDX-License-Identifier: Apache-2.0
"""`check`: problems of pools, claims, addresses and the installation, with remedies."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import click

from .. import options, printing, session, snapshot, usage
from ..errors import NO
from . import installation, objects, report
from .finding import ERROR

if TYPE_CHECKING:
    from .finding import Finding

_JUNIT = "junit"


@options.command(
    "check",
    short="Find problems, each with a remedy.",
    example="kubectl ipam check",
    text="""Find problems of pools, claims, IPAddresses and the installation, each with a remedy.
    Nothing is changed.

    It also reads CustomResourceDefinitions, webhook configurations and Leases.  What you may not
    read is reported as unchecked.

    The exit code is 1 if there is a problem; with --errors-only, if there is an error.
    """,
)
@click.option("--errors-only", is_flag=True, help="Leave out warnings.")
@options.output("table", "json", "yaml", _JUNIT)
def command(target: options.Target, output: str, *, errors_only: bool) -> None:
    """Report findings."""

    async def work(opened: session.Session) -> list[Finding]:
        read = await snapshot.read(opened.api, opened.namespace)
        found = list(objects.findings(read, usage.of(read), opened.namespace))
        return found + await installation.findings(opened.api, dt.datetime.now(dt.UTC))

    found = session.run(target, work)
    found = [each for each in found if not errors_only or each.severity == ERROR]
    if output == _JUNIT:
        click.echo(report.junit(found))
    else:
        printing.show(report.answer(found), output)
    if found:
        sys.exit(NO)
