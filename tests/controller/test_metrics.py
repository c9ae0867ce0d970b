# SPDX-License-Identifier: Apache-2.0
"""What is told of pools and caches: what holds now, or nothing."""

import json
from typing import Any

import builders
import pytest
import running
from builders import BLUE, CONTRACT, POOLS
from prometheus_client import REGISTRY

from controller import metrics, report
from controller.errors import AllocationError
from controller.state import State
from kube.meta import Key
from objects.informers import Informers, Scope
from objects.pools import PoolKey


async def loaded(api: builders.Api) -> State:
    state = State(Informers(api, CONTRACT, Scope()))
    await running.fill(state)
    return state


def choose(state: State, name: str, age: int = 1, pool: PoolKey = BLUE) -> None:
    allocations, created = state.allocations_of(pool), ("2026-01-01T00:00:00Z", age)
    allocations.choose(Key("default", name), created, None, replaceable=False)


@pytest.fixture
async def state() -> State:
    """Know a pool of four with each thing that can be wrong, and one that does not exist."""
    api = builders.Api()
    api.pool("10.0.0.5-10.0.0.8")
    for name, address in {
        "a": "10.0.0.5",
        "same-1": "10.0.0.6",
        "same-2": "10.0.0.6",
        "out": "10.9.9.9",
        "bad": "nonsense",
    }.items():
        api.address(name, address)
    api.claim(
        "given",
        finalizers=["ipam.cluster.x-k8s.io/ReleaseAddress"],
        annotations={"ipam.cluster.x-k8s.io/address": "10.0.0.7", "secret": "hidden"},
    )
    state = await loaded(api)
    choose(state, "pending")
    for age, name in enumerate(("w1", "w2", "w3"), 2):
        with pytest.raises(AllocationError):
            choose(state, name, age)
    with pytest.raises(AllocationError):
        choose(state, "lost", 1, PoolKey("InClusterIPPool", "default", "none"))
    return state


def figures(pool: str) -> dict[str, float | None]:
    labels = {"kind": "InClusterIPPool", "namespace": "default", "name": pool}
    names = tuple(metrics._POOL_GAUGES)
    return {
        name: REGISTRY.get_sample_value(f"capi_ipam_in_cluster_pool_{name}", labels)
        for name in names
    }


async def test_a_pools_figures_are_those_of_its_allocations(state: State) -> None:
    with metrics.SHOWN.showing(state):
        assert figures("blue") == {
            "addresses": 4,
            "addresses_free": 0,
            "addresses_used": 5,
            "addresses_out_of_range": 2,
            "addresses_duplicate": 2,
            "addresses_unreadable": 1,
            "claims_waiting": 3,
        }


async def test_claims_that_wait_for_a_pool_that_does_not_exist_are_counted(state: State) -> None:
    with metrics.SHOWN.showing(state):
        assert figures("none")["claims_waiting"] == 1


async def test_a_deleted_pool_without_references_has_no_metrics(state: State) -> None:
    gone = PoolKey("InClusterIPPool", "default", "gone")
    state.allocations_of(gone)

    with metrics.SHOWN.showing(state):
        assert set(figures("gone").values()) == {None}


async def test_a_controller_that_ended_leaves_no_figures(state: State) -> None:
    with metrics.SHOWN.showing(state):
        pass

    assert set(figures("blue").values()) == {None}
    assert copies("ipaddresses") is None


def copies(resource: str, what: str = "objects") -> float | None:
    name = f"capi_ipam_in_cluster_cache_{what}"
    return REGISTRY.get_sample_value(name, {"resource": resource})


async def test_caches_report_what_they_hold_and_what_they_could_not_read() -> None:
    api = builders.Api()
    api.pool("10.0.0.5")
    api.put(POOLS, {"metadata": {"name": "odd", "namespace": "default"}, "spec": 7})
    state = await loaded(api)

    with metrics.SHOWN.showing(state):
        assert copies("inclusterippools") == 1
        assert copies("inclusterippools", "skipped_objects_total") == 1
        assert copies("ipaddressclaims") == 0
        assert copies("ipaddressclaims", "skipped_objects_total") == 0


def first(found: Any) -> Any:
    return found["first"]


async def test_a_report_has_the_allocations_of_pools_and_only_names_and_numbers(
    state: State,
) -> None:
    found = report.pools(state)

    assert first(found)[0] == {
        "pool": "InClusterIPPool default/blue",
        "notReady": "",
        "total": 4,
        "free": 0,
        "used": 5,
        "outOfRange": 2,
        "duplicates": 2,
        "unreadable": 1,
        "reserved": 1,
        "pending": {
            "count": 1,
            "first": [{"claim": "default/pending", "address": "10.0.0.8"}],
            "leftOut": 0,
        },
        "line": {"count": 3, "first": ["default/w1", "default/w2", "default/w3"], "leftOut": 0},
    }
    assert first(found)[1]["notReady"].startswith("does not exist")
    assert "hidden" not in json.dumps([found, report.informers(state)])


async def test_a_report_has_the_longest_lines_and_their_oldest_claims_and_is_bounded() -> None:
    api = builders.Api()
    for number in range(report.LIMIT + 1):
        api.pool("10.0.0.5", name=f"p{number}")
    state = await loaded(api)
    last = PoolKey("InClusterIPPool", "default", f"p{report.LIMIT}")
    choose(state, "holder", 0, last)
    for age in range(30, 0, -1):
        with pytest.raises(AllocationError):
            choose(state, f"w{age}", age, last)

    found = report.pools(state)

    assert (found["count"], len(first(found)), found["leftOut"]) == (
        report.LIMIT + 1, report.LIMIT, 1,
    )  # fmt: skip
    busiest = first(found)[0]
    assert busiest["pool"] == str(last)
    assert busiest["line"]["first"] == [f"default/w{age}" for age in range(1, 21)]
    assert busiest["line"]["leftOut"] == 10


async def test_a_report_says_up_to_where_each_cache_has_heard(state: State) -> None:
    found = {each["resource"]: each for each in report.informers(state)}

    assert found["ipaddresses"] == {
        "resource": "ipaddresses",
        "version": "ipam.cluster.x-k8s.io/v1beta2",
        "objects": 5,
        "skipped": 0,
        "revision": 107,
    }
