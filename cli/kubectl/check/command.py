# SPDX-License-Identifier: Apache-2.0
"""`check`: problems of pools, claims, addresses and the installation, with remedies and fixes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kube.resources import CUSTOM_RESOURCE_DEFINITIONS

from ...errors import NotInstalledError
from .. import options, printing, session, snapshot, usage
from ..errors import NO
from . import fixes, fixing, installation, objects, report
from .finding import ERROR, Check, Finding, ObjectReference

if TYPE_CHECKING:
    import datetime as dt

_JUNIT = "junit"


@options.command(
    "check",
    example="kubectl ipam check",
    text="""Find problems of pools, claims, IPAddresses and the installation, each with a remedy.
    Nothing is changed, unless you add --fix.  Without --namespace, the command checks all
    namespaces that you may read.  The last line names what was checked.

    It also reads CustomResourceDefinitions, webhook configurations, Leases, and the Deployment and
    the roles of the manager.  What you may not read is reported as check-skipped.

    With --fix, it removes this provider's finalizers from objects that were deleted more than ten
    minutes ago and that no manager releases.  It shows all fixes and asks once.  Then it reports
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
        fixed = fixing.apply(target, _find(target).findings, yes=yes)
    outcome = _find(target)
    found = [each for each in outcome.findings if not errors_only or each.severity == ERROR]
    outcome = outcome._replace(findings=found)
    if output == _JUNIT:
        click.echo(report.junit(outcome))
    else:
        printing.show(report.answer(outcome, fixed), output)
    if found:
        sys.exit(NO)


def _find(target: options.Target) -> report.Outcome:
    async def work(opened: session.Session) -> report.Outcome:
        now = await opened.api.time()  # a user's machine may be minutes ahead
        outcome = await _objects(opened, target.chosen, now)
        found = [*outcome.findings, *await installation.findings(opened.api, now)]
        return outcome._replace(findings=found)

    return session.run(target, work)


async def _objects(opened: session.Session, namespace: str, now: dt.datetime) -> report.Outcome:
    """Return the findings about pools and claims of a namespace; of all if it is empty."""
    try:
        read = await snapshot.read(opened.api, opened.namespace)
    except NotInstalledError as error:
        cause = f"does not exist for {error.what}, so pools and claims are not checked"
        where = ObjectReference(CUSTOM_RESOURCE_DEFINITIONS.kind)
        return report.Outcome(
            [Finding(Check.CRD_NOT_FOUND, ERROR, where, cause, error.remedy)], report.INSTALLATION
        )
    usages = usage.of(read)
    found = list(objects.findings(read, usages, namespace))
    stuck = await fixes.findings(opened.api, read, usages, now)
    return report.Outcome(fixes.merged(found, stuck, namespace), report.scope(read, namespace))
