# SPDX-License-Identifier: Apache-2.0
"""`check`: problems of pools, claims, addresses and the installation, with remedies and fixes."""

from __future__ import annotations

import datetime as dt
import sys

import click

from kube.resources import CUSTOM_RESOURCE_DEFINITIONS

from ...errors import NotInstalledError
from .. import options, printing, session, snapshot, usage
from ..errors import NO
from . import fixes, fixing, installation, objects, report
from .finding import ERROR, Finding, ObjectReference

_JUNIT = "junit"


@options.command(
    "check",
    short="Find problems, each with a remedy.",
    example="kubectl ipam check",
    text="""Find problems of pools, claims, IPAddresses and the installation, each with a remedy.
    Nothing is changed, unless you add --fix.

    It also reads CustomResourceDefinitions, webhook configurations, Leases, and the Deployment and
    the roles of the manager.  What you may not read is reported as unchecked.

    With --fix, it removes this provider's finalizers from objects that were deleted more than ten
    minutes ago and that no manager releases.  It shows all writes and asks once.  Then it reports
    the problems that are left.

    The exit code is 1 if a problem is left; with --errors-only, if an error is left.
    """,
)
@click.option("--errors-only", is_flag=True, help="Leave out warnings.")
@click.option("--fix", is_flag=True, help="Apply the fixes that are safe, after a confirmation.")
@click.option("--yes", is_flag=True, help="Apply the fixes of --fix without a confirmation.")
@options.output("table", "json", "yaml", _JUNIT)
def command(
    target: options.Target, output: str, *, errors_only: bool, fix: bool, yes: bool
) -> None:
    """Report findings, and fix what is safe to fix."""
    fixed = list[Finding]()
    if yes and not fix:
        raise click.UsageError("--yes has no effect without --fix: add --fix")
    if fix:
        fixing.check_terminal(yes=yes)
        fixed = fixing.apply(target, session.run(target, _find), yes=yes)
    found = session.run(target, _find)
    found = [each for each in found if not errors_only or each.severity == ERROR]
    if output == _JUNIT:
        click.echo(report.junit(found))
    else:
        printing.show(report.answer(found, fixed), output)
    if found:
        sys.exit(NO)


async def _find(opened: session.Session) -> list[Finding]:
    now = clock()
    try:
        found = await _objects(opened, now)
    except NotInstalledError as error:
        cause = f"does not exist for {error.what}, so pools and claims are not checked"
        where = ObjectReference(CUSTOM_RESOURCE_DEFINITIONS.kind)
        found = [Finding("crd", ERROR, where, cause, error.remedy)]
    return found + await installation.findings(opened.api, now)


async def _objects(opened: session.Session, now: dt.datetime) -> list[Finding]:
    read = await snapshot.read(opened.api, opened.namespace)
    usages = usage.of(read)
    found = list(objects.findings(read, usages, opened.namespace))
    stuck = await fixes.findings(opened.api, read, usages, now)
    return fixes.merged(found, stuck, opened.namespace)


def clock() -> dt.datetime:
    """Return the present time; tests replace it."""
    return dt.datetime.now(dt.UTC)
