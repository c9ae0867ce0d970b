# SPDX-License-Identifier: Apache-2.0
"""Reviews at the bounds of the schema cost little, and each thing in them is worked out once."""

import asyncio
import json
import threading
import time
from collections import Counter
from typing import Any

import pytest
from typing_extensions import override

from api import resources
from conversion import registry
from crdkit.models.resources import Resource
from crdkit.webhook import worker
from envtest import sizes
from ipam.address_sets import AddressSet
from objects import pools
from webhook import admission, admission_review, cluster_reader
from webhook.reviewed_pool import ReviewedPool

MOST_SECONDS = 2.0
"""Of CPU.  A review takes 0.1 s; where the work was quadratic it took 7 s and more."""

EVERY = [
    pytest.param(resource, version, id=f"{resource.kind} {version}")
    for resource in resources.POOLS
    for version in resource.versions
]
WORKER = worker.Worker()


def overlapping(kind: str) -> dict[str, Any]:
    """Return a spec that is warned of at every entry."""
    spec = sizes.spec(kind)
    names = (
        ("prefixes", "excludedPrefixes") if "Prefix" in kind else ("addresses", "excludedAddresses")
    )
    wide, elsewhere = (
        ("2001:db8::/32", "fd00::1") if "Prefix" in kind else ("10.0.0.0/8", "11.0.0.1")
    )
    return spec | {names[0]: [wide] * sizes.MOST, names[1]: [elsewhere] * sizes.MOST}


def unreadable(kind: str) -> dict[str, Any]:
    """Return a spec that is refused at every entry."""
    return {
        name: ["x" * 100] * sizes.MOST if isinstance(value, list) else value
        for name, value in sizes.spec(kind).items()
    }


SPECS = {
    "apart": sizes.spec,
    "overlapping": overlapping,
    "unreadable": unreadable,
}


def cpu_of(resource: Resource, version: str, new: Any, old: Any) -> float:
    """Return the seconds of CPU that both reviews of an update take."""
    request = admission_review._decode(sizes.update(resource, version, old, new))
    began = time.thread_time()
    admission_review._mutated(request, resource.kind)
    admission_review._assessed(request, resource.kind)
    return time.thread_time() - began


@pytest.mark.parametrize("hard", SPECS)
@pytest.mark.parametrize(("resource", "version"), EVERY)
def test_a_review_of_the_largest_pool_costs_little(
    resource: Resource, version: str, hard: str
) -> None:
    new = SPECS[hard](resource.kind)

    assert cpu_of(resource, version, new, sizes.spec(resource.kind, changed=True)) < MOST_SECONDS


@pytest.mark.parametrize(("resource", "version"), EVERY)
def test_a_review_computes_each_address_set_once(
    resource: Resource, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = Counter[str]()

    def counted(pool: pools.Pool) -> AddressSet:
        computed["address set"] += 1
        return address_set_of(pool)

    def converted(*args: Any) -> Any:
        computed["conversion"] += args[0]["apiVersion"] != args[1]
        return convert(*args)

    address_set_of, convert = pools.address_set_of, registry.REGISTRY.convert
    monkeypatch.setattr(pools, "address_set_of", counted)
    monkeypatch.setattr(registry.REGISTRY, "convert", converted)
    few = sizes.spec(resource.kind, 3)
    review = sizes.update(resource, version, few, sizes.spec(resource.kind, 4, changed=True))

    assessed = admission_review._assessed(admission_review._decode(review), resource.kind)

    assert assessed.removed
    assert computed["address set"] == 2
    # The new object is looked at in each other version, for the size of its annotations there.
    assert computed["conversion"] == len(resource.versions) - 1


@pytest.mark.parametrize(("resource", "version"), EVERY)
async def test_a_large_review_is_worked_out_in_a_thread(
    resource: Resource, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[str]()

    def noted(*args: Any) -> admission.Assessment:
        threads.add(threading.current_thread().name)
        return assess(*args)

    assess = admission.assess
    monkeypatch.setattr(admission, "assess", noted)
    new, old = sizes.spec(resource.kind), sizes.spec(resource.kind, changed=True)
    body = sizes.update(resource, version, old, new)

    answer = await admission_review.validate(
        body, resource.kind, cluster_reader.FakeReader(), WORKER
    )

    assert json.loads(answer)["response"]["allowed"]
    assert [name.partition("_")[0] for name in threads] == ["large-review"]


async def test_too_many_large_reviews_at_once_get_429(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_review, "ADMISSION_SECONDS", 0.0)
    resource = resources.POOLS[0]
    body = sizes.update(
        resource, resource.hub, sizes.spec(resource.kind), sizes.spec(resource.kind)
    )

    answer = await admission_review.validate(
        body, resource.kind, cluster_reader.FakeReader(), WORKER
    )

    status = json.loads(answer)["response"]["status"]
    assert (status["code"], status["message"]) == (
        503,
        "this review waited too long for other large ones; try again",
    )


@pytest.mark.parametrize("review", ["validate", "mutate"])
async def test_a_review_that_finds_no_place_is_answered_and_not_dropped(review: str) -> None:
    full, resource = worker.Worker(most=0), resources.POOLS[0]
    body = sizes.update(
        resource, resource.hub, sizes.spec(resource.kind), sizes.spec(resource.kind)
    )

    if review == "validate":
        answer = await admission_review.validate(
            body, resource.kind, cluster_reader.FakeReader(), full
        )
    else:
        answer = await admission_review.mutate(body, resource.kind, full)

    response = json.loads(answer)["response"]
    assert (response["uid"], response["status"]["code"]) == ("1", 503)


async def test_a_small_pool_does_not_wait_for_a_large_one_in_a_thread() -> None:
    started, ends = threading.Event(), threading.Event()

    class Slow(ReviewedPool):
        @override
        def _address_set_of_spec(self) -> AddressSet:
            started.set()
            ends.wait(10)
            return AddressSet()

    resource = resources.POOLS[0]
    small = ReviewedPool(sizes.pool(resource, sizes.spec(resource.kind, 1)))
    large = asyncio.create_task(asyncio.to_thread(lambda: Slow({}).address_set))
    await asyncio.to_thread(started.wait, 10)

    assert small.address_set.total
    assert not large.done()

    ends.set()
    await large
