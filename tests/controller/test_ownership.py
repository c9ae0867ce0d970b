# SPDX-License-Identifier: Apache-2.0
"""managedFields of versions that are not served are translated; tests/apiserver has real ones."""

from typing import Any

import builders
import pytest
from builders import HUB, POOLS, SPOKE
from prometheus_client import REGISTRY

from controller import migration
from kube import errors
from kube.events import EVENTS
from kube.options import EVERYTHING, ListOptions


class Cluster(builders.Api):
    """Pools `a` and `b`, of which `a` was applied in v1alpha1; `lists` counts lists of pools."""

    def __init__(self, *, served: bool) -> None:
        super().__init__()
        self.lists = 0
        self.define(["v1alpha2"], versions=[SPOKE | {"served": served}, HUB])
        self.applied("a", "v1alpha1")
        self.applied("b", "v1alpha2")

    def applied(self, name: str, version: str) -> None:
        entry: Any = {
            "manager": "argo",
            "operation": "Apply",
            "apiVersion": f"{POOLS.group}/{version}",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:addresses": {}}},
        }
        self.pool("10.0.0.1-10.0.0.254", name=name, metadata={"managedFields": [entry]})

    def versions(self, name: str) -> list[str]:
        found: Any = self.read(POOLS, "default", name)
        return [entry["apiVersion"] for entry in found["metadata"]["managedFields"]]

    @property
    def rewritten(self) -> list[str]:
        return [name for _, plural, name in self.writes if plural == POOLS.plural]

    async def list(self, resource: Any, options: ListOptions = EVERYTHING) -> bytes:
        self.lists += resource.plural == POOLS.plural
        return await super().list(resource, options)


def value(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"capi_ipam_in_cluster_{name}", {"kind": POOLS.kind})


async def no_sleep(_: float) -> None: ...


async def migrate(api: Cluster) -> Any:
    return await migration.Migration(api, no_sleep).migrate(POOLS)


async def test_only_objects_that_name_a_version_not_served_are_written() -> None:
    api = Cluster(served=False)

    assert await migrate(api) is None

    assert api.rewritten == ["a"]
    assert api.versions("a") == [f"{POOLS.group}/v1alpha2"]


async def test_while_a_version_is_served_its_entries_stay() -> None:
    api = Cluster(served=True)

    assert await migrate(api) is None

    assert api.rewritten == []


async def test_entries_of_a_version_that_the_definition_has_lost_are_translated_too() -> None:
    api = Cluster(served=True)
    api.define(["v1alpha2"], versions=[HUB], generation=2)

    assert await migrate(api) is None

    assert api.versions("a") == [f"{POOLS.group}/v1alpha2"]


async def test_each_state_of_a_definition_is_looked_at_once() -> None:
    api = Cluster(served=True)
    keeper = migration.Migration(api, no_sleep)
    for _ in range(3):
        await keeper.migrate(POOLS)
    assert api.lists == 1

    api.define(["v1alpha2"], versions=[SPOKE | {"served": False}, HUB], generation=2)
    for _ in range(3):
        await keeper.migrate(POOLS)

    assert api.lists == 3  # one more has to show that nothing is left
    assert api.rewritten == ["a"]


async def test_nothing_is_looked_at_before_each_api_server_refuses_the_version() -> None:
    api = Cluster(served=False)
    slept: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        slept.append((seconds, api.lists))

    await migration.Migration(api, sleep).migrate(POOLS)

    assert slept[0] == (10.0, 0)


async def test_what_others_write_meanwhile_is_looked_at_again() -> None:
    api = Cluster(served=False)

    async def sleep(seconds: float) -> None:
        if seconds == 10.0 or "c" in str(api.rewritten):
            return
        api.applied("c", "v1alpha1")

    assert await migration.Migration(api, sleep).migrate(POOLS) is None

    assert api.rewritten == ["a", "c"]


async def test_who_writes_all_the_time_is_left_for_the_next_run() -> None:
    api = Cluster(served=False)

    async def sleep(_: float) -> None:
        api.applied("a", "v1alpha1")

    with pytest.raises(errors.ConflictError, match="all the time"):
        await migration.Migration(api, sleep).migrate(POOLS)

    assert api.rewritten == ["a"] * 5


async def test_an_object_that_is_refused_is_named_and_tried_again() -> None:
    api = Cluster(served=False)
    api.refusals = {"a": errors.ApiError(422, "Invalid", "by policy", "PATCH a")}
    keeper = migration.Migration(api, no_sleep)

    refused = await keeper.migrate(POOLS)

    assert str(refused) == (
        "1 object may still name an old version in managedFields, because the API server refuses"
        " the write; correct or delete each such object; the first is default/a: PATCH a: 422"
        " Invalid: by policy"
    )
    api.refusals = {}
    assert value("migration_refused_objects") == 1
    assert await keeper.migrate(POOLS) is None
    assert value("migration_refused_objects") == 0
    assert api.versions("a") == [f"{POOLS.group}/v1alpha2"]


async def test_entries_of_which_nothing_stays_are_taken_away_as_the_api_server_wants_it() -> None:
    """It ignores an empty list; a list with an empty entry empties managedFields."""
    api = Cluster(served=False)
    found: Any = api.read(POOLS, "default", "a")
    found["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": {"f:start": {}}}
    api.put(POOLS, found)
    bodies: list[bytes] = []

    class Recorded(Cluster):
        async def patch(self, resource: Any, *args: Any, **kwargs: Any) -> bytes:
            bodies.extend(each for each in args if isinstance(each, bytes))
            return await super().patch(resource, *args, **kwargs)

    api.__class__ = Recorded
    with pytest.raises(errors.ConflictError):  # the fake takes it as it is
        await migrate(api)

    assert b'"managedFields":[{}]' in bodies[0]


async def test_an_event_at_the_definition_says_that_it_is_done() -> None:
    api = Cluster(served=False)

    await migrate(api)

    [event] = [api.read(*place) for place in events_of(api)]
    assert event is not None
    assert event["reason"] == "ManagedFieldsTranslated"
    assert event["note"] == (
        "managedFields of 1 object translated to v1alpha2: none names a version that is not served"
    )


def events_of(api: Cluster) -> list[Any]:
    return [
        (EVENTS, "default", name)
        for verb, plural, name in api.writes
        if (verb, plural) == ("create", "events")
    ]
