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

from kube.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube import pools
    from kube.client import Api

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

        Flow:
            The pool is read in each version that the API server needs.  A GET without a
            resourceVersion is converted anew; a list may come from the API server's cache.

        Guarantees:
            A pool that only clients of the hub version write costs no request.
        """
        for resource in pool.spoke_writers:
            if wait := max(self._not_before - self._clock(), 0.0):
                return wait
            try:
                await self._api.get(resource, pool.metadata.namespace, pool.metadata.name)
            except ApiError as error:  # it is gone, or the version is, or nobody may look
                log.debug("conversion is not tried", object=str(pool.key), error=str(error))
            except UnreachableError as error:
                log.warning("pool is not written yet", object=str(pool.key), error=str(error))
                self._not_before = self._clock() + _AGAIN_SECONDS
                return _AGAIN_SECONDS
        return 0.0
