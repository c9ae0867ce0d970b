# SPDX-License-Identifier: Apache-2.0
"""Our Events: in whose name they are written, and that a pool gets those of its many claims."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kube.events import Recorder, Subject
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.client import Api
    from objects.pools import PoolKey

CONTROLLER = "ipam.cluster.x-k8s.io/in-cluster"
"""The `reportingController` of our Events."""


def recorder(
    api: Api,
    pool_of: Callable[[PoolKey], pools.Pool | None],
    clock: Callable[[], float] = time.monotonic,
) -> Recorder[PoolKey]:
    """Return a recorder that writes one Event of a pool for many Events of its claims."""

    def subject_of(key: PoolKey) -> Subject | None:
        pool = pool_of(key)
        return Subject(pools.RESOURCES[pool.kind], pool.metadata) if pool else None

    return Recorder(api, CONTROLLER, subject_of, "claims", clock)
