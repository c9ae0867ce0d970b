# SPDX-License-Identifier: Apache-2.0
"""What a pool offers is worked out once for each spec, and that of a large one in a thread."""

import asyncio
import threading

import builders
import pytest

from ipam.address_sets import AddressSet
from objects import pools
from objects.address_sets import AddressSetCache

LARGE = tuple(f"10.0.{number // 256}.{number % 256}" for number in range(501))


def pool(*addresses: str, name: str = "blue") -> pools.Pool:
    return builders.decoded(builders.pool(*addresses, name=name, prefix=8))


class Work:
    """Counts how often an offer is worked out, and in which thread."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.threads: list[int] = []
        self.at_once = self.most = 0
        self._real = pools.address_set_of
        patch.setattr(pools, "address_set_of", self)

    def __call__(self, pool: pools.Pool) -> AddressSet:
        self.threads.append(threading.get_ident())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            return self._real(pool)
        finally:
            self.at_once -= 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


async def test_a_small_address_set_is_there_at_once_and_computed_once(work: Work) -> None:
    offers = AddressSetCache()

    first = offers.now(pool("10.0.0.5"))

    assert first is not None
    assert offers.now(pool("10.0.0.5")) is await offers.get(pool("10.0.0.5")) is first
    assert work.threads == [threading.get_ident()]


async def test_a_large_address_set_is_computed_once_in_a_thread_for_all(work: Work) -> None:
    offers = AddressSetCache()
    assert offers.now(pool(*LARGE)) is None

    found = await asyncio.gather(*(offers.get(pool(*LARGE)) for _ in range(5)))

    assert {each.total for each in found} == {500}  # 10.0.0.0 is reserved
    assert offers.now(pool(*LARGE)) is found[0]
    assert len(work.threads) == 1
    assert threading.get_ident() not in work.threads


async def test_one_large_address_set_at_a_time_is_computed(work: Work) -> None:
    offers = AddressSetCache()

    await asyncio.gather(*(offers.get(pool(*LARGE, name=f"p-{n}")) for n in range(5)))

    assert (len(work.threads), work.most) == (5, 1)


async def test_another_spec_has_another_address_set(work: Work) -> None:
    offers = AddressSetCache()
    await offers.get(pool(*LARGE))

    assert offers.now(pool("10.1.0.0", *LARGE)) is None
    assert (await offers.get(pool("10.0.0.5"))).total == 1
    assert len(work.threads) == 2


async def test_the_address_set_of_a_deleted_pool_is_forgotten() -> None:
    offers = AddressSetCache()
    offers.now(gone := pool("10.0.0.5"))

    offers.forget(gone.key)
    offers.forget(gone.key)

    assert offers._known == {}
