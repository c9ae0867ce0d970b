# SPDX-License-Identifier: Apache-2.0
"""What admission has to ask the cluster, and a fake that answers it in tests."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from ipam import errors as ipam_errors
from ipam import notation
from ipam.address_sets import AddressSet
from kube.meta import Key
from objects import pools

NAMED = 10
"""IPAddresses that an answer names; a message has to stay readable."""

COUNTED = 1000
"""IPAddresses that are counted at most: nobody needs the exact number, and counting takes time."""


class ClusterReadError(Exception):
    """Nobody can tell now which addresses are in use; the client should try again."""


class NotAllowedError(ClusterReadError):
    """The provider may not look, and will not be until somebody changes the installation."""


class Holder(NamedTuple):
    """An IPAddress object, and the address in it as it is written."""

    name: Key
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class Found:
    """The IPAddresses that were asked for: the first few of them, and how many there are."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew: the list does, in which they are looked for."""
        self.few: list[Holder] = []
        self.count = 0
        self.more = False
        """Whether there are, or may be, more than are counted."""

    @property
    def single(self) -> bool:
        """Whether it is one alone."""
        return self.count == 1 and not self.more

    def add(self, holder: Holder) -> None:
        """Count one more, as far as anybody counts."""
        if self.count == COUNTED:
            self.more = True
            return
        if len(self.few) < NAMED:
            self.few.append(holder)
        self.count += 1


def has(address_set: AddressSet | None, address: str) -> bool:
    """Tell whether an IPAddress is one of those that are asked for; None: any of the pool."""
    if address_set is None:
        return True
    try:
        parsed = notation.parse_address(address)
    except ipam_errors.NotationError:
        return False  # no pool offers it
    return address_set.index_of(parsed) is not None


class ClusterReader(Protocol):
    """Knows the addresses that are in use, and those that other pools offer."""

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return the IPAddresses of a pool whose address is among these; None: all of them.

        Guarantees:
            Sees every IPAddress whose create was answered before the call.

        Raises:
            InUseError: that cannot be told now.
        """
        ...

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Return what every pool offers.

        Caveats:
            Perhaps as it was a moment ago; not all or none, where it cannot be told now.
        """
        ...


class DeferredReader:
    """Stands for the real one until the process has connected to the cluster."""

    def __init__(self) -> None:
        self._is_set = asyncio.Event()
        self._real: ClusterReader | None = None

    def set_reader(self, real: ClusterReader) -> None:
        """Give the real one; whoever waits for it is served."""
        self._real = real
        self._is_set.set()

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Wait for the real one and ask it."""
        await self._is_set.wait()
        assert self._real is not None
        return await self._real.find(pool, address_set)

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Ask the real one, if it is there."""
        return await self._real.address_sets() if self._real else {}


class FakeReader:
    """Answers from a table of addresses; their IPAddresses are called `ip-0`, `ip-1` and so on."""

    def __init__(self, table: Mapping[pools.PoolKey, Sequence[str]] | None = None) -> None:
        self.table = dict(table or {})
        self.pools: dict[pools.PoolKey, AddressSet] = {}
        self.broken: ClusterReadError | None = None
        self.silent = False

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return what the table says."""
        await self._answer()
        if self.broken:
            raise self.broken
        found = Found()
        for number, address in enumerate(self.table.get(pool, ())):
            if has(address_set, address):
                found.add(Holder(Key(pool.namespace or "default", f"ip-{number}"), address))
        return found

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Return what it was given."""
        await self._answer()
        return self.pools

    async def _answer(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
