# SPDX-License-Identifier: Apache-2.0
"""The state of a cluster at one time, ready to be shown."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ipam.ranges import overlap
from kube.tasks import in_pieces
from objects.pools import Pool, PoolKey, PoolMeta

from .. import holders, maps, owners, pools, spaces, usage, waiting
from . import layout
from . import overlay as overlay_layers
from .states import STRANDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ipam.ranges import Range, RangeSet
    from kube.client import Api
    from kube.meta import Key
    from objects import clusterapi

    from ..maps import Layers
    from ..planning import Change
    from ..pools import PoolReport
    from ..snapshot import Snapshot
    from ..usage import Usage
    from .overlay import Overlay


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
    served: bool = False
    """Whether the change that is shown would serve it."""


@dataclass(frozen=True)
class Model:
    """Pools, holders and waiting claims of a cluster, as far as the user may read them.

    `generation` differs from that of every other model of the same process.
    """

    server: str
    namespace: str
    """The namespace whose pools are shown; empty: all pools."""
    generation: int
    snapshot: Snapshot
    usages: Mapping[PoolKey, Usage]
    """All of them; `pools` are those that are shown."""
    chains: Mapping[Key, owners.Chain]
    pools: list[pools.PoolReport]
    overlay: Overlay | None = None
    """The change that usages and pools have; None: they are those of the cluster."""
    _held: dict[PoolKey, list[Held]] = field(default_factory=dict[PoolKey, list[Held]])

    @property
    def keys(self) -> list[PoolKey]:
        """The pools that are shown, in order."""
        return [report.key for report in self.pools]

    def with_overlay(self, overlay: Overlay) -> Model:
        """Return the state as it is with a change."""
        changed = {**self.usages, **overlay.usages}
        usages = {key: changed[key] for key in usage.in_order(changed)}
        reports = pools.reports(usages, self.namespace)
        return replace(self, usages=usages, pools=reports, overlay=overlay, _held={})

    def report(self, key: PoolKey) -> PoolReport:
        """Return the report on a pool that is shown."""
        return self._reports[key]

    def change(self, key: PoolKey) -> Change | None:
        """Return the change of a pool; None if it has none."""
        return self.overlay.by_pool.get(key) if self.overlay else None

    def layers(self, key: PoolKey) -> Layers:
        """Return the state of each address of a pool."""
        used, change = self.usages[key], self.change(key)
        found = maps.layers(used, spaces.of(used.pool or Pool(metadata=PoolMeta())))
        return overlay_layers.layers(found, change) if change else found

    def held(self, key: PoolKey) -> list[Held]:
        """Return the holders of a pool, in the order of their addresses."""
        if key not in self._held:
            change = self.change(key)
            stranded = change.stranded if change else ()
            self._held[key] = [
                self._holder(self.usages[key], each, stranded=each.key in stranded)
                for each in self.usages[key].holdings
            ]
        return self._held[key]

    def shared(self, key: PoolKey) -> RangeSet:
        """Return the numbers of a pool whose addresses other pools have, too."""
        mine = self.usages[key].address_set
        return layout.shared(mine, self._overlap[mine.family])

    @cached_property
    def _reports(self) -> dict[PoolKey, PoolReport]:
        return {report.key: report for report in self.pools}

    @cached_property
    def _overlap(self) -> dict[int, RangeSet]:
        """The addresses that several pools have, by IP family."""
        every = defaultdict[int, list["Range"]](list)
        for used in self.usages.values():
            every[used.address_set.family] += used.address_set.ranges
        return {family: overlap(ranges) for family, ranges in every.items()}

    def waiting(self, key: PoolKey) -> list[Waiting]:
        """Return the claims that wait for an address of a pool, oldest first."""
        change = self.change(key)
        served = change.plan.served if change else 0
        return [
            self._waiting(claim, served=number < served)
            for number, claim in enumerate(self.usages[key].waiting)
        ]

    def _holder(self, used: Usage, holding: usage.Holding, *, stranded: bool) -> Held:
        numbers = used.address_set.overlapping(holding.network) if holding.network else None
        chain = self.chains.get(holding.key, holders.NOBODY)
        report = holders.report(used, holding, chain)
        if stranded:
            report = msgspec.structs.replace(report, state=STRANDED)
        return Held(numbers, report)

    def _waiting(self, claim: clusterapi.IPAddressClaim, *, served: bool) -> Waiting:
        meta = claim.metadata
        chain = self.chains.get(meta.key, holders.NOBODY)
        message = waiting.why(self.snapshot, claim)
        cluster, since = chain.cluster or claim.cluster_name, meta.creation_timestamp
        return Waiting(*meta.key, cluster, chain.machine, since, message, served)


_OWNERS_SECONDS = 60.0
"""The age at which owners are read again: no watch reports them, and they change seldom."""

_OWNERS_SHARE = 30
"""Reading owners takes at most one thirtieth of the time, however many there are."""


class Reader:
    """Makes models of snapshots; the owners of a claim are read once for each state of it.

    `refresh` reads all owners again from time to time, and forgets those that are gone.
    """

    def __init__(
        self, api: Api, server: str, namespace: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare it.

        Args:
            api: Where owners are read.
            server: What pages call the cluster.
            namespace: The namespace whose pools are shown; empty: all pools.
            clock: Returns seconds; for the age of owners.
        """
        self._owners = owners.Owners(api)
        self._server, self._namespace = server, namespace
        self._generation = 0
        self._chains: dict[Key, tuple[clusterapi.IPAddressClaim, owners.Chain]] = {}
        self._clock, self._due = clock, clock() + _OWNERS_SECONDS
        self._reading = asyncio.Lock()

    async def model(self, snapshot: Snapshot) -> Model:
        """Return the model of a snapshot; most of the work is done in a thread.

        Raises:
            KubeError: the API server could not be reached.
        """
        await self._read_owners(snapshot.claims.values())
        usages, reports = await asyncio.to_thread(_numbers, snapshot, self._namespace)
        self._generation += 1
        return Model(
            server=self._server,
            namespace=self._namespace,
            generation=self._generation,
            snapshot=snapshot,
            usages=usages,
            chains={key: chain for key, (_, chain) in self._chains.items()},
            pools=reports,
        )

    async def refresh(self) -> bool:
        """Read owners again if it is time; return whether the next model has other chains.

        Flow:
            Owners are read again when other kinds are served, and when their age is over a minute.

        Raises:
            KubeError: the API server could not be reached.
        """
        async with self._reading:
            if not await self._owners.refresh() and self._clock() < self._due:
                return False
            began, known = self._clock(), self._chains
            fresh = self._owners.renewed()
            read = await fresh.chains(claim for claim, _ in known.values())
            self._owners = fresh
            self._chains = {key: (claim, read[key]) for key, (claim, _) in known.items()}
            took = self._clock() - began
            self._due = self._clock() + max(_OWNERS_SECONDS, _OWNERS_SHARE * took)
            return any(chain != read[key] for key, (_, chain) in known.items())

    async def _read_owners(self, claims: Iterable[clusterapi.IPAddressClaim]) -> None:
        async with self._reading:
            known, self._chains = self._chains, {}
            unread = list["clusterapi.IPAddressClaim"]()
            async for claim in in_pieces(claims):
                key = claim.metadata.key
                if key in known and known[key][0] is claim:
                    self._chains[key] = known[key]
                elif claim.pool:
                    unread.append(claim)
            chains = await self._owners.chains(unread)
            for claim in unread:
                self._chains[claim.metadata.key] = claim, chains[claim.metadata.key]


def _numbers(
    snapshot: Snapshot, namespace: str
) -> tuple[dict[PoolKey, Usage], list[pools.PoolReport]]:
    usages = usage.of(snapshot)
    return usages, pools.reports(usages, namespace)


def visible(model: Model) -> Mapping[PoolKey, Usage]:
    """Return the usage of each pool that is shown."""
    return {key: model.usages[key] for key in model.keys}
