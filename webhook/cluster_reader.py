# SPDX-License-Identifier: Apache-2.0
"""The questions of admission to the cluster, and a fake that answers them in tests."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from ipam import errors as ipam_errors
from ipam import notation
from ipam.address_sets import AddressSet
from kube.meta import Key
from objects import pools

NAMED = 10
"""The most IPAddresses that a response names; a message has to stay readable."""

COUNTED = 1000
"""The most IPAddresses that are counted: counting takes time, and the exact number helps nobody."""


class ClusterReadError(Exception):
    """The addresses in use cannot be read now; the client should try again."""


class NotAllowedError(ClusterReadError):
    """The provider has no right to read them; somebody has to change the installation."""


class Holder(NamedTuple):
    """An IPAddress object, and its address as written."""

    name: Key
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class Found:
    """The result of `find`: the first few IPAddresses, and their number."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again, because the list of IPAddresses started again."""
        self.few: list[Holder] = []
        self.count = 0
        self.more = False
        """Whether there may be more than are counted."""

    @property
    def single(self) -> bool:
        """Whether there is exactly one."""
        return self.count == 1 and not self.more

    def add(self, holder: Holder) -> None:
        """Count one more, up to the limit."""
        if self.count == COUNTED:
            self.more = True
            return
        if len(self.few) < NAMED:
            self.few.append(holder)
        self.count += 1


def has(address_set: AddressSet | None, address: str) -> bool:
    """Whether an address starts a block of a set; any address does if the set is None."""
    if address_set is None:
        return True
    try:
        parsed = notation.parse_address(address)
    except ipam_errors.NotationError:
        return False  # no pool has it
    return address_set.index_of(parsed) is not None


class ClusterReader(Protocol):
    """Reads the addresses in use, and the addresses of other pools."""

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return the IPAddresses of a pool with an address in the set; all of them if it is None.

        Guarantees:
            Finds every IPAddress whose create was answered before the call.

        Raises:
            ClusterReadError: they cannot be read now.
        """
        ...

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Return the addresses of every pool.

        Caveats:
            They may be a moment old, and pools may be missing if they cannot be read now.
        """
        ...


class DeferredReader:
    """Waits for the real reader until the process is connected to the cluster."""

    def __init__(self) -> None:
        self._is_set = asyncio.Event()
        self._real: ClusterReader | None = None

    def set_reader(self, real: ClusterReader) -> None:
        """Set the real reader; waiting reviews go on."""
        self._real = real
        self._is_set.set()

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Wait for the real reader, and ask it."""
        await self._is_set.wait()
        assert self._real is not None
        return await self._real.find(pool, address_set)

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Ask the real reader, if it is set."""
        return await self._real.address_sets() if self._real else {}


class FakeReader:
    """Answers from a table of addresses; their IPAddresses are called `ip-0`, `ip-1` and so on."""

    def __init__(self, table: Mapping[pools.PoolKey, Sequence[str]] | None = None) -> None:
        self.table = dict(table or {})
        self.pools: dict[pools.PoolKey, AddressSet] = {}
        self.broken: ClusterReadError | None = None
        self.silent = False

    async def find(self, pool: pools.PoolKey, address_set: AddressSet | None) -> Found:
        """Return the IPAddresses of the table."""
        await self._answer()
        if self.broken:
            raise self.broken
        found = Found()
        for number, address in enumerate(self.table.get(pool, ())):
            if has(address_set, address):
                found.add(Holder(Key(pool.namespace or "default", f"ip-{number}"), address))
        return found

    async def address_sets(self) -> Mapping[pools.PoolKey, AddressSet]:
        """Return `pools`."""
        await self._answer()
        return self.pools

    async def _answer(self) -> None:
        if self.silent:
            await asyncio.Event().wait()
