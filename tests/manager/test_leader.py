# SPDX-License-Identifier: Apache-2.0
"""The leader shows what its controller knows, for as long as that runs."""

import asyncio
import contextlib
from typing import Any

import builders
from prometheus_client import REGISTRY

from controller.election import Election
from kube import metrics
from kube.tasks import together
from manager import leader
from objects import informers


def free() -> float | None:
    labels = {"kind": "InClusterIPPool", "namespace": "default", "name": "blue"}
    return REGISTRY.get_sample_value("capi_ipam_in_cluster_pool_addresses_free", labels)


async def test_pools_are_shown_while_the_controller_runs_and_no_longer() -> None:
    api: Any = builders.ServingApi()
    api.pool("10.0.0.5")
    supervisor = informers.InformerSupervisor(
        api, informers.Scope(), lambda _: contextlib.nullcontext()
    )
    assert free() is None

    election = Election()
    control = leader._control(api, supervisor, election)
    task = asyncio.create_task(together(supervisor.run(), control))
    await supervisor.current()
    await asyncio.sleep(0.05)
    assert (free(), metrics.SERVED.queues) == (None, {})  # a standby shows nothing
    election.win()
    async with asyncio.timeout(10):
        while not metrics.SERVED.queues:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)
    assert free() == 1
    assert set(metrics.SERVED.queues) == {"ipaddressclaim", "pool"}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert free() is None
    assert metrics.SERVED.queues == {}
