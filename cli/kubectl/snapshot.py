# SPDX-License-Identifier: Apache-2.0
"""All pools, claims and IPAddresses of a cluster, read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kube.errors import ApiError, NotFoundError
from kube.informer import Informer
from kube.tasks import first_error, together
from objects import clusterapi, contracts, pools

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.client import Api
    from kube.meta import Key
    from objects.pools import PoolKey


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a cluster has.

    `namespace` is the only one that was read, without global pools; empty: everything was.
    """

    contract: contracts.Contract
    pools: Mapping[PoolKey, pools.Pool]
    claims: Mapping[Key, clusterapi.IPAddressClaim]
    addresses: Mapping[Key, clusterapi.IPAddress]
    namespace: str = ""
    unreadable: tuple[str, ...] = field(default=())
    """Objects of which nothing can be read, such as `ipaddressclaims default/web`."""


async def read(api: Api, namespace: str) -> Snapshot:
    """Read everything; where that is not allowed, the namespace alone, if one is chosen.

    Raises:
        CliError: Cluster API or the provider is not installed.
        KubeError: alone or in a group: the API server refused, or could not be reached.
    """
    contract = await contracts.discover(api)
    if contract is None:
        raise CliError("the cluster does not serve Cluster API's IPAM types: install Cluster API")
    try:
        return await read_contract(api, contract, "")
    except BaseExceptionGroup as group:
        error = first_error(group)
        if isinstance(error, NotFoundError):
            raise CliError(
                f"the cluster has no {_plural(error)}: install the provider, or choose another "
                "cluster with --context"
            ) from group
        if not (namespace and _is_forbidden(error)):
            raise
    return await read_contract(api, contract, namespace)


async def read_contract(api: Api, contract: contracts.Contract, namespace: str) -> Snapshot:
    """Read everything, or one namespace without global pools, in a contract of Cluster API.

    Raises:
        KubeError: alone or in a group: the API server refused, or could not be reached.
    """
    claims = Informer(api, contract.claims, clusterapi.IPAddressClaim, namespace)
    addresses = Informer(api, contract.addresses, clusterapi.IPAddress, namespace)
    of_pools = [
        Informer(api, resource, pools.Pool, namespace)
        for resource in pools.KINDS.values()
        if resource.namespaced or not namespace
    ]
    informers: list[Informer[Any]] = [claims, addresses, *of_pools]
    await together(*(informer.sync() for informer in informers))
    return Snapshot(
        contract=contract,
        pools={pool.key: pool for informer in of_pools for pool in informer},
        claims={claim.metadata.key: claim for claim in claims},
        addresses={address.metadata.key: address for address in addresses},
        namespace=namespace,
        unreadable=tuple(
            f"{informer.resource.plural} {key}"
            for informer in informers
            for key in sorted(informer.unreadable)
        ),
    )


def _is_forbidden(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN


def _plural(error: NotFoundError) -> str:
    """Return the resource that a list was asked for, from the request in the error's text."""
    return str(error).partition(": ")[0].rpartition("/")[2]
