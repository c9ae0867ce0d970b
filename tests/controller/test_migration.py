# SPDX-License-Identifier: Apache-2.0
"""Migration on an API server in memory; tests/apiserver has one whose storage really changes."""

import asyncio
from collections.abc import Callable
from typing import Any

import builders
import pytest
from builders import CRD, CRDS, POOLS
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from typing_extensions import override

from controller import migration, rewriting
from controller.storage_version_migrations import MIGRATIONS
from kube import client, errors
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource

PATH = POOLS.path("default", "a")
INVALID = errors.ApiError(422, "Invalid", "spec.prefix: too long", "PATCH a")
UNSERVED = errors.from_response(404, b"404 page not found\n", "POST storageversionmigrations")
BARE = errors.from_response(404, b"404 page not found\n", f"PATCH {PATH}")


class Clock:
    """Sleeps that take no time; `sleep` ends everything when there are enough of them."""

    def __init__(self, api: builders.Api, enough: int = 1_000) -> None:
        self.api, self.enough = api, enough
        self.slept: list[float] = []
        self.written: list[int] = []
        """How much was written before each sleep."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.written.append(len(self.api.writes))
        if len(self.slept) >= self.enough:
            raise asyncio.CancelledError


class Meanwhile(builders.Api):
    """An API server where somebody does something just before each patch of a resource."""

    def __init__(self) -> None:
        super().__init__()
        self.plural = ""
        self.do: Callable[[builders.Api], object] = id
        self.asked = 0

    def before(self, plural: str, do: Callable[[builders.Api], object]) -> None:
        self.plural, self.do = plural, do

    @override
    async def before_patch(self, resource: ApiResource, name: str) -> None:
        if resource.plural == self.plural:
            self.asked += 1
            self.do(self)


def api_with(stored: list[str], names: list[str]) -> Meanwhile:
    api = Meanwhile()
    api.refusals[MIGRATIONS.plural] = UNSERVED
    api.define(stored)
    for name in names:
        api.pool(name=name)
    return api


async def migrate(api: builders.Api) -> rewriting.Refused | None:
    return await migration.Migration(api, Clock(api).sleep).migrate(POOLS)


async def keep(api: builders.Api, sleeps: int) -> list[float]:
    """Keep on for so many sleeps, and return how long they were."""
    clock = Clock(api, sleeps)
    with pytest.raises(asyncio.CancelledError):
        await migration.Migration(api, clock.sleep).keep()
    return clock.slept


def touch(api: builders.Api, resource: Any, namespace: str, name: str) -> None:
    """Write an object as others do who change something else of it."""
    found: Any = api.read(resource, namespace, name)
    api.put(resource, found)


def stored_versions(api: builders.Api) -> Any:
    found = api.read(CRDS, "", CRD)
    assert found is not None
    return found["status"]["storedVersions"]


def rewritten(api: builders.Api) -> list[str]:
    return [name for verb, plural, name in api.writes if (verb, plural) == ("patch", POOLS.plural)]


def value(name: str) -> float:
    return REGISTRY.get_sample_value(f"capi_ipam_in_cluster_{name}", {"kind": POOLS.kind}) or 0


async def test_every_object_is_written_before_the_old_version_is_forgotten() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])

    assert await migrate(api) is None

    assert [(verb, name) for verb, _, name in api.writes[:3]] == [
        ("patch", "a"),
        ("patch", "b"),
        ("patch status", CRD),
    ]
    assert stored_versions(api) == ["v1alpha2"]
    assert [plural for verb, plural, _ in api.writes if verb == "create"] == ["events"]


async def test_objects_on_later_pages_are_written_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAGE", 2)
    names = ["a", "b", "c", "d", "e"]
    api = api_with(["v1alpha1", "v1alpha2"], names)

    await migrate(api)

    assert rewritten(api) == names
    assert stored_versions(api) == ["v1alpha2"]


async def test_all_pages_are_read_before_the_first_write_since_the_token_of_a_page_ages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Compacted(Meanwhile):
        """The history of a list is gone as soon as something is written."""

        begun = 0

        async def list(self, resource: Any, options: ListOptions = EVERYTHING) -> bytes:
            if not options.continue_:
                self.begun = len(self.writes)
            elif len(self.writes) > self.begun:
                raise errors.GoneError(410, "Expired", "the token is too old", "LIST")
            return await super().list(resource, options)

    monkeypatch.setattr(client, "_PAGE", 2)
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b", "c"])
    api.__class__ = Compacted

    await migrate(api)

    assert rewritten(api) == ["a", "b", "c"]


async def test_nothing_is_written_until_each_api_server_has_heard_of_the_storage_version() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    clock = Clock(api)

    await migration.Migration(api, clock.sleep).migrate(POOLS)

    assert (clock.slept[0], clock.written[0]) == (10.0, 0)


async def test_at_most_50_objects_are_written_in_a_second() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b", "c"])
    clock = Clock(api)
    api.refusals |= {"b": INVALID}  # it costs the API server as much as the others

    await migration.Migration(api, clock.sleep).migrate(POOLS)

    assert clock.slept[1:] == [0.02, 0.02, 0.02]
    assert clock.written[1:] == [1, 1, 2]


async def test_metrics_report_its_progress() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    before = value("migrated_objects_total")
    api.fail = errors.UnreachableError("PATCH", "cut off")
    with pytest.raises(errors.UnreachableError):
        await migrate(api)
    assert value("stored_in_one_version") == 0

    await migrate(api)

    assert value("migrated_objects_total") == before + 2
    assert value("stored_in_one_version") == 1


async def test_where_only_the_present_version_is_stored_nothing_is_written() -> None:
    api = api_with(["v1alpha2"], ["a"])

    assert await migrate(api) is None

    assert api.writes == []


async def test_a_run_that_breaks_off_forgets_nothing_and_is_finished_by_the_next() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    api.fail = errors.UnreachableError("PATCH", "cut off")

    with pytest.raises(errors.UnreachableError):
        await migrate(api)
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]

    await migrate(api)
    assert stored_versions(api) == ["v1alpha2"]


@pytest.mark.parametrize("status", [400, 403, 409, 413, 422])
async def test_an_object_that_is_refused_holds_up_no_other_one(status: int) -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b", "c", "d"])
    refusal = errors.from_response(status, b'{"message": "by policy"}', f"PATCH {PATH}")
    api.refusals |= {"a": refusal, "c": INVALID}

    refused = await migrate(api)

    assert rewritten(api) == ["b", "d"]
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]
    assert str(refused) == (
        "2 objects may still be stored in an old version, because the API server refuses the write;"
        f" correct or delete each such object; the first is default/a: {refusal}"
    )


async def test_each_object_that_is_refused_is_reported_with_its_reason() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    api.refusals |= {"a": INVALID, "b": INVALID}

    with capture_logs() as logs:
        await migrate(api)

    told = [(log["object"], log["error"]) for log in logs if log["event"] == "object refused"]
    assert told == [("default/a", str(INVALID)), ("default/b", str(INVALID))]


async def test_a_metric_counts_the_objects_that_are_refused_until_none_is() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b", "c"])
    before = value("migrated_objects_total")
    api.refusals |= {"a": INVALID, "b": INVALID}
    await migrate(api)
    assert value("migration_refused_objects") == 2
    assert value("migrated_objects_total") == before + 1
    assert value("stored_in_one_version") == 0

    api.refusals = {MIGRATIONS.plural: UNSERVED}
    await migrate(api)

    assert value("migration_refused_objects") == 0
    assert value("stored_in_one_version") == 1


async def test_a_metric_counts_none_as_refused_where_somebody_else_has_migrated() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.refusals |= {"a": INVALID}
    await migrate(api)

    api.define(["v1alpha2"])
    await migrate(api)

    assert value("migration_refused_objects") == 0


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refusal_that_is_not_one_objects_fault_breaks_the_run_off(status: int) -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a", "b"])
    api.refusals |= {"a": errors.from_response(status, b"", "PATCH")}

    with pytest.raises(errors.ApiError):
        await migrate(api)

    assert rewritten(api) == []


async def test_what_others_write_meanwhile_is_stored_anew_by_them() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.before(POOLS.plural, lambda api: touch(api, POOLS, "default", "a"))

    assert await migrate(api) is None

    assert stored_versions(api) == ["v1alpha2"]


async def test_what_others_delete_meanwhile_need_not_be_stored() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.before(POOLS.plural, lambda api: api.remove(POOLS, "default", "a"))

    assert await migrate(api) is None

    assert stored_versions(api) == ["v1alpha2"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BARE, id="bare"),
        pytest.param(errors.from_response(404, b'{"reason": "NotFound"}', "PATCH"), id="status"),
    ],
)
async def test_an_object_that_is_still_there_was_not_deleted_whatever_a_404_says(
    error: errors.KubeError,
) -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.refusals |= {"a": error}

    with pytest.raises(errors.NotFoundError):
        await migrate(api)

    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]


async def test_a_kind_that_is_served_no_more_was_not_deleted_object_by_object() -> None:
    class Unserved(Meanwhile):
        async def list(self, resource: Any, options: ListOptions = EVERYTHING) -> bytes:
            if self.asked:
                raise BARE
            return await super().list(resource, options)

    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.__class__ = Unserved
    api.before(POOLS.plural, lambda _: None)
    api.refusals |= {"a": BARE}

    with pytest.raises(errors.NotFoundError, match="404 page not found"):
        await migrate(api)

    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]


def add_version(api: builders.Api) -> None:
    found: Any = api.read(CRDS, "", CRD)
    found["spec"]["versions"].append({"name": "v1beta1"})


def edit_spec(api: builders.Api) -> None:
    """Change what does not matter here, such as the conversion webhook."""
    api.define(["v1alpha1", "v1alpha2"], generation=2)


def replace(api: builders.Api) -> None:
    api.remove(CRDS, "", CRD)
    api.define(["v1alpha1", "v1alpha2"], uid="second")


@pytest.mark.parametrize("change", [add_version, edit_spec, replace])
async def test_a_definition_that_changes_meanwhile_keeps_its_versions(
    change: Callable[[builders.Api], None],
) -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.before(POOLS.plural, change)

    with pytest.raises(errors.ConflictError, match="its spec has changed"):
        await migrate(api)
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]


async def test_a_definition_whose_status_others_write_is_read_again() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.before(CRDS.plural, lambda api_: touch(api_, CRDS, "", CRD) if api.asked == 1 else None)

    assert await migrate(api) is None

    assert api.asked == 2
    assert stored_versions(api) == ["v1alpha2"]


async def test_a_definition_that_others_write_all_the_time_is_left_for_the_next_run() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.before(CRDS.plural, lambda api: touch(api, CRDS, "", CRD))

    async with asyncio.timeout(10):
        with pytest.raises(errors.ConflictError):
            await migrate(api)

    assert api.asked == 5
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]


@pytest.mark.parametrize(
    "error",
    [
        errors.ApiError(403, "Forbidden", "no", "POST"),
        errors.UnreachableError("POST", "no answer in 10 s"),
    ],
)
async def test_an_event_that_cannot_be_written_loses_nothing(error: errors.KubeError) -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.refusals |= {"events": error}

    assert await migrate(api) is None

    assert [verb for verb, *_ in api.writes] == ["patch", "patch status"]  # no Event
    assert stored_versions(api) == ["v1alpha2"]
    assert value("stored_in_one_version") == 1


async def test_a_kind_that_is_not_installed_is_left_alone() -> None:
    assert await migrate(builders.Api()) is None


async def test_a_failure_is_tried_again_soon() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.fail = errors.UnreachableError("PATCH", "cut off")

    slept = await keep(api, sleeps=5)

    assert slept == [10.0, 5.0, 10.0, 0.02, 60.0]
    assert stored_versions(api) == ["v1alpha2"]


async def test_an_object_that_is_refused_for_ever_is_asked_for_ever_more_seldom() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.refusals |= {"a": INVALID}

    slept = await keep(api, sleeps=3 * 10)

    between_runs = slept[2::3]  # a run begins with settling and one rewrite
    assert between_runs == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0]


async def test_after_a_success_the_next_failure_is_tried_again_soon() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], [])
    clock = Clock(api, enough=9)

    async def sleep(seconds: float) -> None:
        if seconds == 60.0:
            api.define(["v1alpha1", "v1alpha2"])  # another upgrade
        if len(clock.slept) in (0, 2, 6):  # the runs that fail: while they settle
            api.fail = errors.UnreachableError("PATCH", "cut off")
        await clock.sleep(seconds)

    with pytest.raises(asyncio.CancelledError):
        await migration.Migration(api, sleep).keep()

    assert clock.slept == [10.0, 5.0, 10.0, 10.0, 10.0, 60.0, 10.0, 5.0, 10.0]


async def test_a_lost_lease_ends_it() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], ["a"])
    api.fail = errors.NotLeaderError("0.0 s are left")

    with pytest.raises(errors.NotLeaderError):
        await migration.Migration(api, Clock(api).sleep).keep()


async def test_a_lease_that_is_lost_at_the_event_ends_it_too() -> None:
    api = api_with(["v1alpha1", "v1alpha2"], [])
    api.refusals |= {"events": errors.NotLeaderError("0.0 s are left")}

    with pytest.raises(errors.NotLeaderError):
        await migration.Migration(api, Clock(api).sleep).keep()


class Away(Meanwhile):
    """An API server that cannot convert for the first so many reads in an old version."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.read_as: list[str] = []

    async def get(self, resource: Any, namespace: str, name: str) -> bytes:
        if resource.plural == POOLS.plural:
            self.read_as.append(f"{resource.version} {name}")
            if len(self.read_as) <= self.times:
                raise errors.UnreachableError("GET", "conversion webhook failed")
        return await super().get(resource, namespace, name)


