# SPDX-License-Identifier: Apache-2.0
"""Admission sees every IPAddress whose create was answered before the review began."""

import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest

from envtest import client, errors, manifests, waiting
from envtest.controlplane import tenants

pytestmark = pytest.mark.own_cluster  # where there are many addresses, reviews take longer

ROUNDS = 30


def address(tenant: tenants.Tenant, number: int) -> client.Json:
    """Return the IPAddress 10.0.0.1 of pool number such, by nobody whom the controller knows."""
    version, claim = tenant.provider.ipam_version, f"claim-{number}"
    return manifests.address(
        f"address-{number}", "10.0.0.1", f"pool-{number}", version=version, claim_name=claim
    )


def strand(tenant: tenants.Tenant, number: int) -> bool:
    """Take 10.0.0.1 out of a pool; return whether that was allowed."""
    try:
        tenant.pools().merge(f"pool-{number}", {"spec": {"addresses": ["10.0.0.2"]}})
    except errors.RefusedError as refused:
        if (refused.code, "10.0.0.1" in refused.message) == (400, True):
            return False
        raise
    return True


def add_pools(tenant: tenants.Tenant) -> range:
    for number in range(ROUNDS):
        tenant.add_pool(f"pool-{number}", "10.0.0.1-10.0.0.2")
    return range(ROUNDS)


def test_an_address_that_was_just_created_is_never_stranded(tenant: tenants.Tenant) -> None:
    for number in add_pools(tenant):
        tenant.addresses.create(address(tenant, number))

        assert not strand(tenant, number)


def test_only_what_is_created_during_the_review_may_be_stranded(tenant: tenants.Tenant) -> None:
    first, *_, last = range(ROUNDS)

    def take(number: int, answered: threading.Event) -> float:
        if number == last:
            answered.wait()
        else:
            time.sleep(number * 0.002)  # from long before the review to well after it
        tenant.addresses.create(address(tenant, number))
        return time.monotonic()

    def race(number: int) -> tuple[bool, bool]:
        answered = threading.Event()
        with ThreadPoolExecutor() as other:
            taken = other.submit(take, number, answered)
            if number == first:
                taken.result()
            time.sleep(ROUNDS * 0.001)
            began = time.monotonic()
            try:
                allowed = strand(tenant, number)
            finally:
                answered.set()
            return allowed, taken.result() < began

    outcomes = [race(number) for number in add_pools(tenant)]

    assert (True, True) not in outcomes
    assert (outcomes[first], outcomes[last]) == ((False, True), (True, False))


@pytest.fixture
def standby(tenant: tenants.Tenant) -> Generator[tenants.Tenant]:
    """Let the manager that serves the webhooks be one that does not lead."""
    provider = tenant.provider
    leader = provider.new_manager("leader")
    provider.manager.stop()
    leader.run()
    waiting.until("the other leads", provider.holder, bool)
    provider.manager.run()
    yield tenant
    leader.stop()


def test_a_replica_that_slept_or_does_not_lead_sees_them_too(standby: tenants.Tenant) -> None:
    tenant = standby
    numbers = add_pools(tenant)
    tenant.provider.manager.signal(signal.SIGSTOP)
    try:
        for number in numbers:
            tenant.addresses.create(address(tenant, number))
        with ThreadPoolExecutor(8) as clients:
            answers = [clients.submit(strand, tenant, number) for number in numbers]
            time.sleep(0.5)
            tenant.provider.manager.signal(signal.SIGCONT)
    finally:
        tenant.provider.manager.signal(signal.SIGCONT)

    assert not any(answer.result() for answer in answers)


MANY = 501  # more than a page of a list: the cache's watch has to be proven fresh


def test_an_address_that_was_just_created_is_seen_beside_many_others(
    tenant: tenants.Tenant,
) -> None:
    pools = [tenant.add_pool(f"pool-{number}", "10.0.0.1-10.0.0.2") for number in range(4)]
    crowd = [address(tenant, 1000 + number) for number in range(MANY)]
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(tenant.addresses.create, crowd))
    time.sleep(3.0)  # long enough for all watches to be quiet

    for number in range(len(pools)):
        tenant.addresses.create(address(tenant, number))

        assert not strand(tenant, number)
    assert "lags behind" not in tenant.provider.manager.log.read_text()
