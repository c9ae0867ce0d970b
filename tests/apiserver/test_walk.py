# SPDX-License-Identifier: Apache-2.0
"""The example in the docstring of `kube` is a controller that works on a real API server."""

import asyncio
import contextlib

from walk import example

from envtest.controlplane import control_plane, tenants
from kube.client import Client
from kube.connect import connect


async def test_the_example_counts_the_entries_of_a_config_map(tenant: tenants.Tenant) -> None:
    maps = tenant.provider.admin.resource("v1", "configmaps", tenant.namespace)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "2"}}
    maps.create(body | {"metadata": {"name": "settings"}})
    plane = tenant.provider.control_plane
    connection = await connect(
        str(plane.kubeconfig("entries", [control_plane.ADMIN_GROUP])), "test"
    )
    running = asyncio.create_task(example().Controller(Client(connection), tenant.namespace).run())
    try:
        async with asyncio.timeout(20):
            while maps.get("settings")["data"].get("entries") != "2":  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await connection.close()
