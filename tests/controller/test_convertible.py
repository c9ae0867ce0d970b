# SPDX-License-Identifier: Apache-2.0
"""Writes of pools wait for conversion, where they need it.

tests/apiserver/test_webhook_away.py shows what for, on a real API server.
"""

from typing import TYPE_CHECKING

import builders
import msgspec
import pytest
import running
from builders import BLUE, CONTRACT, POOLS
from claim_world import Clock
from typing_extensions import override

from controller.convertible import Convertible
from controller.events import recorder
from controller.pool_reconciler import PoolReconciler
from controller.state import State
from kube.errors import ApiError, KubeError, NotFoundError, UnreachableError
from kube.events import EVENTS
from kube.meta import Key
from kube.resources import ApiResource
from kube.workers import Done, RequeueAfter
from objects import pools
from objects.informers import Informers, Scope

if TYPE_CHECKING:
    from kube.testing.fake import Json
    from objects.pools import PoolKey

PROTECT = "ipam.cluster.x-k8s.io/ProtectPool"
OLD, HUB = "ipam.cluster.x-k8s.io/v1alpha1", "ipam.cluster.x-k8s.io/v1alpha2"
AWAY = UnreachableError("GET", "conversion webhook failed: connection refused")


class Api(builders.Api):
    """Counts the reads in an old version, which fail as long as there is an `error`."""

    def __init__(self) -> None:
        super().__init__()
        self.error: KubeError | None = None
        self.tried: list[str] = []

    @override
    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        self.tried.append(f"{resource.version} {Key(namespace, name)}")
        if self.error:
            raise self.error
        return b"{}"

    def written(self, name: str, *versions: str, **metadata: object) -> None:
        """Create a pool that somebody wrote in some versions."""
        entries = [{"apiVersion": each, "manager": "somebody"} for each in versions]
        self.pool("10.0.0.5", name=name, metadata={"managedFields": entries, **metadata})


@pytest.fixture
def api() -> Api:
    return Api()


async def reconciler(api: Api, clock: Clock) -> PoolReconciler:
    state = State(Informers(api, CONTRACT, Scope()))
    await running.fill(state)
    return PoolReconciler(api, state, clock=clock)


def unreported(_pool: pools.Pool, _problem: str) -> None:
    """Ignore a pool that cannot be converted for long."""


def pool_in(*versions: str, name: str = "blue") -> pools.Pool:
    entries = tuple(pools.ManagedFieldsEntry(api_version=each) for each in versions)
    meta = pools.PoolMeta(name=name, namespace="default", managed_fields=entries)
    return pools.Pool(kind=POOLS.kind, metadata=meta)


@pytest.mark.parametrize("finalizers", [[], [PROTECT]], ids=["finalizer", "status"])
async def test_a_pool_is_written_after_its_conversion_was_tried(
    api: Api, finalizers: list[str]
) -> None:
    api.written("blue", HUB, OLD, finalizers=finalizers)

    assert await (await reconciler(api, Clock())).reconcile(BLUE) == Done()

    assert set(api.tried) == {"v1alpha1 default/blue"}
    assert api.writes[-1] == ("patch status", "inclusterippools", "blue")


@pytest.mark.parametrize("finalizers", [[], [PROTECT]], ids=["finalizer", "status"])
async def test_a_pool_is_not_written_while_its_conversion_fails(
    api: Api, finalizers: list[str]
) -> None:
    api.written("blue", HUB, OLD, finalizers=finalizers)
    api.error = AWAY
    clock = Clock()
    reconcile = (await reconciler(api, clock)).reconcile

    assert await reconcile(BLUE) == RequeueAfter(1.0)
    assert api.writes == []

    api.error = None
    clock.seconds = 1.0
    assert await reconcile(BLUE) == Done()
    assert api.writes[-1] == ("patch status", "inclusterippools", "blue")


async def test_a_pool_that_nobody_writes_in_an_old_version_costs_no_request(api: Api) -> None:
    api.written("blue", HUB)
    api.error = AWAY

    assert await (await reconciler(api, Clock())).reconcile(BLUE) == Done()

    assert api.tried == []


async def test_a_pool_whose_status_is_as_it_should_be_is_not_tried(api: Api) -> None:
    api.written("blue", HUB, OLD)
    await (await reconciler(api, Clock())).reconcile(BLUE)
    api.tried.clear()

    assert await (await reconciler(api, Clock())).reconcile(BLUE) == Done()

    assert api.tried == []


async def test_a_pool_that_goes_waits_for_no_conversion(api: Api) -> None:
    api.written("blue", OLD, finalizers=[PROTECT], deletionTimestamp="2026-01-01T00:00:00Z")
    api.error = AWAY

    assert await (await reconciler(api, Clock())).reconcile(BLUE) == Done()

    assert api.read(POOLS, "default", "blue") is None


