# SPDX-License-Identifier: Apache-2.0
"""Findings as a table, and as a report for CI systems."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from rich.text import Text

from .. import printing
from ..printable import printable
from ..printing import Column
from .finding import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..snapshot import Snapshot
    from .finding import Finding

_COLUMNS = ("SEVERITY", "CHECK", "OBJECT", "PROBLEM AND REMEDY")


INSTALLATION = "the installation"
"""What is checked if the cluster has no pools and no claims."""


class Outcome(NamedTuple):
    """The findings, and what was checked."""

    findings: Sequence[Finding]
    checked: str


def scope(read: Snapshot, namespace: str) -> str:
    """Return what was checked: a namespace, or all if it is empty, as far as they were read."""
    if not read.namespace:
        where = f"namespace {namespace}" if namespace else "all namespaces"
        return f"{INSTALLATION} and {where}"
    where = f"{INSTALLATION} and namespace {read.namespace}, without global pools"
    return f"{where}, because you may not read all namespaces"


def answer(outcome: Outcome, fixed: Sequence[Finding] = ()) -> printing.Answer:
    """Return the findings, errors first, and above them the objects that are fixed."""
    ordered = sorted(outcome.findings, key=lambda each: each.severity)
    data = {"checked": outcome.checked, "findings": ordered}
    return printing.Answer(
        data=data | ({"fixed": fixed} if fixed else {}),
        above=[Text(f"{each.object} is fixed") for each in fixed],
        columns=[Column(name) for name in _COLUMNS],
        rows=[
            (
                Text(each.severity, "red" if each.severity == ERROR else "yellow"),
                each.check,
                str(each.object),
                str(each),
            )
            for each in ordered
        ],
        empty="No problems found.",
        notes=[Text(f"Checked: {outcome.checked}.", "dim")],
    )


def junit(outcome: Outcome) -> str:
    """Return the findings as JUnit's XML: a case for each check that failed, or one passed case.

    Source: https://github.com/testmoapp/junitxml
    """
    by_check = defaultdict[str, list["Finding"]](list)
    for each in outcome.findings:
        by_check[each.check].append(each)
    failed = str(len(by_check))
    tests = str(len(by_check) or 1)
    root = ET.Element("testsuite", name="kubectl ipam check", tests=tests, failures=failed)
    if not outcome.findings:
        ET.SubElement(root, "testcase", name="all", classname="kubectl-ipam")
    for check, several in by_check.items():
        case = ET.SubElement(root, "testcase", name=check, classname="kubectl-ipam")
        failure = ET.SubElement(case, "failure", message=printable(several[0].cause))
        failure.text = printable("\n".join(f"{each.object}: {each!s}" for each in several))
    ET.SubElement(root, "system-out").text = f"Checked: {outcome.checked}."
    return ET.tostring(root, encoding="unicode")
