# SPDX-License-Identifier: Apache-2.0
"""What admission has to ask the cluster, and a fake that answers it in tests."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from ipam import offer
from kube import objects


class InUseError(Exception):
    """Nobody can tell now which addresses are in use; the client should try again."""


class InUse(Protocol):
    """Knows the addresses that are in use, and those that other pools offer."""

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Return `spec.address` of each IPAddress of a pool.

        Guarantees:
            Sees every IPAddress whose create was answered before the call.

        Raises:
            InUseError: that cannot be told now.
        """
        ...

    async def offers(self) -> Mapping[objects.PoolKey, offer.Offer]:
        """Return what every pool offers.

        Caveats:
            Perhaps as it was a moment ago; not all or none, where it cannot be told now.
        """
        ...


class Later:
    """Stands for the real one until the process has connected to the cluster."""

    def __init__(self) -> None:
        self._given = asyncio.Event()
        self._real: InUse | None = None

    def give(self, real: InUse) -> None:
        """Give the real one; whoever waits for it is served."""
        self._real = real
        self._given.set()

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Wait for the real one and ask it."""
        await self._given.wait()
        assert self._real is not None
        return await self._real.addresses_of(pool)

    async def offers(self) -> Mapping[objects.PoolKey, offer.Offer]:
        """Ask the real one, if it is there."""
        return await self._real.offers() if self._real else {}


class FakeInUse:
    """Answers from a table."""

    def __init__(self, table: Mapping[objects.PoolKey, Sequence[str]] | None = None) -> None:
        self.table = dict(table or {})
        self.pools: dict[objects.PoolKey, offer.Offer] = {}
        self.broken = False
        self.silent = False

    async def addresses_of(self, pool: objects.PoolKey) -> Sequence[str]:
        """Return what the table says."""
        await self._answer()
        if self.broken:
            raise InUseError("the fake is broken")
        return self.table.get(pool, ())

    async def offers(self) -> Mapping[objects.PoolKey, offer.Offer]:
        """Return what it was given."""
        await self._answer()
        return self.pools

    async def _answer(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
