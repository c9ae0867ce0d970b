# SPDX-License-Identifier: Apache-2.0
"""Writes of pools that wait while the conversion webhook is away.

A write makes the API server compare the pool in each version in which somebody owns fields of it.
If conversion fails meanwhile, Kubernetes before 1.37 writes the pool without any managedFields, and
later releases do not record what the write owns.

Source: https://github.com/kubernetes/kubernetes/issues/136919
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from kube import pools
from kube.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.client import Api
    from kube.resources import GroupVersionResource

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 1.0  # an upgrade has no webhook for two or three
"""Between two tries for all pools together, since a failed one takes about as long."""


class Convertible:
    """Tells by `clock` whether a pool can be written without harm to its managedFields."""

    def __init__(self, api: Api, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._not_before = 0.0

    async def seconds_left(self, pool: pools.Pool) -> float:
        """Return how long a write of a pool has to wait; 0 is not at all.

        Guarantees:
            A pool that only clients of the hub version write costs no request.
        """
        hub = pools.KINDS[pool.kind]
        if not pool.metadata.spokes(hub):
            return 0.0
        if wait := max(self._not_before - self._clock(), 0.0):
            return wait
        try:
            await check(self._api, hub, pool.metadata)
        except UnreachableError as error:
            log.warning("pool is not written yet", object=str(pool.key), error=str(error))
            self._not_before = self._clock() + _AGAIN_SECONDS
            return _AGAIN_SECONDS
        return 0.0


async def check(api: Api, hub: GroupVersionResource, meta: pools.PoolMeta) -> None:
    """Read a pool in each version but the hub in which somebody owns fields of it.

    Flow:
        A GET without a resourceVersion is converted anew; a list may come from the API server's
        cache.  A refusal says nothing: the pool is gone, or the version, or nobody may look.

    Raises:
        UnreachableError: it cannot be read, so it should not be written now.
    """
    for resource in meta.spokes(hub):
        try:
            await api.get(resource, meta.namespace, meta.name)
        except ApiError as error:
            log.debug("conversion is not tried", object=str(meta.key), error=str(error))
