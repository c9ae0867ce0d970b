# SPDX-License-Identifier: Apache-2.0
"""All pools, claims and IPAddresses of a cluster at one time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kube.client import try_watch
from kube.errors import ApiError
from kube.informer import Informer
from kube.options import ListOptions
from kube.tasks import first_error, together
from objects import clusterapi, contracts, pools

from ..errors import NotInstalledError

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
    unreadable: tuple[tuple[str, Key], ...] = field(default=())
    """The kind and the key of each object that cannot be decoded, or only in part."""

    def lacks(self, key: PoolKey) -> bool:
        """Whether a pool was not read, because only the pools of one namespace were."""
        return bool(self.namespace) and not key.namespace


class Informers:
    """The informers of pools, claims and IPAddresses; a snapshot can be taken at any time.

    `namespace` is the only one that is read, without global pools; empty: everything is.  A kind of
    pools that the API server does not serve has no informer.
    """

    def __init__(self, api: Api, contract: contracts.Contract, namespace: str) -> None:
        self.contract = contract
        self.api, self.namespace = api, namespace
        self._claims = Informer(api, contract.claims, clusterapi.IPAddressClaim, namespace)
        self._addresses = Informer(api, contract.addresses, clusterapi.IPAddress, namespace)
        self._pools = [
            Informer(api, resource, pools.Pool, namespace)
            for resource in pools.RESOURCES.values()
            if contract.served(resource) and (resource.namespaced or not namespace)
        ]

    @property
    def all(self) -> list[Informer[Any]]:
        """One for each resource."""
        return [self._claims, self._addresses, *self._pools]

    async def sync(self) -> None:
        """List everything once.

        Raises:
            KubeError: alone or in a group: the API server refused, or could not be reached.
        """
        await together(*(informer.sync() for informer in self.all))

    async def check_watch(self) -> None:
        """Check that the user may watch everything: `run` of an informer waits until it works.

        Raises:
            KubeError: in a group: the user may not.
        """
        options = (
            ListOptions(self.namespace, resource_version=str(each.revision), timeout_seconds=1)
            for each in self.all
        )
        resources = (each.resource for each in self.all)
        try:
            await together(*map(partial(try_watch, self.api), resources, options))
        except BaseExceptionGroup as group:
            if _is_forbidden(first_error(group)):
                raise

    def snapshot(self) -> Snapshot:
        """Return the present objects."""
        in_part = (
            each for each in self._addresses if isinstance(each, clusterapi.UnreadableIPAddress)
        )
        keys = {each: {*each.unreadable} for each in self.all}
        keys[self._addresses] |= {each.metadata.key for each in in_part}
        return Snapshot(
            contract=self.contract,
            pools={pool.key: pool for informer in self._pools for pool in informer},
            claims={claim.metadata.key: claim for claim in self._claims},
            addresses={address.metadata.key: address for address in self._addresses},
            namespace=self.namespace,
            unreadable=tuple(
                (informer.resource.kind, key)
                for informer, unreadable in keys.items()
                for key in sorted(unreadable)
            ),
        )


async def read(api: Api, namespace: str) -> Snapshot:
    """Read all namespaces; if that is not allowed, only the chosen namespace.

    Raises:
        NotInstalledError: Cluster API or the provider is not installed.
        KubeError: alone or in a group: the API server refused, or could not be reached.
    """
    return (await informers(api, namespace)).snapshot()


async def contract_of(api: Api) -> contracts.Contract:
    """Return the contract of the Cluster API that is installed.

    Raises:
        NotInstalledError: Cluster API is not installed.
        KubeError: the API server refused, or could not be reached.
    """
    found = await contracts.discover(api)
    if found is None:
        raise NotInstalledError("Cluster API's IPAM types", "install Cluster API")
    return found


async def informers(api: Api, namespace: str) -> Informers:
    """Return informers that have listed what `read` reads.

    Raises:
        NotInstalledError: Cluster API or the provider is not installed.
        KubeError: alone or in a group: the API server refused, or could not be reached.
    """
    contract = await contract_of(api)
    if not any(map(contract.served, pools.RESOURCES.values())):
        remedy = "install the provider, or choose another cluster with --context"
        raise NotInstalledError(next(iter(pools.RESOURCES.values())).plural, remedy)
    found = Informers(api, contract, "")
    try:
        await found.sync()
    except BaseExceptionGroup as group:
        if not (namespace and _is_forbidden(first_error(group))):
            raise
        found = Informers(api, contract, namespace)
        await found.sync()
    return found


def _is_forbidden(error: BaseException) -> bool:
    return isinstance(error, ApiError) and error.status == HTTPStatus.FORBIDDEN
