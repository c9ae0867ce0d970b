# SPDX-License-Identifier: Apache-2.0
"""Find addresses and names among the pools of a cluster."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from api.resources import GROUP
from controller.state import parse
from ipam.notation import Address
from objects import pools

from . import holders, owners, spaces
from .usage import Holding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kube.client import Api
    from kube.meta import Key
    from objects.pools import PoolKey

    from .usage import Usage

UNKNOWN = "unknown"
FREE = "free"

_Match = tuple["Usage", Holding]


class Found(msgspec.Struct, frozen=True, rename="camel"):
    """One answer: a holder of what was asked for, or what the address is in a pool."""

    query: str
    state: str
    """That of the holder or of the waiting claim; else `free`, `reserved`, `gateway`, `excluded` or
    `unknown`."""
    pool_kind: str = ""
    pool_namespace: str = ""
    pool: str = ""
    holder: holders.HolderReport | None = None

    @property
    def shown_pool(self) -> str:
        """The pool as tables name it."""
        where = f"{self.pool_namespace}/" if self.pool_namespace else ""
        return f"{self.pool_kind} {where}{self.pool}" if self.pool else ""

    @property
    def name(self) -> str:
        """The IPAddress as `-o name` writes it; empty without an IPAddress."""
        known = self.holder is not None and self.holder.ip_address
        return f"ipaddress.{GROUP}/{known}" if known else ""


async def everything(
    queries: Sequence[str], every: Mapping[PoolKey, Usage], api: Api
) -> list[Found]:
    """Return one answer or more for each query, in their order.

    Flow:
        Owners are read only for what is found.  If a name is not found, it may be that of a
        Machine, so the owners of all claims are read.

    Raises:
        KubeError: the API server could not be reached.
    """
    index, reader = Index(every), owners.Owners(api)
    matches = {query: list(index.find(query)) for query in queries}
    lost = [query for query in queries if not matches[query] and parse(query) is None]
    among = [match for found in matches.values() for match in found]
    among = list(index.all) if lost else among
    claims = {holding.claim.metadata.key: holding.claim for _, holding in among if holding.claim}
    chains = await reader.chains(claims.values())
    for query in lost:
        matches[query] = list(index.with_machine(query, chains))
    return [found for query in queries for found in _answers(query, matches[query], every, chains)]


class Index:
    """The holders of all pools, by address and by name, and the claims that wait, by name."""

    def __init__(self, every: Mapping[PoolKey, Usage]) -> None:
        self.all: list[_Match] = [
            (usage, each)
            for usage in every.values()
            for each in (*usage.holdings, *_waiting(usage))
        ]
        self._by_start = defaultdict[Address, list[_Match]](list)
        self._by_name = defaultdict[str, list[_Match]](list)
        self._networks = list[_Match]()
        for match in self.all:
            self._add(match)

    def find(self, query: str) -> Iterator[_Match]:
        """Yield the holders of an address, or those that a claim, IPAddress or Cluster names."""
        address = parse(query)
        if address is None:
            yield from self._by_name.get(query, ())
            return
        yield from self._by_start.get(address, ())
        for usage, holding in self._networks:
            if _includes(holding, address) and holding.start != address:
                yield usage, holding

    def with_machine(self, name: str, chains: Mapping[Key, owners.Chain]) -> Iterator[_Match]:
        """Yield the holders that have an owner of this name."""
        for usage, holding in self.all:
            chain = chains.get(holding.key, holders.NOBODY)
            if holding.claim and (
                chain.cluster == name or any(owner.name == name for owner in chain.owners)
            ):
                yield usage, holding

    def _add(self, match: _Match) -> None:
        usage, holding = match
        if holding.start is not None:
            self._by_start[holding.start].append(match)
        if usage.key.kind in pools.PREFIX_KINDS:
            self._networks.append(match)
        known = holding.claim or holding.address
        cluster = holding.claim.cluster_name if holding.claim else ""
        cluster = cluster or (known.metadata.labels.cluster_name if known else "") or ""
        for name in {holding.key.name, cluster} - {""}:
            self._by_name[name].append(match)


def in_pools(address: Address, every: Mapping[PoolKey, Usage]) -> Iterator[tuple[PoolKey, str]]:
    """Yield what an address without a holder is in each pool that has it."""
    for key, usage in every.items():
        if usage.pool is None:
            continue
        parts = spaces.of(usage.pool)
        index = parts.index_of(address)
        if index is None:
            if usage.pool.spec and parse(usage.pool.spec.gateway) == address:
                yield key, spaces.GATEWAY
            continue
        reasons = sorted(parts.reasons(index))
        if reasons:
            yield key, " and ".join(reasons)
        elif index in usage.free:
            yield key, FREE


def _answers(
    query: str,
    matches: Sequence[_Match],
    every: Mapping[PoolKey, Usage],
    chains: Mapping[Key, owners.Chain],
) -> Iterator[Found]:
    for usage, holding in matches:
        holder = holders.report(usage, holding, chains.get(holding.key, holders.NOBODY))
        yield Found(query, holder.state, *usage.key, holder=holder)
    if matches:
        return
    address = parse(query)
    places = list(in_pools(address, every)) if address else []
    for key, state in places:
        yield Found(query, state, *key)
    if not places:
        yield Found(query, UNKNOWN)


def _waiting(usage: Usage) -> Iterator[Holding]:
    """Yield the claims that wait for an address, as holders without one."""
    known = {holding.key for holding in usage.holdings}
    for claim in usage.waiting:
        if (key := claim.metadata.key) not in known:
            yield Holding(key, None, None, claim)


def _includes(holding: Holding, address: Address) -> bool:
    network = holding.network
    return network is not None and (
        network.family == address.family and network.first <= address.value <= network.last
    )
