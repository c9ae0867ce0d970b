# SPDX-License-Identifier: Apache-2.0
"""The leader shows what its controller knows, for as long as that runs."""

import asyncio
import contextlib
import json
from typing import Any

from prometheus_client import REGISTRY
from typing_extensions import override

from controller.election import Election
from kube import errors, metrics
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from kube.tasks import together
from kube.testing import fake
from manager import leader
from objects import informers, pools

SERVED = ("IPAddressClaim", "IPAddress", "Cluster")
POOLS = pools.KINDS["InClusterIPPool"]


class Cluster(fake.FakeApi):
    """A fake API server on which Cluster API is installed."""

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if resource.kind != "APIResourceList":
            return await super().list(resource, options)
        if resource.version != "v1beta2":
            raise errors.NotFoundError(404, "NotFound", "not served", "GET")
        return json.dumps({"resources": [{"kind": kind} for kind in SERVED]}).encode()


def free() -> float | None:
    labels = {"kind": "InClusterIPPool", "namespace": "default", "name": "blue"}
    return REGISTRY.get_sample_value("capi_ipam_in_cluster_pool_addresses_free", labels)


async def test_pools_are_shown_while_the_controller_runs_and_no_longer() -> None:
    api: Any = Cluster()
    meta: fake.Json = {"name": "blue", "namespace": "default"}
    api.put(POOLS, {"metadata": meta, "spec": {"addresses": ["10.0.0.5"], "prefix": 24}})
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
