# SPDX-License-Identifier: Apache-2.0
"""Models of a cluster that serves more kinds than it did."""

import asyncio
import json
import pickle
import threading

import pytest
from builders import CONTRACT, ServingApi
from snapshots import Objects
from typing_extensions import override

from cli.kubectl import usage
from cli.kubectl.map import model
from cli.kubectl.snapshot import Snapshot
from kube.resources import ApiResource
from objects.pools import PoolKey

VMS = ApiResource("infrastructure.example.com", "v1", "VM", "vms")
PATIENCE_SECONDS = 20.0
LABELS = {"cluster.x-k8s.io/cluster-name": "c1"}


class Aggregated(ServingApi):
    """Serves the kinds of an infrastructure provider once it is installed."""

    installed = False

    @override
    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        now = str(self.installed)
        if etag == now:
            return None
        kinds = [{"resource": VMS.plural, "responseKind": {"kind": VMS.kind}}]
        versions = [{"version": VMS.version, "resources": kinds if self.installed else []}]
        items = [{"metadata": {"name": VMS.group}, "versions": versions}]
        return json.dumps({"kind": "APIGroupDiscoveryList", "items": items}).encode(), now


async def test_a_chain_becomes_longer_once_the_kind_of_its_owner_is_served() -> None:
    objects = Objects()
    objects.api = api = Aggregated()
    key = objects.pool("10.0.0.0/28")
    owned = {"apiVersion": VMS.api_version, "kind": VMS.kind, "name": "vm", "uid": "uid-of-vm"}
    objects.claim("web", ownerReferences=[owned])
    meta = {"name": "vm", "namespace": "default", "uid": "uid-of-vm", "labels": LABELS}
    api.put(VMS, {"metadata": meta})
    reader, seen = model.Reader(api, "", ""), list[tuple[bool, str]]()

    async def look() -> None:
        changed = await reader.refresh()
        (claim,) = (await reader.model(await objects.snapshot())).waiting(key)
        seen.append((changed, claim.cluster))

    await look()
    await look()
    api.installed = True
    await look()
    await look()

    assert seen == [(False, ""), (False, ""), (True, "c1"), (False, "c1")]


async def test_owners_are_read_again_after_a_minute() -> None:
    objects, now = Objects(), 0.0
    objects.api = api = Aggregated()
    api.installed = True
    key = objects.pool("10.0.0.0/28")
    owned = {"apiVersion": VMS.api_version, "kind": VMS.kind, "name": "vm", "uid": "uid-of-vm"}
    objects.claim("web", ownerReferences=[owned])
    meta = {"name": "vm", "namespace": "default", "uid": "uid-of-vm"}
    reader, snapshot = model.Reader(api, "", "", lambda: now), await objects.snapshot()

    async def look() -> tuple[bool, str]:
        changed = await reader.refresh()
        (claim,) = (await reader.model(snapshot)).waiting(key)
        return changed, claim.cluster

    assert await look() == (False, "")
    api.put(VMS, {"metadata": meta | {"labels": LABELS}})
    assert await look() == (False, "")
    now += 60
    assert await look() == (True, "c1")
    api.remove(VMS, "default", "vm")
    assert await look() == (False, "c1")
    now += 60
    assert await look() == (True, "")
    now += 60
    assert await look() == (False, "")


async def test_a_reader_forgets_claims_and_owners_that_are_gone() -> None:
    objects, now = Objects(), 0.0
    objects.api = api = Aggregated()
    api.installed = True
    objects.pool("10.0.0.0/16")
    reader = model.Reader(api, "", "", lambda: now)
    sizes = list[int]()

    for day in range(40):
        names = [f"vm-{day}-{number}" for number in range(20)]
        for name in names:
            meta = {"name": name, "namespace": "default", "uid": f"uid-of-{name}"}
            api.put(VMS, {"metadata": meta})
            owned = {"apiVersion": VMS.api_version, "kind": VMS.kind, "name": name}
            objects.claim(name, ownerReferences=[owned | {"uid": f"uid-of-{name}"}])
        await reader.model(await objects.snapshot())
        now += 60
        await reader.refresh()
        sizes.append(len(pickle.dumps((reader._chains, reader._owners._objects))))
        for name in names:
            api.remove(VMS, "default", name)
            api.remove(CONTRACT.claims, "default", name)

    assert sizes[-1] < 2 * sizes[1]


async def test_a_large_cluster_does_not_keep_pages_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    objects, turn = Objects(), threading.Event()
    key = objects.pool("10.0.0.0/28")
    work = usage.of

    def wait_for_a_turn(found: Snapshot) -> dict[PoolKey, usage.Usage]:
        assert turn.wait(PATIENCE_SECONDS), "nothing else ran meanwhile"
        return work(found)

    monkeypatch.setattr(usage, "of", wait_for_a_turn)
    reading = asyncio.create_task(model.Reader(objects.api, "", "").model(await objects.snapshot()))
    await asyncio.sleep(0)
    turn.set()

    assert (await reading).keys == [key]
