# SPDX-License-Identifier: Apache-2.0
"""Workers: what comes of each outcome, and what is told of it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from kube import errors, liveness, metrics, workers
from kube.queue import Queue

NUMBERS = itertools.count()
CROWD = 1000
OUTCOMES: dict[str, Callable[[], workers.Outcome]] = {
    "success": workers.Done,
    "requeue_after": lambda: workers.RequeueAfter(3600),
}


class Work:
    """A reconcile function whose runs end when and how a test says."""

    def __init__(self) -> None:
        self.now = 1000.0
        name = f"work-{next(NUMBERS)}"  # so that its metrics begin at 0
        later = asyncio.get_running_loop().call_later
        self.queue: Queue[str] = Queue(name, later, lambda: self.now)
        self.outcome: workers.Outcome | Exception = workers.Done()
        self.go = asyncio.Event()

    async def reconcile(self, _: str) -> workers.Outcome:
        await self.go.wait()
        self.now += 2
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    @contextlib.asynccontextmanager
    async def running(self, count: int = 1) -> AsyncGenerator[None]:
        run = workers.run(self.queue, self.reconcile, lambda _: None, count)
        task = asyncio.create_task(run)
        await self.settled()
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def settled(self) -> None:
        """Let workers go on until they wait."""
        for _ in range(20):
            await asyncio.sleep(0)

    def figure(self, name: str, **labels: str) -> float:
        found = {"controller": self.queue.name, **labels}
        return REGISTRY.get_sample_value(f"controller_runtime_{name}", found) or 0.0

    def count(self, sort: str) -> int:
        """Return how many keys the queue has of one sort."""
        found: Any = self.queue.report()[sort]
        return int(found["count"])

    def results(self) -> dict[str, float]:
        names = ("success", "requeue_after", "error")
        counts = {name: self.figure("reconcile_total", result=name) for name in names}
        return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("result", OUTCOMES)
async def test_an_outcome_is_counted_and_timed(result: str) -> None:
    work = Work()
    work.outcome = OUTCOMES[result]()
    work.go.set()
    work.queue.add_rate_limited("a")
    work.queue.add("a")

    async with work.running():
        assert work.results() == {result: 1}

    assert work.count("failing") == 0
    assert work.count("delayed") == (1 if result == "requeue_after" else 0)
    assert work.figure("reconcile_time_seconds_count") == 1
    assert work.figure("reconcile_time_seconds_sum") == 2
    assert work.figure("reconcile_errors_total") == 0


@pytest.mark.parametrize(
    ("error", "panics"), [(errors.UnreachableError("GET", "no answer"), 0), (KeyError("bug"), 1)]
)
async def test_a_failure_is_counted_and_tried_again(error: Exception, panics: int) -> None:
    work = Work()
    work.outcome = error
    work.go.set()
    work.queue.add("a")

    async with work.running():
        assert work.results() == {"error": 1}
        assert len(work.queue) == 0
        assert work.queue.add_rate_limited("a") > 0.05  # which is what the first failure waits

    assert work.figure("reconcile_errors_total") == 1
    assert work.figure("reconcile_panics_total") == panics
    assert work.figure("reconcile_time_seconds_count") == 1


async def test_an_error_of_leadership_ends_all_work() -> None:
    work = Work()
    work.outcome = errors.NotLeaderError("lost")
    work.go.set()
    work.queue.add("a")

    with pytest.raises(ExceptionGroup) as caught:
        await workers.run(work.queue, work.reconcile, lambda _: None, 2)

    assert caught.group_contains(errors.NotLeaderError)
    assert work.results() == {}


def gauges(name: str) -> dict[str, float]:
    """Return what is shown of a queue that is served."""
    families = metrics.SERVED.collect()
    return {
        family.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels["controller"] == name
    }


async def test_a_queue_is_shown_as_it_is_for_as_long_as_it_is_served() -> None:
    work = Work()
    for key in ("a", "b", "c"):
        work.queue.add(key)
    assert gauges(work.queue.name) == {}

    async with work.running(2):
        work.now += 5
        assert gauges(work.queue.name) == {
            "workqueue_depth": 1,
            "workqueue_unfinished_work_seconds": 10,
            "workqueue_longest_running_processor_seconds": 5,
            "controller_runtime_active_workers": 2,
            "controller_runtime_max_concurrent_reconciles": 2,
        }

    assert gauges(work.queue.name) == {}


async def test_the_end_of_a_former_queue_hides_no_later_one_of_its_name() -> None:
    former, later = Work().queue, Work().queue
    later.name = former.name

    with contextlib.ExitStack() as showing:
        with metrics.SERVED.showing(former, 1):
            showing.enter_context(metrics.SERVED.showing(later, 7))

        assert gauges(later.name)["controller_runtime_max_concurrent_reconciles"] == 7


async def test_a_worker_that_does_not_come_back_is_no_life_for_as_long_as_it_is_served() -> None:
    work = Work()
    work.queue.add("a")
    before = liveness.LIVENESS.problems()

    async with work.running(2):
        work.now += liveness.BOUND_SECONDS
        assert liveness.LIVENESS.problems() == before
        work.now += 1
        assert liveness.LIVENESS.problems() == [
            *before,
            f"a worker of {work.queue.name} has shown no sign of life for 601 s (bound: 600 s)",
        ]

    assert liveness.LIVENESS.problems() == before


async def test_many_keys_with_nothing_to_do_leave_others_their_turns() -> None:
    work = Work()
    work.go.set()  # so that no reconcile waits for anything
    for number in range(CROWD):
        work.queue.add(str(number))

    async with work.running(2):
        assert 0 < work.count("waiting") < CROWD