async def test_no_object_is_rewritten_while_that_would_cost_its_managed_fields() -> None:
    api = Away(times=2)
    api.refusals[MIGRATIONS.plural] = UNSERVED
    api.define(["v1alpha1", "v1alpha2"])
    api.pool(name="a")
    entry = {"manager": "argo", "apiVersion": f"{POOLS.group}/v1alpha1"}
    api.pool(name="b", metadata={"managedFields": [entry]})

    for _ in range(2):
        with pytest.raises(errors.UnreachableError):
            await migrate(api)
        assert stored_versions(api) == ["v1alpha1", "v1alpha2"]
    assert set(rewritten(api)) == {"a"}
    assert await migrate(api) is None

    assert rewritten(api)[-1] == "b"
    assert api.read_as == ["v1alpha1 b"] * 3
    assert stored_versions(api) == ["v1alpha2"]


async def test_an_object_that_can_never_be_converted_holds_up_no_other_one() -> None:
    api = Away(times=1)
    api.refusals[MIGRATIONS.plural] = UNSERVED
    api.define(["v1alpha1", "v1alpha2"])
    entry = {"manager": "argo", "apiVersion": f"{POOLS.group}/v1alpha1"}
    for name in ("a", "b"):
        api.pool(name=name, metadata={"managedFields": [entry]})

    assert "default/a: GET: conversion webhook failed" in str(await migrate(api))

    assert rewritten(api) == ["b"]
    assert stored_versions(api) == ["v1alpha1", "v1alpha2"]
