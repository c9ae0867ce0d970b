# SPDX-License-Identifier: Apache-2.0
"""Migration on an API server in memory; tests/apiserver has one whose storage really changes."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from controller import migration
from kube import errors, fake, pools

POOLS = pools.KINDS["InClusterIPPool"]
NAME = f"{POOLS.plural}.{POOLS.group}"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(migration, "_PER_SECOND", 1_000_000)


def api_with(stored: list[str], names: list[str]) -> fake.FakeApi:
    api = fake.FakeApi()
    versions = [{"name": "v1alpha1"}, {"name": "v1alpha2", "storage": True}]
    spec, status = {"versions": versions}, {"storedVersions": stored}
    api.put(migration.CRDS, {"metadata": {"name": NAME}, "spec": spec, "status": status})
    for name in names:
        api.put(POOLS, {"metadata": {"name": name, "namespace": "default"}, "spec": {}})
    return api


def stored_versions(api: fake.FakeApi) -> Any:
    found = api.read(migration.CRDS, "", NAME)
    assert found is not None
    return found["status"]["storedVersions"]


async def test_every_object_is_written_before_the_old_version_is_forgotten() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])

    await migration.Migration(api).migrate(POOLS)

    assert [(verb, name) for verb, _, name in api.writes[:3]] == [
        ("patch", "a"),
        ("patch", "b"),
        ("patch status", NAME),
    ]
    assert stored_versions(api) == ["v1alpha2"]
    assert [plural for verb, plural, _ in api.writes if verb == "create"] == ["events"]


async def test_metrics_tell_how_far_it_is() -> None:
    def value(name: str) -> float:
        return REGISTRY.get_sample_value(f"capi_ipam_in_cluster_{name}", {"kind": POOLS.kind}) or 0

    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    before = value("migrated_objects_total")
    api.fail = errors.UnreachableError("PATCH", "cut off")
    with pytest.raises(errors.UnreachableError):
        await migration.Migration(api).migrate(POOLS)
    assert value("stored_in_one_version") == 0

    await migration.Migration(api).migrate(POOLS)

    assert value("migrated_objects_total") == before + 2
    assert value("stored_in_one_version") == 1


async def test_where_only_the_present_version_is_stored_nothing_is_written() -> None:
    api = api_with(["v1alpha2"], ["a"])

    await migration.Migration(api).migrate(POOLS)

    assert api.writes == []


async def test_a_run_that_breaks_off_forgets_nothing_and_is_finished_by_the_next() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    api.fail = errors.UnreachableError("PATCH", "cut off")
    one = migration.Migration(api)

    with pytest.raises(errors.UnreachableError):
        await one.migrate(POOLS)
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]

    await one.migrate(POOLS)
    assert stored_versions(api) == ["v1alpha2"]


async def test_what_others_write_meanwhile_is_stored_anew_by_them() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    api.fail = errors.ConflictError(409, "Conflict", "has changed", "PATCH a")

    await migration.Migration(api).migrate(POOLS)

    assert stored_versions(api) == ["v1alpha2"]


async def test_a_definition_that_changes_meanwhile_keeps_its_versions() -> None:
    class Changing(fake.FakeApi):
        """Somebody applies another definition while objects are rewritten."""

        async def patch(self, resource: Any, *args: Any, **kwargs: Any) -> bytes:
            if resource is POOLS:
                found: Any = self.read(migration.CRDS, "", NAME)
                found["spec"]["versions"].append({"name": "v1beta1"})
            return await super().patch(resource, *args, **kwargs)

    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.__class__ = Changing

    with pytest.raises(errors.ConflictError, match="its spec has changed"):
        await migration.Migration(api).migrate(POOLS)
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]


async def test_a_kind_that_is_not_installed_is_left_alone() -> None:
    await migration.Migration(fake.FakeApi()).migrate(POOLS)


async def test_a_failure_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "_AGAIN_SECONDS", 0.0)
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.fail = errors.UnreachableError("PATCH", "cut off")
    keeping = asyncio.create_task(migration.Migration(api).keep())

    async with asyncio.timeout(10):
        async for _ in api.watch(migration.CRDS):  # each change, up to the one that is waited for
            if stored_versions(api) == ["v1alpha2"]:
                break

    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


async def test_a_lost_lease_ends_it() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.fail = errors.NotLeaderError("0.0 s are left")

    with pytest.raises(errors.NotLeaderError):
        await migration.Migration(api).keep()
