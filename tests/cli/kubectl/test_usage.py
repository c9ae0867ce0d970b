# SPDX-License-Identifier: Apache-2.0
"""Who holds what, who waits and what is free, by the controller's own rules."""

import asyncio

import running
from builders import BLUE, CONTRACT
from hypothesis import given
from hypothesis import strategies as st
from snapshots import Objects

from cli.kubectl import usage
from controller.state import State
from kube.meta import Key
from objects.informers import Informers, Scope
from objects.metadata import ADDRESS_ANNOTATION, RELEASE_FINALIZER
from objects.pools import PoolKey


def starts(found: usage.Usage) -> list[str]:
    return [holding.text for holding in found.holdings]


async def test_holders_are_in_the_order_of_their_addresses() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28", gateway="10.0.0.1")
    for name, address in (("a", "10.0.0.10"), ("b", "10.0.0.2"), ("c", "10.0.0.3")):
        objects.bound(name, address)

    found = (await objects.usages())[BLUE]

    assert starts(found) == ["10.0.0.2", "10.0.0.3", "10.0.0.10"]
    assert (found.used, found.held, found.free.size, found.address_set.total) == (3, 0, 11, 14)


async def test_a_record_without_an_ipaddress_is_held() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    record = {ADDRESS_ANNOTATION: "10.0.0.4"}
    objects.claim("web", annotations=record, finalizers=[RELEASE_FINALIZER])
    objects.claim("asks", annotations=record)

    found = (await objects.usages())[BLUE]

    assert [(each.key.name, each.is_held) for each in found.holdings] == [("web", True)]
    assert [claim.metadata.name for claim in found.waiting] == ["web", "asks"]
    assert found.free.size == found.address_set.total - 1


async def test_the_address_of_a_claim_that_is_being_deleted_is_held() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    objects.claim("web", bound=True, deletionTimestamp="2026-01-01T00:00:00Z")
    objects.address("web", "10.0.0.4")
    objects.address("orphan", "10.0.0.5")

    found = (await objects.usages())[BLUE]

    assert (found.used, found.held) == (2, 2)


async def test_what_the_pool_does_not_hand_out_is_outside() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    for name, address in (("in", "10.0.0.4"), ("out", "10.9.0.4"), ("bad", "ten")):
        objects.bound(name, address)

    found = (await objects.usages())[BLUE]

    assert found.outside == {Key("default", "out"), Key("default", "bad")}


async def test_addresses_that_two_ipaddresses_have_are_duplicates() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    for name, address in (("a", "10.0.0.4"), ("b", "10.0.0.4"), ("c", "10.0.0.5")):
        objects.bound(name, address)

    found = (await objects.usages())[BLUE]

    assert found.duplicates == {Key("default", "a"), Key("default", "b")}


async def test_a_pool_that_claims_name_and_that_does_not_exist_is_reported() -> None:
    objects = Objects()
    objects.claim("web", PoolKey("InClusterIPPool", "default", "gone"))

    ((key, found),) = (await objects.usages()).items()

    assert (key.name, found.pool, found.closed) == ("gone", None, usage.NO_POOL)
    assert [claim.metadata.name for claim in found.waiting] == ["web"]


@given(
    taken=st.lists(st.sampled_from([f"10.0.0.{n}" for n in range(20)] + ["10.9.0.1", "x"])),
    recorded=st.lists(st.sampled_from([f"10.0.0.{n}" for n in range(20)])),
)
def test_the_numbers_are_those_of_the_controller(taken: list[str], recorded: list[str]) -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28", gateway="10.0.0.1", excludedAddresses=["10.0.0.5"])
    for number, address in enumerate(taken):
        objects.bound(f"a-{number}", address)
    for number, address in enumerate(recorded):
        record = {ADDRESS_ANNOTATION: address}
        objects.claim(f"r-{number}", annotations=record, finalizers=[RELEASE_FINALIZER])

    async def both() -> tuple[usage.Usage, State]:
        state = State(Informers(objects.api, CONTRACT, Scope()))
        await running.fill(state)
        return (await objects.usages())[BLUE], state

    found, state = asyncio.run(both())
    counts = state.allocations_of(BLUE).counts

    assert (found.address_set.total, found.free.size) == (counts.total, counts.free)
    assert (found.used, len(found.outside)) == (counts.used, counts.out_of_range)
    assert len(found.duplicates) == state.allocations_of(BLUE).duplicates
