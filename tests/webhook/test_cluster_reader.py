# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest
from builders import BLUE

from ipam.address_sets import AddressSet
from webhook import cluster_reader


async def test_who_asks_early_waits_for_the_cluster() -> None:
    deferred_reader = cluster_reader.DeferredReader()
    question = asyncio.create_task(deferred_reader.find(BLUE, None))
    await asyncio.sleep(0)
    assert not question.done()

    deferred_reader.set_reader(cluster_reader.FakeReader({BLUE: ["10.0.0.1"]}))

    assert [holder.address for holder in (await question).few] == ["10.0.0.1"]


async def test_who_asks_early_for_other_pools_does_not_wait() -> None:
    deferred_reader, real = cluster_reader.DeferredReader(), cluster_reader.FakeReader()
    real.pools = {BLUE: AddressSet()}
    assert await deferred_reader.address_sets() == {}

    deferred_reader.set_reader(real)

    assert await deferred_reader.address_sets() == {BLUE: AddressSet()}


async def test_the_fake_can_be_broken() -> None:
    fake = cluster_reader.FakeReader()
    assert (await fake.find(BLUE, None)).count == 0

    fake.broken = cluster_reader.ClusterReadError("broken")

    with pytest.raises(cluster_reader.ClusterReadError):
        await fake.find(BLUE, None)
