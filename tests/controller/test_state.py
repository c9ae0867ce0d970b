# SPDX-License-Identifier: Apache-2.0
"""What an IPAddress has, by the kind of its pool, and which claims wait for anything."""

import asyncio
from typing import Any

import builders
import pytest
import running
from builders import CONTRACT

from api.resources import GROUP
from controller import state
from kube.testing.fake import Json
from objects import clusterapi
from objects.informers import Informers, Scope
from objects.metadata import RELEASE_FINALIZER, Metadata
from objects.references import TypedReference

BOUND: Json = {"addressRef": {"name": "web"}}


def held(kind: str, address: str, prefix: int | None) -> str:
    reference = TypedReference(api_group=GROUP, kind=kind, name="blue")
    spec = clusterapi.AddressSpec(pool_ref=reference, address=address, prefix=prefix)
    found = state.held(
        clusterapi.IPAddress(metadata=Metadata(name="web", namespace="default"), spec=spec)
    )
    return f"{state.Address(found.family, found.value)}/{found.length}" if found else "nothing"


@pytest.mark.parametrize(
    ("address", "prefix", "has"),
    [
        ("fd00::", 62, "fd00::/62"),
        ("fd00::1", 128, "fd00::1/128"),
        ("fd00::1", 64, "fd00::1/64"),
        ("fd00::", 0, "fd00::/0"),
        ("fd00::", None, "fd00::/128"),
        ("fd00::", 129, "fd00::/128"),
        ("fd00::", -1, "fd00::/128"),
        ("10.0.0.1", 24, "10.0.0.1/24"),
        ("10.0.0.1", 64, "10.0.0.1/32"),
        ("web.local", 64, "nothing"),
    ],
)
def test_an_ipaddress_of_a_prefix_pool_has_its_network(
    address: str, prefix: int | None, has: str
) -> None:
    assert held("InClusterPrefixPool", address, prefix) == has
    assert held("GlobalInClusterPrefixPool", address, prefix) == has


@pytest.mark.parametrize(
    ("address", "has"), [("10.0.0.1", "10.0.0.1/32"), ("fd00::1", "fd00::1/128")]
)
def test_an_ipaddress_of_an_ip_pool_has_its_address_in_whatever_subnet(
    address: str, has: str
) -> None:
    assert held("InClusterIPPool", address, 24) == has
    assert held("GlobalInClusterIPPool", address, 0) == has


def claim(name: str, status: Json, **metadata: Any) -> Json:
    return builders.claim(name, status=status, **metadata)


def foreign(name: str) -> Json:
    """Return a claim on a pool of another provider."""
    body = claim(name, {})
    body["spec"]["poolRef"]["apiGroup"] = "example.com"
    return body


def address(name: str) -> Json:
    return builders.address(name, "10.0.0.5")


def names(known: state.State) -> set[str]:
    return {key.name for key in known.waiting}


async def test_who_has_no_address_or_is_being_deleted_waits() -> None:
    api = builders.Api()
    at = "2026-01-01T00:00:00Z"
    api.add(
        claim("new", {}), claim("bound", BOUND), claim("unbound", {}), claim("lost", BOUND),
        claim("deleted", BOUND, deletionTimestamp=at, finalizers=["x"]),
        foreign("foreign"),
    )  # fmt: skip
    for name in ("bound", "unbound", "deleted", "alone"):
        api.add(address(name))
    known = state.State(Informers(api, CONTRACT, Scope()))

    await running.fill(known)

    assert names(known) == {"new", "unbound", "lost", "deleted"}


async def test_who_waits_is_known_at_each_change() -> None:
    api = builders.Api()
    known = state.State(Informers(api, CONTRACT, Scope()))
    await running.fill(known)
    seen: list[set[str]] = []

    async def hear() -> None:
        for informer in (known.claims, known.addresses):
            await informer.sync()
        seen.append(names(known))

    with known.following():
        api.add(claim("web", {}))
        await hear()
        api.add(address("web"))
        await hear()
        api.add(claim("web", BOUND))
        await hear()
        api.remove(CONTRACT.addresses, "default", "web")
        await hear()
        api.remove(CONTRACT.claims, "default", "web")
        await hear()

    assert seen == [{"web"}, {"web"}, set(), {"web"}, set()]


async def test_a_record_without_an_ipaddress_is_in_flight_for_a_new_leader_bound_or_not() -> None:
    api = builders.Api()
    record: Json = {
        "annotations": {"ipam.cluster.x-k8s.io/address": "10.0.0.5"},
        "finalizers": [RELEASE_FINALIZER],
    }
    api.add(
        claim("lost", BOUND, **record), claim("sent", {}, **record), claim("new", {}),
        claim("held", BOUND, **record),
    )  # fmt: skip
    api.add(address("held"))
    known = state.State(Informers(api, CONTRACT, Scope()))
    await known.informers.sync()
    changing = asyncio.create_task(known.changes.run())
    await known.build()
    changing.cancel()
    assert known.in_flight == {}  # a standby has nothing under way

    await known.mark_records_in_flight()

    assert {key.name for key in known.in_flight} == {"lost", "sent"}