@pytest.mark.parametrize(
    "error",
    [NotFoundError(404, "NotFound", "no", "GET"), ApiError(403, "Forbidden", "no", "GET")],
    ids=["a version that is served no more", "a right that is missing"],
)
async def test_a_refusal_says_nothing_about_conversion(api: Api, error: KubeError) -> None:
    api.error = error

    assert await Convertible(api, Clock(), unreported).seconds_left(pool_in(OLD)) == 0.0


async def test_a_failure_puts_off_all_pools_that_need_conversion(api: Api) -> None:
    api.error = AWAY
    clock = Clock()
    convertible = Convertible(api, clock, unreported)
    await convertible.seconds_left(pool_in(OLD))
    clock.seconds = 0.4

    assert await convertible.seconds_left(pool_in(OLD, HUB, name="red")) == pytest.approx(0.6)
    assert await convertible.seconds_left(pool_in(HUB)) == 0.0

    assert len(api.tried) == 1


async def test_a_pool_that_can_never_be_converted_is_tried_with_backoff(api: Api) -> None:
    api.error = AWAY
    clock = Clock()
    convertible = Convertible(api, clock, lambda pool, why: reports.append((pool.key, why)))
    reports: list[tuple[PoolKey, str]] = []
    waits = list[float]()
    for _ in range(7):
        waits.append(await convertible.seconds_left(pool_in(OLD)))
        clock.seconds += waits[-1]

    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert len(api.tried) == len(waits)
    assert len(reports) == 4
    assert reports[0] == (BLUE, f"status and finalizers are not written: {AWAY}")


async def test_a_pool_that_can_be_converted_again_starts_over(api: Api) -> None:
    clock = Clock()
    convertible = Convertible(api, clock, unreported)
    for error in (AWAY, AWAY, None):
        api.error = error
        clock.seconds += await convertible.seconds_left(pool_in(OLD))
    api.error = AWAY

    assert await convertible.seconds_left(pool_in(OLD)) == 1.0


async def test_one_pool_that_cannot_be_converted_delays_another_by_a_second(api: Api) -> None:
    api.error = AWAY
    clock = Clock()
    convertible = Convertible(api, clock, unreported)
    for _ in range(3):
        clock.seconds += await convertible.seconds_left(pool_in(OLD))
    await convertible.seconds_left(pool_in(OLD))
    api.error = None
    clock.seconds += 1.0

    assert await convertible.seconds_left(pool_in(OLD, name="red")) == 0.0


async def test_an_event_reports_a_pool_that_cannot_be_converted(api: Api) -> None:
    api.written("blue", HUB, OLD, finalizers=[PROTECT])
    api.error = AWAY
    clock = Clock()
    state = State(Informers(api, CONTRACT, Scope()))
    await running.fill(state)
    events = recorder(api, state.pool)
    pool_reconciler = PoolReconciler(api, state, events, clock)
    for _ in range(4):
        outcome = await pool_reconciler.reconcile(BLUE)
        assert isinstance(outcome, RequeueAfter)
        clock.seconds += outcome.seconds

    await events.flush()

    [(_, _, name)] = api.writes
    event = api.read(EVENTS, "default", name) or {}
    assert (event["reason"], event["type"]) == ("ConversionFailed", "Warning")
    assert str(AWAY) in event["note"]


async def test_a_new_pool_of_the_name_of_a_deleted_one_has_no_failures(api: Api) -> None:
    api.written("blue", HUB, OLD, finalizers=[PROTECT])
    api.error = AWAY
    clock = Clock()
    state = State(Informers(api, CONTRACT, Scope()))
    await running.fill(state)
    pool_reconciler = PoolReconciler(api, state, clock=clock)
    for _ in range(2):
        await pool_reconciler.reconcile(BLUE)
        clock.seconds += 2.0
    known = state.pool(BLUE)
    assert known
    state.informers.pools[POOLS.kind]._remove(Key("default", "blue"))
    await pool_reconciler.reconcile(BLUE)
    state.informers.pools[POOLS.kind]._put(known)

    assert await pool_reconciler.reconcile(BLUE) == RequeueAfter(1.0)


def test_a_pool_keeps_only_the_versions_of_its_managed_fields() -> None:
    entry: Json = {"manager": "gitops", "apiVersion": OLD, "fieldsV1": {"f:spec": {"f:subnet": {}}}}
    raw = msgspec.json.encode({"metadata": {"name": "blue", "managedFields": [entry, entry]}})

    pool = msgspec.structs.replace(msgspec.json.decode(raw, type=pools.Pool), kind=POOLS.kind)

    assert [each.version for each in pool.metadata.spokes(POOLS)] == ["v1alpha1"]
    assert pool.metadata.managed_fields[0] == pools.ManagedFieldsEntry(api_version=OLD)
