# SPDX-License-Identifier: Apache-2.0
"""Claims that mean a pool of ours, and name it wrongly."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import builders
import pytest
import running
from builders import CONTRACT, POOLS

from controller.controller import Controller
from kube import events
from kube.testing.fake import Json
from objects.informers import Informers, Scope
from objects.metadata import WATCH_LABEL

GROUP = POOLS.group
VERSIONED = f"{GROUP}/v1beta1"
NO_GROUP: Json = {"kind": POOLS.kind, "name": "blue"}


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_COLLECT_SECONDS", 0.02)


def claim(api: builders.Api, name: str, reference: Json, **more: Any) -> None:
    api.add(builders.claim(name, **more) | {"spec": {"poolRef": reference}})


def named(group: str, kind: str = POOLS.kind) -> Json:
    return {"apiGroup": group, "kind": kind, "name": "blue"}


@contextlib.asynccontextmanager
async def at_work(api: builders.Api, scope: Scope | None = None) -> AsyncGenerator[None]:
    async with running.at_work(api, scope):
        yield
        await settled(api, "last")


async def settled(api: builders.Api, name: str) -> None:
    """Wait until the Event of a claim that is in order has come, and so all before it."""
    api.pool("10.0.0.1-10.0.0.9")
    claim(api, name, named(GROUP))
    async with asyncio.timeout(10):
        while name not in [each["regarding"]["name"] for each in told(api)]:  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.005)


def told(api: builders.Api) -> list[Json]:
    """Return the Events that exist, in the order of their creation."""
    names = dict.fromkeys(name for _, plural, name in api.writes if plural == "events")
    return [api.read(events.EVENTS, "default", name) or {} for name in names]


def warned(api: builders.Api) -> list[str]:
    """Return the names of the claims with the Event."""
    return [
        event["regarding"]["name"]
        for event in told(api)
        if event["reason"] == "InvalidPoolReference"
    ]


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        (named(VERSIONED), f'is "{VERSIONED}"'),
        (named(f"{GROUP}/v1alpha2"), f'is "{GROUP}/v1alpha2"'),
        (named(VERSIONED, "GlobalInClusterIPPool"), f'is "{VERSIONED}"'),
        (named(VERSIONED, "InClusterPrefixPool"), f'is "{VERSIONED}"'),
        (named(""), "is empty"),
        (NO_GROUP, "is empty"),
    ],
    ids=str,
)
@pytest.mark.parametrize("before", [True, False], ids=["at start", "later"])
async def test_a_claim_with_a_wrong_group_gets_the_cause_and_the_remedy(
    reference: Json, problem: str, *, before: bool
) -> None:
    api = builders.Api()
    if before:
        claim(api, "web", reference)

    async with at_work(api):
        if not before:
            claim(api, "web", reference)

    assert warned(api) == ["web"]
    [event] = [each for each in told(api) if each["regarding"]["name"] == "web"]
    assert event["type"] == "Warning"
    assert event["note"].startswith(f"spec.poolRef.apiGroup {problem}, so no provider serves")
    assert f'It must be "{GROUP}", without a version.' in event["note"]
    assert "Then delete the claim" in event["note"]
    assert len(event["note"]) < 1024


@pytest.mark.parametrize(
    "reference",
    [
        named(VERSIONED, "IPPool"),
        named("", "ConfigMap"),
        named("ipam.metal3.io/v1alpha1"),
        named("ipam.metal3.io"),
        named(f"{GROUP}.example.com/v1"),
    ],
    ids=str,
)
async def test_claims_of_other_providers_are_left_alone(reference: Json) -> None:
    api = builders.Api()
    claim(api, "web", reference)

    async with at_work(api):
        pass

    assert warned(api) == []
    assert [each for each in api.writes if each[2] == "web"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"labels": {WATCH_LABEL: "mine"}, "deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"labels": {WATCH_LABEL: "another's"}},
        {},
    ],
    ids=["it goes", "filtered", "no label"],
)
async def test_a_claim_that_is_out_of_scope_or_deleted_gets_no_event(more: Json) -> None:
    api = builders.Api()
    claim(api, "web", named(VERSIONED), **more)
    claim(api, "mine", named(VERSIONED), labels={WATCH_LABEL: "mine"})
    claim(api, "good", named(GROUP), labels={WATCH_LABEL: "mine"})
    controller = Controller(api, Informers(api, CONTRACT, Scope(watch_filter="mine")))
    task = asyncio.create_task(running.run(controller))

    async with asyncio.timeout(10):
        while not warned(api):  # noqa: ASYNC110 - it is no event
            await asyncio.sleep(0.005)
    task.cancel()

    assert warned(api) == ["mine"]


async def test_a_claim_of_another_provider_gets_no_event() -> None:
    api = builders.Api()
    claim(api, "web", named(VERSIONED))
    body = api.read(CONTRACT.claims, "default", "web") or {}
    api.put(CONTRACT.claims, {**body, "status": {"addressRef": {"name": "web"}}})

    async with at_work(api):
        pass

    assert warned(api) == []


async def test_another_change_of_the_claim_repeats_nothing() -> None:
    api = builders.Api()
    claim(api, "web", named(VERSIONED), uid="one")

    async with at_work(api):
        await settled(api, "first")
        claim(api, "web", named(VERSIONED), uid="one", annotations={"note": "changed"})

    assert warned(api) == ["web"]


async def test_a_restart_repeats_nothing() -> None:
    api = builders.Api()
    claim(api, "web", named(VERSIONED))
    async with at_work(api):
        pass

    async with at_work(api):
        await settled(api, "second")

    assert warned(api) == ["web"]


async def test_a_claim_that_was_created_again_with_the_same_fault_gets_an_event_again() -> None:
    api = builders.Api()
    claim(api, "web", named(VERSIONED), uid="one")

    async with at_work(api):
        await settled(api, "first")
        claim(api, "web", named(VERSIONED), uid="two")

    assert warned(api) == ["web", "web"]


async def test_many_such_claims_are_one_event_at_the_pool_that_they_mean() -> None:
    api = builders.Api()
    api.pool("10.0.0.1-10.0.0.9")
    for number in range(50):
        claim(api, f"web-{number:02}", named(VERSIONED))

    async with at_work(api):
        pass

    assert warned(api) == ["blue"]
