# SPDX-License-Identifier: Apache-2.0
"""Old clients that read pools without a pause, so that conversion is asked for at each moment."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from .. import manifests
from ..errors import RefusedError
from .tenants import Tenant

CLIENTS = 8  # open connections enough for two replicas to be asked all the time
OLD = "v1alpha1"


class Readers:
    """Reads pools of a tenant in the old version for the length of a block, and counts."""

    def __init__(self, tenant: Tenant[Any]) -> None:
        self._pools = tenant.pools(version=OLD)
        self._over = threading.Event()
        self.reads = 0
        self.failures: list[str] = []
        for name, number in zip(self._names, range(CLIENTS), strict=True):
            spec = {"subnet": f"10.0.{number}.0/24"}
            self._pools.create(manifests.pool(name, spec, version=OLD))

    @property
    def _names(self) -> list[str]:
        return [f"pool-{number}" for number in range(CLIENTS)]

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Read until the block ends."""
        with ThreadPoolExecutor(CLIENTS) as executor:
            done = [executor.submit(self._read, name) for name in self._names]
            try:
                yield
            finally:
                self._over.set()
        for each in done:
            each.result()

    def _read(self, name: str) -> None:
        while not self._over.is_set():
            try:
                self._pools.get(name)
            except RefusedError as error:
                self.failures.append(str(error))
            self.reads += 1
