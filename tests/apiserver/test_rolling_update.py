# SPDX-License-Identifier: Apache-2.0
"""Two replicas behind a Service: conversion never fails while one starts and the other stops.

Since Kubernetes 1.37, an API server with `--enable-aggregator-routing` sends each review to another
replica (the feature WebhookRoundTripLoadBalancing); else each connection leads to one of them.  The
relay spreads connections, and enough are open for both replicas to be asked at all times.
"""

import contextlib
import itertools
import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from envtest import manager, manifests, plugin, provider, relay, tenants, waiting
from envtest.client import Resource
from envtest.errors import RefusedError
from envtest.ports import free_port

CLIENTS = 8
POOLS = 10
LEARN_SECONDS = 1.0
"""In which the Service's endpoints follow a replica that is not ready any more."""

FLAGS = (*manager.LEASE_FLAGS, "--shutdown-delay=3s")  # as in the Deployment


class Service:
    """The Service, and the API server behind which its users read pools."""

    def __init__(self, own: provider.Provider, between: relay.Relay) -> None:
        self.own = own
        self._relay = between
        self._names = itertools.count(1)

    def start(self) -> tuple[manager.Manager, int]:
        """Start a replica, and let it into the Service when it is ready."""
        port = free_port()
        replica = self.own.new_manager(f"replica-{next(self._names)}", webhook_port=port)
        replica.run()
        self._relay.targets = (*self._relay.targets, port)
        return replica, port

    def stop(self, replica: manager.Manager, port: int) -> None:
        """Stop a replica; the Service learns of it a little later, and cuts no connection."""
        replica.signal(signal.SIGTERM)
        time.sleep(LEARN_SECONDS)
        self._relay.targets = tuple(each for each in self._relay.targets if each != port)
        assert replica.wait() == 0


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    with relay.Relay(spread=True) as between:
        own = provider.Provider(
            plugin.log_folder(tmp_path_factory), flags=FLAGS, webhook_port=between.port
        )
        try:
            own.control_plane.start()
            own.install()
            yield Service(own, between)
        finally:
            own.stop()


class Readers:
    """Old clients that read pools for the length of a block."""

    def __init__(self, pools: Resource) -> None:
        self._pools = pools
        self._over = threading.Event()
        self.reads = 0
        self.failures: list[str] = []

    @contextlib.contextmanager
    def at_work(self) -> Generator[None]:
        with ThreadPoolExecutor(CLIENTS) as executor:
            done = [executor.submit(self._read, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self._over.set()
        for each in done:
            each.result()

    def _read(self, number: int) -> None:
        while not self._over.is_set():
            try:
                self._pools.get(f"pool-{number % POOLS}")
            except RefusedError as error:
                self.failures.append(f"{time.strftime('%X')} {error}")
            self.reads += 1


def test_no_conversion_fails_while_replicas_come_and_go(service: Service) -> None:
    first = service.start()
    tenant = tenants.Tenant(service.own, service.own.new_namespace("team"))
    for number in range(POOLS):
        spec = {"subnet": f"10.0.{number}.0/24"}
        tenant.pools(version="v1alpha1").create(
            manifests.pool(f"pool-{number}", spec, version="v1alpha1")
        )
    readers = Readers(tenant.pools(version="v1alpha1"))

    with readers.at_work():
        second = service.start()
        service.stop(*first)
        third = service.start()
        service.stop(*second)
        before = readers.reads
        waiting.until(
            "the last one answers alone", lambda: readers.reads, lambda it: it > before + 100
        )

    assert readers.failures == []
    assert third[0].running
