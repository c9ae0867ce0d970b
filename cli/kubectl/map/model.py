# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster at one time, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from objects.pools import PoolKey

from .. import holders, owners, pools, usage, waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipam.ranges import Range
    from kube.client import Api
    from kube.meta import Key
    from objects import clusterapi

    from ..snapshot import Snapshot
    from ..usage import Usage


class Held(NamedTuple):
    """A holder, and the numbers of the pool that it has; None if its address cannot be read."""

    numbers: Range | None
    report: holders.HolderReport


class Waiting(NamedTuple):
    """A claim without an address, with its Cluster, its Machine and the reason why it waits."""

    namespace: str
    claim: str
    cluster: str
    machine: str
    since: str
    message: str


@dataclass(frozen=True, slots=True)
class Model:
    """Pools, holders and waiting claims of a cluster, as far as the user may read them.

    `generation` differs from that of every other model of the same process.
    """

    server: str
    generation: int
    snapshot: Snapshot
    usages: Mapping[PoolKey, Usage]
    """All of them; `pools` are those that are shown."""
    chains: Mapping[Key, owners.Chain]
    pools: list[pools.PoolReport]
    _held: dict[PoolKey, list[Held]] = field(default_factory=dict[PoolKey, list[Held]])

    @property
    def keys(self) -> list[PoolKey]:
        """The pools that are shown, in order."""
        return [key_of(report) for report in self.pools]

    def held(self, key: PoolKey) -> list[Held]:
        """Return the holders of a pool, in the order of their addresses."""
        if key not in self._held:
            self._held[key] = [
                self._holder(self.usages[key], each) for each in self.usages[key].holdings
            ]
        return self._held[key]

    def waiting(self, key: PoolKey) -> list[Waiting]:
        """Return the claims that wait for an address of a pool, oldest first."""
        return [self._waiting(claim) for claim in self.usages[key].waiting]

    def _holder(self, used: Usage, holding: usage.Holding) -> Held:
        numbers = used.address_set.overlapping(holding.network) if holding.network else None
        chain = self.chains.get(holding.key, holders.NOBODY)
        return Held(numbers, holders.report(used, holding, chain))

    def _waiting(self, claim: clusterapi.IPAddressClaim) -> Waiting:
        meta = claim.metadata
        chain = self.chains.get(meta.key, holders.NOBODY)
        message = waiting.why(self.snapshot, claim)
        cluster = chain.cluster or claim.cluster_name
        return Waiting(*meta.key, cluster, chain.machine, meta.creation_timestamp, message)


def key_of(report: pools.PoolReport) -> PoolKey:
    """Return the pool of a report."""
    return PoolKey(report.kind, report.namespace, report.name)


class Reader:
    """Makes models of snapshots; the owners of a claim are read once for each state of it."""

    def __init__(self, api: Api, server: str, namespace: str) -> None:
        """Prepare it.

        Args:
            api: Where owners are read.
            server: What pages call the cluster.
            namespace: The namespace whose pools are shown; empty: all pools.
        """
        self._owners = owners.Owners(api)
        self._server, self._namespace = server, namespace
        self._generation = 0
        self._chains: dict[Key, tuple[clusterapi.IPAddressClaim, owners.Chain]] = {}

    async def model(self, snapshot: Snapshot) -> Model:
        """Return the model of a snapshot.

        Raises:
            KubeError: the API server could not be reached.
        """
        await self._read_owners(snapshot.claims.values())
        usages = usage.of(snapshot)
        self._generation += 1
        return Model(
            server=self._server,
            generation=self._generation,
            snapshot=snapshot,
            usages=usages,
            chains={key: chain for key, (_, chain) in self._chains.items()},
            pools=pools.reports(usages, self._namespace),
        )

    async def _read_owners(self, claims: Iterable[clusterapi.IPAddressClaim]) -> None:
        known, self._chains = self._chains, {}
        unread = list["clusterapi.IPAddressClaim"]()
        for claim in claims:
            key = claim.metadata.key
            if key in known and known[key][0] is claim:
                self._chains[key] = known[key]
            elif claim.pool:
                unread.append(claim)
        chains = await self._owners.chains(unread)
        for claim in unread:
            self._chains[claim.metadata.key] = claim, chains[claim.metadata.key]


def visible(model: Model) -> Mapping[PoolKey, Usage]:
    """Return the usage of each pool that is shown."""
    return {key: model.usages[key] for key in model.keys}
