# SPDX-License-Identifier: Apache-2.0
"""`release`: give back the address of a claim that nobody owns."""

from __future__ import annotations

import click
import msgspec

from kube.errors import NotFoundError
from objects import clusterapi

from . import options, session, snapshot
from .errors import CliError

_RIGHTS = "the command needs the verbs get and delete on ipaddressclaims"


@options.command(
    "release",
    example="kubectl ipam release printer",
    text="""Delete an IPAddressClaim, so that its address is free again.  The command asks for
    confirmation first.

    A claim that another object owns is refused: its owner, such as a Machine, still uses the
    address.  Delete the owner instead.
    """,
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(target: options.Target, name: str, *, yes: bool) -> None:
    """Release an address."""
    options.check_one_namespace(target)
    claim = session.run(target, lambda opened: _read(opened, name), _RIGHTS)
    address = claim.metadata.annotations.address or "no address"
    if owners := claim.metadata.owner_references:
        raise CliError(
            f"IPAddressClaim {name} ({address}) is owned by {owners[0].kind} {owners[0].name}: "
            "delete that instead"
        )
    if not yes:
        click.confirm(f"Release {address} of IPAddressClaim {name}?", abort=True)
    session.run(target, lambda opened: _delete(opened, claim), _RIGHTS)
    click.echo(f"IPAddressClaim {name} is deleted; {address} is released")


async def _read(opened: session.Session, name: str) -> clusterapi.IPAddressClaim:
    contract, namespace = await snapshot.contract_of(opened.api), opened.namespace or "default"
    try:
        raw = await opened.api.get(contract.claims, namespace, name)
    except NotFoundError as error:
        raise CliError(f"there is no IPAddressClaim {name} in namespace {namespace}") from error
    return msgspec.json.decode(raw, type=clusterapi.IPAddressClaim)


async def _delete(opened: session.Session, claim: clusterapi.IPAddressClaim) -> None:
    contract, meta = await snapshot.contract_of(opened.api), claim.metadata
    await opened.api.delete(contract.claims, meta.namespace, meta.name, meta.uid)
