# SPDX-License-Identifier: Apache-2.0
"""Which pools a plan reads, and when."""

import json

import builders
import pytest
from builders import BLUE
from snapshots import Objects

from cli import manifests
from cli.kubectl import planner, planning, usage
from cli.kubectl.snapshot import Snapshot
from objects.pools import RESOURCES

MANIFEST = builders.pool("10.0.0.10-10.0.0.19")
DOCUMENTS = planner.pools_in([manifests.parsed("pools.json", json.dumps(MANIFEST).encode())])


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.pool("10.0.0.10")
    return found


async def change(planned: planner.Planner, snapshot: Snapshot) -> str:
    """Return what the manifest would change."""
    (found,) = await planned.changes(DOCUMENTS, snapshot, usage.of(snapshot))
    return found.plan.change


async def test_each_state_of_a_pool_is_read_once(objects: Objects) -> None:
    planned, snapshot = planner.Planner(objects.api, ""), await objects.snapshot()

    assert await change(planned, snapshot) == planning.CHANGED
    objects.pool("10.0.0.10-10.0.0.19")
    assert await change(planned, snapshot) == planning.CHANGED
    assert await change(planned, await objects.snapshot()) == planning.UNCHANGED


async def test_a_pool_that_was_just_deleted_would_be_created(objects: Objects) -> None:
    snapshot = await objects.snapshot()
    objects.api.remove(RESOURCES[BLUE.kind], BLUE.namespace, BLUE.name)

    assert await change(planner.Planner(objects.api, ""), snapshot) == planning.CREATED


async def test_a_pool_that_is_gone_is_forgotten(objects: Objects) -> None:
    stored, usages = planner.StoredPools(objects.api), await objects.usages()
    assert await stored.read([BLUE], usages)

    objects.api.remove(RESOURCES[BLUE.kind], BLUE.namespace, BLUE.name)

    assert await stored.read([BLUE], usages)  # as long as the snapshot has it
    assert await stored.read([BLUE], {}) == []
    assert await stored.read([BLUE], usages) == []
