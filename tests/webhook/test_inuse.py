# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest

from ipam.address_sets import AddressSet
from objects import pools
from webhook import inuse

BLUE = pools.PoolKey("InClusterIPPool", "default", "blue")


async def test_who_asks_early_waits_for_the_cluster() -> None:
    later = inuse.Later()
    question = asyncio.create_task(later.find(BLUE, None))
    await asyncio.sleep(0)
    assert not question.done()

    later.give(inuse.FakeInUse({BLUE: ["10.0.0.1"]}))

    assert [holder.address for holder in (await question).few] == ["10.0.0.1"]


async def test_who_asks_early_for_other_pools_does_not_wait() -> None:
    later, real = inuse.Later(), inuse.FakeInUse()
    real.pools = {BLUE: AddressSet()}
    assert await later.address_sets() == {}

    later.give(real)

    assert await later.address_sets() == {BLUE: AddressSet()}


async def test_the_fake_can_be_broken() -> None:
    fake = inuse.FakeInUse()
    assert (await fake.find(BLUE, None)).count == 0

    fake.broken = inuse.InUseError("broken")

    with pytest.raises(inuse.InUseError):
        await fake.find(BLUE, None)
