# SPDX-License-Identifier: Apache-2.0
"""The commands take time in proportion to the number of pools."""

import json
import time
from collections.abc import Awaitable, Callable
from functools import partial

import builders
import pytest
from snapshots import Objects

from cli.kubectl import pools, show, usage
from cli.kubectl.check.objects import findings
from cli.kubectl.map import pages
from cli.kubectl.map.model import Model, Reader
from cli.kubectl.map.overlay import Manifest
from cli.kubectl.map.what_if import WhatIf
from kube.testing.fake import Json

FEW, MANY = 200, 1600
MOST = 24  # times as much CPU time: 8 in proportion, 64 if each pool is compared with all others


def manifest(number: int, *, alike: bool) -> Json:
    address = "10.0.0.1" if alike else f"10.0.{number // 250}.{number % 250 + 1}"
    return builders.pool(address, name=f"p{number}", prefix=16)


async def planned(number: int, *, alike: bool) -> Model:
    """Return a cluster with half of the pools of a manifest, and what the manifest changes."""
    objects = Objects()
    for each in range(0, number, 2):
        objects.pool(f"10.1.{each // 250}.{each % 250 + 1}", name=f"p{each}", prefix=16)
    model = await Reader(objects.api, "", "").model(await objects.snapshot())
    items = [manifest(each, alike=alike) for each in range(number)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    return await WhatIf(objects.api, "default").changed(model, Manifest.read(text))


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU time of some work."""
    begin = time.process_time()
    await work()
    return time.process_time() - begin


@pytest.mark.parametrize("alike", [False, True], ids=["apart", "alike"])
async def test_a_plan_takes_time_in_proportion_to_its_pools(*, alike: bool) -> None:
    few = await seconds(partial(planned, FEW, alike=alike))
    many = await seconds(partial(planned, MANY, alike=alike))

    assert many < MOST * few


async def test_an_export_takes_time_in_proportion_to_its_pools() -> None:
    async def export(model: Model) -> None:
        pages.export(model)

    models = [await planned(number, alike=False) for number in (FEW, FEW, MANY)]
    _, few, many = [await seconds(partial(export, model)) for model in models]

    assert many < MOST * few


async def test_overlaps_of_many_pools_are_counted_and_the_first_are_named() -> None:
    objects = Objects()
    keys = [objects.pool("10.0.0.1", name=f"p{number}") for number in range(13)]
    read = await objects.snapshot()
    usages = usage.of(read)

    (last,) = pools.reports_on(keys[-1:], usages)
    causes = [each.cause for each in findings(read, usages, "") if each.object.name == "p12"]

    assert (last.overlapping, len(last.overlaps)) == (12, 10)
    assert [each.plain for each in show.answer(usages, keys[-1], {}, read).notes[1:]] == [
        *(f"overlap: {each}" for each in last.overlaps),
        "overlap: with 2 more pools",
    ]
    assert causes == [*last.overlaps, "shares addresses with 2 more pools"]
