# SPDX-License-Identifier: Apache-2.0
"""The metrics of the controller.  Their names are an interface: alerts and dashboards use them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, Sample
from prometheus_client.registry import Collector
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from .allocations import PoolAllocations
    from .state import State

MIGRATED_OBJECTS = Counter(
    "capi_ipam_in_cluster_migrated_objects_total",
    "Objects rewritten because an old version was stored, or named in managedFields.",
    ["kind"],
)
REFUSED_OBJECTS = Gauge(
    "capi_ipam_in_cluster_migration_refused_objects",
    "Objects that the API server refused to write anew in the last run; the log names them.",
    ["kind"],
)
STORED_IN_ONE_VERSION = Gauge(
    "capi_ipam_in_cluster_stored_in_one_version",
    "1 where all objects of the kind are stored in the present version, 0 where some may not be.",
    ["kind"],
)

_POOL = "capi_ipam_in_cluster_pool_"
_POOL_LABELS: tuple[str, ...] = ("kind", "namespace", "name")
_POOL_GAUGES: dict[str, tuple[str, Callable[[PoolAllocations], float]]] = {
    "addresses": (
        "Addresses (of prefix pools: prefixes) that the pool may hand out, in use or not.",
        lambda allocations: allocations.address_set.total,
    ),
    "addresses_free": (
        "Addresses of the pool that nobody holds and no claim has reserved.",
        lambda allocations: allocations.free,
    ),
    "addresses_used": (
        "IPAddress objects of the pool.",
        lambda allocations: allocations.used,
    ),
    "addresses_out_of_range": (
        "IPAddress objects whose address the pool may not hand out (any more), or cannot be read.",
        lambda allocations: allocations.counts.out_of_range,
    ),
    "addresses_duplicate": (
        "IPAddress objects whose address another one of the pool has, too.",
        lambda allocations: allocations.duplicates,
    ),
    "addresses_unreadable": (
        "IPAddress objects whose address cannot be read.",
        lambda allocations: allocations.unreadable,
    ),
    "claims_waiting": (
        "Claims that the pool could not serve.",
        lambda allocations: len(allocations.queue),
    ),
}


class Shown(Collector):
    """Collects the metrics of the running controller at the time of a scrape.

    Guarantees:
        If no controller runs, as after leadership is lost, there are no figures.
    """

    def __init__(self) -> None:
        self.state: State | None = None

    @contextmanager
    def showing(self, state: State) -> Generator[None]:
        """Collect from a controller while the block runs."""
        self.state = state
        try:
            yield
        finally:
            self.state = None

    def describe(self) -> Iterable[Metric]:
        """Return all metrics without figures."""
        return (*_caches(None), *_pools(None))

    @override
    def collect(self) -> Iterable[Metric]:
        return (*_caches(self.state), *_pools(self.state))


def _caches(state: State | None) -> tuple[Metric, ...]:
    objects = GaugeMetricFamily(
        "capi_ipam_in_cluster_cache_objects",
        "Objects of which the manager has a copy.",
        labels=("resource",),
    )
    skipped = CounterMetricFamily(
        "capi_ipam_in_cluster_cache_skipped_objects_total",
        "Objects that the manager could not read since its caches were loaded; the log names why.",
        labels=("resource",),
    )
    for informer in state.informers.all if state else ():
        objects.add_metric((informer.resource.plural,), len(informer))
        skipped.add_metric((informer.resource.plural,), informer.skipped)
    return objects, skipped


def _pools(state: State | None) -> tuple[Metric, ...]:
    known = [each for each in state.allocations.values() if _is_known(state, each)] if state else []
    labels = [dict(zip(_POOL_LABELS, allocations.pool, strict=True)) for allocations in known]
    families: list[Metric] = []
    for name, (text, figure) in _POOL_GAUGES.items():
        family = GaugeMetricFamily(_POOL + name, text, labels=_POOL_LABELS)
        family.samples = [
            Sample(family.name, its, figure(allocations))
            for its, allocations in zip(labels, known, strict=True)
        ]
        families.append(family)
    return tuple(families)


def _is_known(state: State, allocations: PoolAllocations) -> bool:
    """Whether a pool exists, or an object still refers to it."""
    return state.pool(allocations.pool) is not None or not allocations.is_empty


SHOWN = Shown()
REGISTRY.register(SHOWN)
