# SPDX-License-Identifier: Apache-2.0
"""Kubernetes migrates where it can; tests/apiserver has its real controller."""

import asyncio
from typing import Any

import builders
import pytest
from builders import CRD, CRDS, HUB, POOLS
from structlog.testing import capture_logs

from controller import migration
from controller.storage_version_migrations import MIGRATIONS
from kube import errors

BOTH = ["v1alpha1", "v1alpha2"]
RUNNING = {"type": "Running", "status": "True", "reason": "MigrationRunning"}
OVER = RUNNING | {"status": "False", "reason": "MigrationCompleted"}
SUCCEEDED = {"type": "Succeeded", "status": "True"}
FAILED = {"type": "Failed", "status": "True", "message": "pool a is forbidden"}
ESTABLISHED = {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"}


class Cluster(builders.Api):
    """An API server whose clock is its sleeps; `steps` says what Kubernetes does at each look."""

    def __init__(self, *steps: list[dict[str, str]]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.looks = 0
        self.define(BOTH, ESTABLISHED)
        for name in ("a", "b"):
            self.pool(name=name)

    async def sleep(self, seconds: float) -> None:
        migration_ = self.migration
        if seconds != 2.0 or migration_ is None:
            return
        self.looks += 1
        if self.steps:
            conditions = self.steps.pop(0)
            self.put(MIGRATIONS, {**migration_, "status": {"conditions": conditions}})
            if FAILED in conditions:  # as Kubernetes 1.37.2 does
                self.define(["v1alpha2"], ESTABLISHED, migrating("MigrationFailed"))
            elif SUCCEEDED in conditions:
                self.define(["v1alpha2"], ESTABLISHED, migrating("MigrationSucceeded"))

    @property
    def migration(self) -> Any:
        return self.read(MIGRATIONS, "", CRD)

    @property
    def status(self) -> Any:
        found = self.read(CRDS, "", CRD)
        assert found
        return found["status"]

    def rewritten(self) -> list[str]:
        return [name for verb, plural, name in self.writes if (verb, plural) == RESOURCE]


RESOURCE = ("patch", POOLS.plural)


def migrating(reason: str) -> dict[str, str]:
    return {"type": "StorageMigrating", "status": "False", "reason": reason}


async def migrate(api: Cluster) -> Any:
    return await migration.Migration(api, api.sleep).migrate(POOLS)


async def test_where_kubernetes_migrates_the_manager_rewrites_nothing() -> None:
    api = Cluster([RUNNING], [RUNNING], [OVER, SUCCEEDED])

    assert await migrate(api) is None

    assert api.rewritten() == []
    assert api.status["storedVersions"] == ["v1alpha2"]
    assert ("create", MIGRATIONS.plural, CRD) in api.writes


async def test_the_migration_names_the_group_and_the_resource() -> None:
    api = Cluster([RUNNING], [OVER, SUCCEEDED])
    seen: list[Any] = []

    async def sleep(seconds: float) -> None:
        await api.sleep(seconds)
        seen.append(api.migration)

    await migration.Migration(api, sleep).migrate(POOLS)

    [spec] = {str(each["spec"]) for each in seen if each}
    assert spec == str({"resource": {"group": POOLS.group, "resource": POOLS.plural}})


async def test_no_migration_of_ours_is_left_when_it_has_ended() -> None:
    api = Cluster([RUNNING], [OVER, SUCCEEDED])

    await migrate(api)

    assert api.migration is None


async def test_the_end_is_waited_for_until_the_definition_is_written_too() -> None:
    api = Cluster([RUNNING], [RUNNING, SUCCEEDED], [OVER, SUCCEEDED])

    await migrate(api)

    assert api.looks == 3


async def test_what_nobody_takes_up_in_30_seconds_the_manager_does_and_says_so() -> None:
    api = Cluster()

    with capture_logs() as logs:
        assert await migrate(api) is None

    assert api.looks == 15
    assert api.rewritten() == ["a", "b"]
    assert api.status["storedVersions"] == ["v1alpha2"]
    assert api.migration is None
    [line] = [log for log in logs if log["event"].startswith("Kubernetes does not migrate")]
    assert (
        line["reason"] == f"StorageVersionMigration {CRD} was not started by any controller in 30 s"
    )


async def test_where_nobody_takes_one_up_no_other_one_is_made() -> None:
    api = Cluster()
    again = migration.Migration(api, api.sleep)
    await again.migrate(POOLS)
    api.define(BOTH, ESTABLISHED)

    assert await again.migrate(POOLS) is None

    assert api.looks == 15
    assert api.rewritten() == ["a", "b", "a", "b"]


async def test_what_runs_for_ten_minutes_without_an_end_the_manager_does() -> None:
    api = Cluster(*([RUNNING] for _ in range(1_000)))

    assert await migrate(api) is None

    assert api.looks == 300
    assert api.rewritten() == ["a", "b"]
    assert api.migration is None


@pytest.mark.parametrize(
    "refusal",
    [
        errors.from_response(404, b"404 page not found\n", "POST storageversionmigrations"),
        errors.from_response(403, b'{"message": "no right"}', "POST storageversionmigrations"),
        errors.from_response(422, b'{"message": "by policy"}', "POST storageversionmigrations"),
    ],
)
async def test_where_it_is_not_served_or_not_allowed_the_manager_migrates(
    refusal: errors.KubeError,
) -> None:
    api = Cluster()
    api.refusals = {MIGRATIONS.plural: refusal}

    assert await migrate(api) is None

    assert api.looks == 0
    assert api.rewritten() == ["a", "b"]


async def test_a_migration_that_another_leader_began_is_waited_for() -> None:
    api = Cluster([OVER, SUCCEEDED])
    api.put(MIGRATIONS, {"metadata": {"name": CRD}, "status": {"conditions": [RUNNING]}})

    assert await migrate(api) is None

    assert api.looks == 1
    assert api.rewritten() == []


async def test_a_migration_that_ended_before_says_nothing_about_today() -> None:
    api = Cluster([RUNNING], [OVER, SUCCEEDED])
    old = {"status": {"conditions": [OVER, SUCCEEDED]}}
    api.put(MIGRATIONS, {"metadata": {"name": CRD, "uid": "old"}, **old})

    assert await migrate(api) is None

    assert api.looks == 2


async def test_what_kubernetes_fails_to_rewrite_the_manager_rewrites() -> None:
    api = Cluster([RUNNING], [OVER, FAILED])

    with capture_logs() as logs:
        await settle(api)

    assert api.rewritten() == ["a", "b"]
    assert api.status["storedVersions"] == ["v1alpha2"]
    assert "pool a is forbidden" in {log.get("reason") for log in logs}


async def settle(api: Cluster) -> Any:
    """Migrate as `keep` does, until nothing is left to do."""
    again = migration.Migration(api, api.sleep)
    await again.migrate(POOLS)
    await again.migrate(POOLS)
    return await again.migrate(POOLS)


async def test_old_versions_that_kubernetes_forgot_too_early_are_remembered_again() -> None:
    api = Cluster()
    api.define(["v1alpha2"], ESTABLISHED, migrating("MigrationFailed"))
    api.refusals = {"a": errors.ApiError(422, "Invalid", "by policy", "PATCH a")}

    refused = await settle(api)

    assert refused is not None
    assert str(refused.first) == "default/a"
    assert api.status["storedVersions"] == BOTH
    assert ("create", MIGRATIONS.plural, CRD) not in api.writes  # it would fail again


async def test_a_failure_that_is_made_good_is_not_seen_again() -> None:
    api = Cluster()
    api.define(["v1alpha2"], ESTABLISHED, migrating("MigrationFailed"))
    await settle(api)
    before = len(api.writes)

    assert await settle(api) is None

    assert len(api.writes) == before
    assert api.status["storedVersions"] == ["v1alpha2"]
    assert api.status["conditions"][0] == ESTABLISHED
    assert api.status["conditions"][1]["reason"] == "MigrationSucceeded"


async def test_where_one_version_is_left_in_the_definition_nothing_is_put_back() -> None:
    api = Cluster()
    api.define(["v1alpha2"], migrating("MigrationFailed"), versions=[HUB], generation=2)

    async with asyncio.timeout(10):
        assert await settle(api) is None

    assert api.status["storedVersions"] == ["v1alpha2"]
