# SPDX-License-Identifier: Apache-2.0
"""`check`: problems of pools, claims, addresses and the installation, with remedies."""

from __future__ import annotations

import datetime as dt
import sys
from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click
from rich.text import Text

from . import findings, installation, options, printing, session, snapshot, usage
from .errors import NO
from .printing import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .findings import Finding

_JUNIT = "junit"

_COLUMNS = ("SEVERITY", "CHECK", "OBJECT", "PROBLEM AND REMEDY")


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
        found = list(findings.of_objects(read, usage.of(read), opened.namespace))
        return found + await installation.findings(opened.api, dt.datetime.now(dt.UTC))

    found = session.run(target, work)
    found = [each for each in found if not errors_only or each.severity == findings.ERROR]
    if output == _JUNIT:
        click.echo(junit(found))
    else:
        printing.show(answer(found), output)
    if found:
        sys.exit(NO)


def answer(found: Sequence[Finding]) -> printing.Answer:
    """Return the findings, errors first."""
    ordered = sorted(found, key=lambda each: each.severity)
    return printing.Answer(
        data={"findings": ordered},
        columns=[Column(name) for name in _COLUMNS],
        rows=[
            (
                Text(each.severity, "red" if each.severity == findings.ERROR else "yellow"),
                each.check,
                each.object,
                _sentence(each),
            )
            for each in ordered
        ],
        empty="No problems found.",
    )


def junit(found: Sequence[Finding]) -> str:
    """Return the findings as JUnit's XML: a case for each check that failed, or one passed case.

    Source: https://github.com/testmoapp/junitxml
    """
    by_check = defaultdict[str, list["Finding"]](list)
    for each in found:
        by_check[each.check].append(each)
    failed = str(len(by_check))
    tests = str(len(by_check) or 1)
    root = ET.Element("testsuite", name="kubectl ipam check", tests=tests, failures=failed)
    if not found:
        ET.SubElement(root, "testcase", name="all", classname="kubectl-ipam")
    for check, several in by_check.items():
        case = ET.SubElement(root, "testcase", name=check, classname="kubectl-ipam")
        failure = ET.SubElement(case, "failure", message=several[0].problem)
        failure.text = "\n".join(f"{each.object}: {_sentence(each)}" for each in several)
    return ET.tostring(root, encoding="unicode")


def _sentence(finding: Finding) -> str:
    return f"{finding.problem}. Remedy: {finding.remedy}"
