# SPDX-License-Identifier: Apache-2.0
"""Two replicas behind a Service: conversion never fails while one starts and the other stops.

Each connection of the API server leads to one replica, and stays in use until somebody closes it.
The relay spreads connections, and enough are open for both replicas to be asked at all times.
tests/e2e/test_rolling_update.py has the API server that chooses a replica for each review.
"""

import itertools
import signal
import time
from collections.abc import Generator

import pytest

from envtest import plugin, waiting
from envtest.controlplane import manager, provider, relay, tenants
from envtest.controlplane.readers import Readers
from envtest.ports import free_port

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
def service(make_log_folder: plugin.MakeFolder) -> Generator[Service]:
    with relay.Relay(spread=True) as between:
        own = provider.Provider(make_log_folder(), flags=FLAGS, webhook_port=between.port)
        try:
            own.control_plane.start()
            own.install()
            yield Service(own, between)
        finally:
            own.stop()


def test_no_conversion_fails_while_replicas_come_and_go(service: Service) -> None:
    first = service.start()
    tenant = tenants.Tenant(service.own, service.own.new_namespace("team"))
    readers = Readers(tenant)

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
