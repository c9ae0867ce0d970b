# SPDX-License-Identifier: Apache-2.0
"""Show the fixes of findings, ask once, and write them one by one."""

from __future__ import annotations

import functools
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from ipam.texts import counted
from kube.errors import ApiError, ConflictError, NotFoundError
from objects import pools

from .. import session, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..options import Target
    from .finding import Finding

_RIGHTS = (
    "--fix needs the verb patch on ipaddresses, ipaddressclaims and pools of the group "
    "ipam.cluster.x-k8s.io"
)


class Result(NamedTuple):
    """A finding with a fix, and why the write failed; empty if it did not."""

    finding: Finding
    problem: str


def check_terminal(*, yes: bool) -> None:
    """Check that the question can be asked.

    Raises:
        click.UsageError: there is no terminal, and --yes is not given.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("--fix asks before it writes, but there is no terminal: add --yes")


def apply(target: Target, found: Sequence[Finding], *, yes: bool) -> list[Finding]:
    """Write the fixes of findings after a confirmation; return the findings that are fixed.

    All messages go to standard error.

    Raises:
        click.Abort: the user does not confirm.
        CliError: the cluster cannot be reached.
    """
    fixable = [each for each in found if each.fix]
    if not fixable:
        click.echo("There is nothing that is safe to fix.", err=True)
        return []
    fixes = counted(len(fixable), "fix", "fixes")
    click.echo(f"{fixes} to apply, unless somebody changes the object first:", err=True)
    for each in fixable:
        click.echo(f"  {each.object}: {each.fix.action if each.fix else ''}", err=True)
    if not yes:
        click.confirm("Apply?", abort=True, err=True)
    results = session.run(target, functools.partial(_write_all, fixable), _RIGHTS)
    for each, problem in results:
        if problem:
            click.echo(f"{each.object} is not fixed: {problem}", err=True)
    return [each for each, problem in results if not problem]


async def _write_all(fixable: Sequence[Finding], opened: session.Session) -> list[Result]:
    contract = await snapshot.contract_of(opened.api)
    every = (contract.claims, contract.addresses, *pools.RESOURCES.values())
    resources = {resource.kind: resource for resource in every}
    results = list[Result]()
    for each in fixable:
        name, patch = each.object, each.fix.patch if each.fix else {}
        body = msgspec.json.encode(patch)
        try:
            await opened.api.patch(resources[name.kind], name.namespace, name.name, body)
        except ApiError as error:
            results.append(Result(each, _text(error)))
        else:
            results.append(Result(each, ""))
    return results


def _text(error: ApiError) -> str:
    if isinstance(error, ConflictError | NotFoundError):
        return "somebody has changed or deleted it meanwhile; run the command again"
    if error.status == HTTPStatus.FORBIDDEN:
        return f"{error.message}; {_RIGHTS}"
    return str(error)
