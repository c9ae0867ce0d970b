# SPDX-License-Identifier: Apache-2.0
"""A fix is offered only where a manager would do the same, and does not."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import builders
import msgspec
import pytest
from builders import BLUE, CONTRACT, IP_POOL
from snapshots import Objects

from cli.kubectl import snapshot, usage
from cli.kubectl.check import finding, fixes
from kube.testing.fake import Json
from objects.metadata import (
    PAUSED_ANNOTATION,
    PROTECT_ADDRESS_FINALIZER,
    PROTECT_POOL_FINALIZER,
    RELEASE_FINALIZER,
)
from objects.pools import PoolKey

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LONG_AGO, JUST_NOW = "2025-12-31T23:49:00Z", "2025-12-31T23:51:00Z"
CLUSTER: Json = {"labels": {"cluster.x-k8s.io/cluster-name": "c1"}}
PAUSED: Json = {"annotations": {PAUSED_ANNOTATION: "true"}}


def deleted(finalizer: str, when: str = LONG_AGO, **meta: object) -> Json:
    return {"deletionTimestamp": when, "finalizers": [finalizer], **meta}


async def fixed(objects: Objects, namespace: str = "") -> list[str]:
    informers = snapshot.Informers(objects.api, CONTRACT, namespace)
    await informers.sync()
    read = informers.snapshot()
    found = await fixes.findings(objects.api, read, usage.of(read), NOW)
    return [str(each.object) for each in found]


def orphan(objects: Objects, when: str = LONG_AGO, **meta: Any) -> None:
    objects.address("web", "10.0.0.2", **deleted(PROTECT_ADDRESS_FINALIZER, when, **meta))


def claim(objects: Objects, when: str = LONG_AGO, **meta: Any) -> None:
    objects.claim("web", **deleted(RELEASE_FINALIZER, when, **meta))


def pool(objects: Objects, name: str = "red", when: str = LONG_AGO, **meta: Any) -> None:
    metadata = deleted(PROTECT_POOL_FINALIZER, when, **meta)
    objects.pool("10.1.0.1", name=name, metadata=metadata)


def of_a_running_cluster(objects: Objects) -> None:
    objects.api.cluster(paused=False)
    orphan(objects, **CLUSTER)


def both(objects: Objects) -> None:
    orphan(objects)
    claim(objects)


def both_of_a_pool_that_is_gone(objects: Objects) -> None:
    gone = BLUE._replace(name="gone")
    objects.address("web", "10.0.0.2", gone, **deleted(PROTECT_ADDRESS_FINALIZER))
    objects.claim("web", gone, **deleted(RELEASE_FINALIZER))


def of_a_pool_that_is_gone(objects: Objects) -> None:
    objects.claim("web", BLUE._replace(kind=IP_POOL, name="x"), **deleted(RELEASE_FINALIZER))


RED = PoolKey(IP_POOL, "default", "red")


def of_a_claim_on_another_pool(objects: Objects) -> None:
    orphan(objects)
    objects.claim("web", RED, finalizers=[RELEASE_FINALIZER])


def beside_an_address_of_another_pool(objects: Objects) -> None:
    claim(objects)
    objects.address("web", "10.1.0.1", RED)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (orphan, ["IPAddress default/web"]),
        (of_a_running_cluster, ["IPAddress default/web"]),
        (both, ["IPAddress default/web"]),
        (claim, ["IPAddressClaim default/web"]),
        (both_of_a_pool_that_is_gone, ["IPAddress default/web"]),
        (of_a_pool_that_is_gone, ["IPAddressClaim default/web"]),
        (of_a_claim_on_another_pool, ["IPAddress default/web"]),
        (beside_an_address_of_another_pool, ["IPAddressClaim default/web"]),
        (pool, ["InClusterIPPool default/red"]),
    ],
)
async def test_what_no_manager_releases_can_be_fixed(
    make: Callable[[Objects], None], expected: list[str]
) -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    make(objects)

    assert await fixed(objects) == expected


def an_orphan_deleted_just_now(objects: Objects) -> None:
    orphan(objects, JUST_NOW)


def an_orphan_that_is_not_deleted(objects: Objects) -> None:
    objects.address("web", "10.0.0.2", finalizers=[PROTECT_ADDRESS_FINALIZER])


def an_orphan_without_our_finalizer(objects: Objects) -> None:
    objects.address("web", "10.0.0.2", **deleted("a/b"))


def the_address_of_a_live_claim(objects: Objects) -> None:
    orphan(objects)
    objects.claim("web", finalizers=[RELEASE_FINALIZER])


def the_address_of_a_claim_that_others_need(objects: Objects) -> None:
    orphan(objects)
    objects.claim("web", **deleted(RELEASE_FINALIZER, finalizers=[RELEASE_FINALIZER, "a/b"]))


def the_address_of_a_claim_deleted_just_now(objects: Objects) -> None:
    orphan(objects)
    claim(objects, JUST_NOW)


def an_address_in_its_grace_period(objects: Objects) -> None:
    objects.pool("10.0.0.0/28", addressReuseGracePeriodSeconds=120)
    both(objects)


def an_orphan_of_a_paused_cluster(objects: Objects) -> None:
    objects.api.cluster(paused=True)
    orphan(objects, **CLUSTER)


def an_orphan_of_a_paused_pool(objects: Objects) -> None:
    objects.pool("10.0.0.0/28", metadata=PAUSED)
    orphan(objects)


def a_paused_claim(objects: Objects) -> None:
    claim(objects, **PAUSED)


def a_claim_of_a_paused_cluster(objects: Objects) -> None:
    objects.api.cluster(paused=True)
    claim(objects, **CLUSTER)


def a_paused_pool(objects: Objects) -> None:
    pool(objects, **PAUSED)


def a_claim_with_an_address(objects: Objects) -> None:
    claim(objects)
    objects.address("web", "10.0.0.2")


def a_pool_with_an_address(objects: Objects) -> None:
    pool(objects, "blue")
    objects.address("web", "10.1.0.1")


def a_pool_with_a_record(objects: Objects) -> None:
    pool(objects, "blue")
    record = {"ipam.cluster.x-k8s.io/address": "10.1.0.1"}
    objects.claim("web", finalizers=[RELEASE_FINALIZER], annotations=record)


def of_another(body: Json) -> Json:
    """Return a claim or an IPAddress with a pool of another provider."""
    body["spec"]["poolRef"]["apiGroup"] = "ipam.example.com"
    return body


def a_claim_of_another_provider(objects: Objects) -> None:
    objects.api.add(of_another(builders.claim(**deleted(RELEASE_FINALIZER))))


def an_address_of_another_provider(objects: Objects) -> None:
    made = builders.address("web", "10.0.0.2", **deleted(PROTECT_ADDRESS_FINALIZER))
    objects.api.add(of_another(made))


def the_address_of_a_claim_that_cannot_be_read(objects: Objects) -> None:
    orphan(objects)
    unreadable = builders.claim(finalizers=[RELEASE_FINALIZER]) | {"spec": {"poolRef": 1}}
    objects.api.add(unreadable)


def a_pool_with_an_address_that_cannot_be_read(objects: Objects) -> None:
    pool(objects, "blue")
    objects.api.add(builders.address("web", "10.1.0.1") | {"spec": {"poolRef": 1}})


def a_pool_deleted_just_now(objects: Objects) -> None:
    pool(objects, when=JUST_NOW)


@pytest.mark.parametrize(
    "make",
    [
        an_orphan_deleted_just_now,
        an_orphan_that_is_not_deleted,
        an_orphan_without_our_finalizer,
        the_address_of_a_live_claim,
        the_address_of_a_claim_that_others_need,
        the_address_of_a_claim_deleted_just_now,
        an_address_in_its_grace_period,
        an_orphan_of_a_paused_cluster,
        an_orphan_of_a_paused_pool,
        a_paused_claim,
        a_claim_of_a_paused_cluster,
        a_paused_pool,
        a_claim_with_an_address,
        a_pool_with_an_address,
        a_pool_with_a_record,
        a_claim_of_another_provider,
        an_address_of_another_provider,
        the_address_of_a_claim_that_cannot_be_read,
        a_pool_with_an_address_that_cannot_be_read,
        a_pool_deleted_just_now,
    ],
)
async def test_what_a_manager_keeps_is_not_fixed(make: Callable[[Objects], None]) -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    make(objects)

    assert await fixed(objects) == []


async def test_an_object_that_may_be_paused_is_not_fixed() -> None:
    objects = Objects()
    everywhere = objects.pool("10.0.0.0/28", name="all", kind="GlobalInClusterIPPool")
    objects.claim("web", everywhere, **deleted(RELEASE_FINALIZER))

    assert await fixed(objects, "default") == []
    assert await fixed(objects) == ["IPAddressClaim default/web"]


async def test_a_fix_replaces_other_findings_about_the_deletion() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    orphan(objects)
    read = await objects.snapshot()
    (stuck,) = await fixes.findings(objects.api, read, usage.of(read), NOW)
    other, outside = (
        fixes.Finding(check, "warning", stuck.object, "cause", "remedy")
        for check in (finding.Check.ADDRESS_ORPHANED, finding.Check.ADDRESS_OUT_OF_RANGE)
    )

    elsewhere = msgspec.structs.replace(other, object=finding.ObjectReference("IPAddress", "x"))
    assert fixes.merged([other, outside], [stuck], "default") == [outside, stuck]
    assert fixes.merged([elsewhere], [stuck], "default") == [elsewhere, stuck]
    assert fixes.merged([], [stuck], "team") == []
