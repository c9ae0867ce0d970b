# SPDX-License-Identifier: Apache-2.0
"""`reserve`: create a claim that asks for a certain address, so that nobody else gets it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from api.resources import GROUP
from controller.conditions import READY
from ipam.errors import NotationError
from ipam.notation import parse_address
from objects import clusterapi
from objects.metadata import ADDRESS_ANNOTATION

from . import lookup, options, selection, session, snapshot, usage
from .errors import NO, CliError

if TYPE_CHECKING:
    from kube.client import Api
    from objects import contracts
    from objects.pools import PoolKey

_RIGHTS = f"{session.READING}, and create on ipaddressclaims"

_LOOKS = 40
"""How often the claim is read before the command gives up."""

_LOOK_SECONDS = 0.25
"""Seconds between two reads; 10 seconds in all."""


@options.command(
    "reserve",
    example="kubectl ipam reserve blue 10.0.0.42 --name printer",
    text="""Create an IPAddressClaim that asks for the address, and wait until it is bound.  No
    other claim gets the address until the claim is deleted: see release.

    The exit code is 1 if the address is not available.
    """,
)
@options.pool_argument
@click.argument("address")
@click.option("--name", metavar="NAME", required=True, help="Name of the claim.")
def command(target: options.Target, pool: str, address: str, name: str) -> None:
    """Reserve an address."""
    options.check_one_namespace(target)
    try:
        wanted = str(parse_address(address))
    except NotationError as error:
        raise click.BadParameter(str(error), param_hint="ADDRESS") from error

    async def work(opened: session.Session) -> str:
        read = await snapshot.read(opened.api, opened.namespace)
        every = usage.of(read)
        key = selection.pool(every, pool, opened.namespace)
        problem = _problem(every[key], wanted)
        if problem:
            return problem
        namespace = key.namespace or opened.namespace or "default"
        return await _create(opened.api, read.contract, key, (namespace, name, wanted))

    if problem := session.run(target, work, _RIGHTS):
        click.echo(problem, err=True)
        sys.exit(NO)
    click.echo(f"address {wanted} is reserved by IPAddressClaim {name}")


def _problem(found: usage.Usage, wanted: str) -> str:
    """Return why a claim cannot get an address now; empty if it is free."""
    address = parse_address(wanted)
    if found.closed:
        return f"{found.key} {found.closed}"
    for holding in lookup.Index({found.key: found}).find(wanted):
        return f"address {wanted} is in use by {holding[1].key}"
    states = [state for _, state in lookup.in_pools(address, {found.key: found})]
    if states == [lookup.FREE]:
        return ""
    reason = f"is {states[0]} in" if states else "is not in"
    free = f"kubectl ipam free {found.key.name} lists free addresses"
    return f"address {wanted} {reason} {found.key}; {free}"


async def _create(
    api: Api, contract: contracts.Contract, pool: PoolKey, asked: tuple[str, str, str]
) -> str:
    """Create the claim; return why it cannot be bound, or an empty text.

    Raises:
        CliError: no controller answers the claim.
        KubeError: the API server refused, or could not be reached.
    """
    namespace, name, wanted = asked
    resource = contract.claims
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "annotations": {ADDRESS_ANNOTATION: wanted}},
        "spec": {"poolRef": {"apiGroup": GROUP, "kind": pool.kind, "name": pool.name}},
    }
    await api.create(resource, namespace, msgspec.json.encode(body))
    for _ in range(_LOOKS):
        raw = await api.get(resource, namespace, name)
        claim = msgspec.json.decode(raw, type=clusterapi.IPAddressClaim)
        ready = contract.condition(claim, READY)
        if claim.bound:
            return ""
        if ready is not None and ready.status == "False":
            return f"IPAddressClaim {name} waits: {ready.message}"
        await asyncio.sleep(_LOOK_SECONDS)
    raise CliError(
        f"IPAddressClaim {name} was created, but no controller has answered it: check that the "
        "provider's manager runs; kubectl ipam check says more"
    )
