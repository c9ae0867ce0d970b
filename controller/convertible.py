# SPDX-License-Identifier: Apache-2.0
"""Delay writes of pools while the conversion webhook is unavailable.

On a write, the API server converts the pool to each version in its managedFields.  If conversion
fails, Kubernetes before 1.37 writes the pool without any managedFields, and later releases do not
record which fields the write owns.

Source: https://github.com/kubernetes/kubernetes/issues/136919
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from kube.backoff import Backoff
from kube.errors import ApiError, UnreachableError
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.client import Api
    from kube.resources import ApiResource
    from objects.pools import PoolKey

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 1.0  # an upgrade has no webhook for two or three
"""Between two attempts for all pools together, and after the first failure of one."""

_LASTING_FAILURES = 4  # in a row: an upgrade ends before


class Convertible:
    """Decides when a pool can be written without loss of its managedFields.

    Guarantees:
        A pool that can never be converted costs two attempts a minute.
    """

    def __init__(
        self, api: Api, clock: Callable[[], float], report: Callable[[pools.Pool, str], None]
    ) -> None:
        """Prepare it; `report` is called with a pool whose conversion keeps failing, and why."""
        self._api = api
        self._clock = clock
        self._report = report
        self._not_before = 0.0
        self._backoff: Backoff[PoolKey] = Backoff(_AGAIN_SECONDS, clock)

    def forget(self, key: PoolKey) -> None:
        """Forget the failures of a pool."""
        self._backoff.forget(key)

    async def seconds_left(self, pool: pools.Pool) -> float:
        """Return the seconds for which a write of a pool has to wait; 0 if it can be written.

        Guarantees:
            A pool whose managedFields name only the hub version costs no request.
        """
        hub = pools.RESOURCES[pool.kind]
        if not pool.metadata.spokes(hub):
            return 0.0
        if wait := max(self._not_before - self._clock(), self._backoff.seconds_left(pool.key), 0.0):
            return wait
        try:
            await check(self._api, hub, pool.metadata)
        except UnreachableError as error:
            return self._failed(pool, error)
        self.forget(pool.key)
        return 0.0

    def _failed(self, pool: pools.Pool, error: UnreachableError) -> float:
        log.warning("pool is not written yet", object=str(pool.key), error=str(error))
        self._not_before = self._clock() + _AGAIN_SECONDS
        seconds = self._backoff.failed(pool.key)
        if self._backoff.failures[pool.key] >= _LASTING_FAILURES:
            self._report(pool, f"status and finalizers are not written: {error}")
        return seconds


async def check(api: Api, hub: ApiResource, meta: pools.PoolMeta) -> None:
    """Read a pool in each other version that its managedFields name.

    Flow:
        A GET without a resourceVersion is always converted; a LIST may come from the API server's
        cache.  A 4xx is ignored: the pool is deleted, the version not served, or access denied.

    Raises:
        UnreachableError: the pool cannot be converted, so it should not be written now.
    """
    for resource in meta.spokes(hub):
        try:
            await api.get(resource, meta.namespace, meta.name)
        except ApiError as error:
            log.debug("conversion is not tried", object=str(meta.key), error=str(error))
