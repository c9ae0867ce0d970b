# SPDX-License-Identifier: Apache-2.0
"""A migration of IP pools on a real API server, with the manager's rights, run in this process."""

import asyncio
from collections.abc import Awaitable, Callable

from controller import migration, rewriting
from envtest.controlplane import provider
from kube.client import Client
from kube.connect import connect
from objects import pools


def migrate(
    cluster: provider.Provider, sleep: Callable[[float], Awaitable[None]]
) -> rewriting.Refused | None:
    """Migrate once; `sleep` is called for each pause of the migration."""
    account = (provider.NAMESPACE, provider.SERVICE_ACCOUNT)
    config = cluster.control_plane.service_account_kubeconfig(*account)

    async def run() -> rewriting.Refused | None:
        connection = await connect(str(config), "test")
        try:
            keeper = migration.Migration(Client(connection), sleep)
            return await keeper.migrate(pools.RESOURCES["InClusterIPPool"])
        finally:
            await connection.close()

    return asyncio.run(run())
