# SPDX-License-Identifier: Apache-2.0
"""Metrics of the runtime, with the names and texts of controller-runtime.

So dashboards and alerts that were made for controllers in Go fit this one, too.
Sources: controller-runtime's pkg/internal/metrics/workqueue.go, .../controller/metrics/metrics.go,
pkg/metrics/client_go_adapter.go and pkg/metrics/leaderelection.go.

Labels are looked up once, not for each key or request, because the hot path counts here.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from itertools import accumulate, repeat
from operator import mul
from typing import TYPE_CHECKING, Protocol

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

NO_ANSWER = "<error>"
"""client-go's word for a request without a status code."""

_QUEUE = ("name", "controller")  # in controller-runtime a queue has the name of its controller
_QUEUE_BUCKETS = tuple(accumulate(repeat(10.0, 11), mul, initial=1e-8))
"""Seconds, from 10 ns to 17 minutes, with the rounding of Go's ExponentialBuckets(10e-9, 10, 12):
`sum by (le)` must find the same bounds."""

_RECONCILE_BUCKETS = (  # seconds
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8),
    *(0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
    *(15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0),
)
_REQUEST_BUCKETS = (  # seconds
    *(0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0),
)

_ADDS = Counter("workqueue_adds_total", "Total number of adds handled by workqueue", _QUEUE)
_RETRIES = Counter(
    "workqueue_retries_total",
    "Total number of items added to the workqueue with a non-zero delay",
    _QUEUE,
)
_QUEUED = Histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
)
_WORKED = Histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
)
_RECONCILED = Counter(
    "controller_runtime_reconcile_total",
    "Total number of reconciliations per controller",
    ["controller", "result"],
)
_ERRORS = Counter(
    "controller_runtime_reconcile_errors_total",
    "Total number of reconciliation errors per controller",
    ["controller"],
)
_PANICS = Counter(
    "controller_runtime_reconcile_panics_total",
    "Total number of reconciliation panics per controller: defects, with a traceback in the log",
    ["controller"],
)
_RECONCILE_SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation per controller",
    ["controller"],
    buckets=_RECONCILE_BUCKETS,
)
_REQUESTS = Counter(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host",
    ["code", "method", "host"],
)
_REQUEST_SECONDS = Histogram(
    "rest_client_request_duration_seconds",
    "Request latency in seconds, broken down by verb and host; watches are not in it",
    ["verb", "host"],
    buckets=_REQUEST_BUCKETS,
)
LEADING = Gauge(
    "leader_election_master_status",
    "Whether this process is master of the lease: 0 indicates backup, 1 indicates master",
    ["name"],
)


class QueueMetrics:
    """The metrics of one queue."""

    def __init__(self, name: str) -> None:
        self.adds = _ADDS.labels(name, name)
        self.retries = _RETRIES.labels(name, name)
        self.queued = _QUEUED.labels(name, name)
        self.worked = _WORKED.labels(name, name)


class ReconcileMetrics:
    """The metrics of one reconcile function."""

    def __init__(self, controller: str) -> None:
        self.success = _RECONCILED.labels(controller, "success")
        self.requeue_after = _RECONCILED.labels(controller, "requeue_after")
        self.panics = _PANICS.labels(controller)
        self.seconds = _RECONCILE_SECONDS.labels(controller)
        self._failures = _RECONCILED.labels(controller, "error")
        self._errors = _ERRORS.labels(controller)

    def failed(self) -> None:
        """Count an error in both metrics of errors."""
        self._failures.inc()
        self._errors.inc()


def count_request(url: str, method: str, code: int | str) -> None:
    """Count a request to a server by the status code of its response."""
    _requests(url, method, code).inc()


def time_request(url: str, method: str, seconds: float) -> None:
    """Observe how long a request took."""
    _request_seconds(url, method).observe(seconds)


@cache
def _requests(url: str, method: str, code: int | str) -> Counter:
    return _REQUESTS.labels(str(code), method, _host(url))


@cache
def _request_seconds(url: str, method: str) -> Histogram:
    return _REQUEST_SECONDS.labels(method, _host(url))


def _host(url: str) -> str:
    return url.rpartition("://")[2]


class Queue(Protocol):
    """The part of a work queue that a scrape reads."""

    @property
    def name(self) -> str:
        """The name that its metrics have."""
        ...

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        ...

    def working_seconds(self) -> list[float]:
        """Return for how many seconds each worker has had its key."""
        ...

    def report(self) -> dict[str, object]:
        """Return the content for people."""
        ...


class Served(Collector):
    """The queues that workers serve, as they are at the time of a scrape.

    Guarantees:
        A queue without workers, as after leadership is lost, has no samples.
    """

    def __init__(self) -> None:
        self.queues: dict[str, tuple[Queue, int]] = {}
        """By name, with how many workers serve each."""

    @contextmanager
    def showing(self, queue: Queue, workers: int) -> Generator[None]:
        """Show a queue while the block runs."""
        mine = self.queues[queue.name] = queue, workers
        try:
            yield
        finally:
            if self.queues.get(queue.name) is mine:
                del self.queues[queue.name]

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return all metrics without samples."""
        return (
            _gauge("workqueue_depth", "Current depth of workqueue", _QUEUE),
            _gauge(
                "workqueue_unfinished_work_seconds",
                "How many seconds of work is in progress and hasn't been observed by work_duration",
                _QUEUE,
            ),
            _gauge(
                "workqueue_longest_running_processor_seconds",
                "How many seconds has the longest running processor for workqueue been running",
                _QUEUE,
            ),
            _gauge(
                "controller_runtime_active_workers",
                "Number of currently used workers per controller",
                ("controller",),
            ),
            _gauge(
                "controller_runtime_max_concurrent_reconciles",
                "Maximum number of concurrent reconciles per controller",
                ("controller",),
            ),
        )

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        depth, unfinished, longest, active, most = families = tuple(self.describe())
        for name, (queue, workers) in self.queues.items():
            seconds = queue.working_seconds()
            depth.add_metric((name, name), queue.depth)
            unfinished.add_metric((name, name), sum(seconds))
            longest.add_metric((name, name), max(seconds, default=0.0))
            active.add_metric((name,), len(seconds))
            most.add_metric((name,), workers)
        return families


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


SERVED = Served()
REGISTRY.register(SERVED)
