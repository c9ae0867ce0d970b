# SPDX-License-Identifier: Apache-2.0
"""What the manager needs for many claims that are bound: memory, and what a restart costs.

CPU seconds of a restart are those of the whole process from exec until it has served a new claim
and is idle.  Writes are counted in the audit log: all but the lease's, and but those for the new
claim.
"""

import itertools
import signal
import time
from collections.abc import Callable, Iterator

import fill
import pytest
import table
import usage
from setting import POOL, PROBE, Crowd, await_serving, cluster, restart

from envtest import manifests
from envtest.client import Json
from envtest.controlplane.manager import Manager
from envtest.controlplane.provider import NAMESPACE, Provider
from envtest.controlplane.tenants import Tenant
from envtest.errors import RefusedError
from envtest.waiting import until

_CPU_SECONDS = 5.0  # for a restart with 10,000 claims
_IDLE_MIB, _SERVED_MIB, _LARGE_MIB = 100.0, 128.0, 512.0
_COUNTED_SECONDS = 300.0  # until a pool's status counts 100,000 addresses that came at once
_CACHING_SECONDS = 900.0  # for an API server to read as many objects from etcd, in each version
_HANDOVER_SECONDS = 2.0
_TAKEOVER_SECONDS = 15.0 + 2.0  # the lease, and as much
_LOADED = "caches loaded"
_REVIEW_MS = 50.0  # of our CPU, whatever is in use
_REVIEWS = 5  # of each kind
_PEAK = 1.15  # of the memory that is held before and after
_LARGE_KINDS = {"ipaddressclaims", "ipaddresses"}
_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def served(count: int, _turns: int) -> Iterator[table.Figure]:
    """Yield the figures with claims that the manager has just served, and after a restart."""
    with cluster(audit=True) as provider:
        restart(provider)
        yield table.limited("idle, RSS", usage.rss_mib(provider.manager.pid), _IDLE_MIB, "MiB")
        yield _cpu("start with nothing, CPU", provider)
        crowd = Crowd(provider, "served", count)
        crowd.bind()
        await_serving(provider)
        rss = usage.rss_mib(provider.manager.pid)
        yield table.limited(f"{count} claims served, RSS", rss, _SERVED_MIB, "MiB")
        yield from _restarted(provider, count, _SERVED_MIB, _CPU_SECONDS)


def generated(count: int, _turns: int) -> Iterator[table.Figure]:
    """Yield the figures with claims that were put into etcd.

    The API server's own caches take 12 GiB for 100,000, and up to 19 without GOMEMLIMIT=12GiB.
    """
    with cluster(audit=True) as provider:
        tenant = Tenant(provider, provider.new_namespace("generated"))
        tenant.pools().create(manifests.pool("pool", POOL))
        tenant.add_claim(fill.TEMPLATE, "pool")
        tenant.bound(fill.TEMPLATE)
        await_serving(provider)
        _fill(provider, tenant, count)
        yield from _restarted(provider, count, _LARGE_MIB, None)
        yield from _relisted(provider, tenant, count)
        yield from _reviews(provider, tenant, count)
        yield from _handovers(provider, tenant, count)


def _relisted(provider: Provider, tenant: Tenant, count: int) -> Iterator[table.Figure]:
    """Yield what it takes to list everything again, beside what is held already.

    An API server that starts has no history, so it answers 410 to a watch that goes on.
    """
    plane, pid = provider.control_plane, provider.manager.pid
    before, steady, cpu = len(provider.requests()), usage.rss_mib(pid), usage.cpu_seconds(pid)
    usage.forget_peak(pid)
    plane.apiserver.stop()
    plane.start()
    tenant.claims.get(fill.TEMPLATE)
    usage.settle(plane.apiserver.pid, usage.SERVER_SHARE, _CACHING_SECONDS)
    await_serving(provider)
    lists = [event for event in provider.requests()[before:] if _is_page(event)]
    peak, spent = usage.peak_mib(pid), usage.cpu_seconds(pid) - cpu
    yield table.Figure(f"relist of {count} claims, pages", str(len(lists)))
    yield table.Figure(f"relist of {count} claims, CPU", f"{spent:.1f} s")
    yield table.limited(f"relist of {count} claims, peak by steady", peak / steady, _PEAK, "", 2)


def _is_page(event: Json) -> bool:
    about: dict[str, str] = event.get("objectRef", {})
    return event["verb"] == "list" and about.get("resource") in _LARGE_KINDS


def _reviews(provider: Provider, tenant: Tenant, count: int) -> Iterator[table.Figure]:
    """Yield what a check for addresses in use costs: of a small pool, and of the large one.

    Nothing else is written meanwhile, which is the longest wait for the cache to be proven fresh.
    """
    tenant.pools().create(manifests.pool("small", {"addresses": ["10.255.0.0/24"], "prefix": 24}))
    tries: dict[str, Callable[[], object]] = {
        "shrink an unused pool": lambda: _shrink(tenant, "small", next(numbers), "10.255.0"),
        "shrink a pool in use": lambda: _refused(lambda: _shrink(tenant, "pool", 9, "10.0.1")),
        "delete a pool in use": lambda: _refused(lambda: tenant.pools().delete("pool")),
    }
    numbers = itertools.count(10)
    for what, attempt in tries.items():
        before, began = usage.cpu_seconds(provider.manager.pid), time.perf_counter()
        for _ in range(_REVIEWS):
            attempt()
        took = 1000 * (time.perf_counter() - began) / _REVIEWS
        cpu = 1000 * (usage.cpu_seconds(provider.manager.pid) - before) / _REVIEWS
        yield table.limited(f"{what} beside {count} addresses, CPU", cpu, _REVIEW_MS, "ms")
        yield table.Figure(f"{what} beside {count} addresses", f"{took:.0f} ms")


def _handovers(provider: Provider, tenant: Tenant, count: int) -> Iterator[table.Figure]:
    """Yield how long a new claim waits when the leader goes, with a standby that is ready."""
    leader, standby = provider.manager, provider.new_manager("standby")
    for how, most in ((signal.SIGTERM, _HANDOVER_SECONDS), (signal.SIGKILL, _TAKEOVER_SECONDS)):
        _get_ready(standby)
        began = time.perf_counter()
        leader.signal(how)
        name = f"after-{how.name.lower()}"
        tenant.add_claim(name, "pool")
        until("it is served", lambda: tenant.status(name), lambda s: "addressRef" in s)  # noqa: B023 - used at once
        taken = time.perf_counter() - began
        what = f"{how.name} of the leader to a new claim, {count} claims"
        yield table.limited(what, taken, most, "s")
        leader.kill()
        leader, standby = standby, leader


def _get_ready(standby: Manager) -> None:
    """Start a manager, and return when it has its caches and is idle."""
    before = standby.log.read_text().count(_LOADED) if standby.log.exists() else 0
    standby.run()
    until(
        "the standby has its caches",
        lambda: standby.log.read_text().count(_LOADED),
        lambda now: now > before,
        _COUNTED_SECONDS,
    )
    usage.settle(standby.pid)


def _shrink(tenant: Tenant, name: str, last: int, network: str) -> None:
    """Take the end of a pool away, another one each time."""
    spec = {"addresses": [f"{network}.1-{network}.{250 - last}"]}
    tenant.pools().merge(name, {"spec": spec})


def _refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(RefusedError, match="in use"):
        attempt()


def _fill(provider: Provider, tenant: Tenant, count: int) -> None:
    """Write the copies, and return when the manager has counted them.

    The manager starts when the API server has filled its own caches, which takes all of the machine
    for minutes whoever asks it.
    """
    plane = provider.control_plane
    store = plane.etcd_client()
    made = fill.template(tenant, store)
    provider.manager.stop()
    plane.apiserver.stop()
    fill.fill(store, made, count)
    store.close()
    plane.start()
    tenant.claims.get(fill.TEMPLATE)  # a custom resource is cached when somebody asks for it
    tenant.addresses.get(fill.TEMPLATE)
    usage.settle(plane.apiserver.pid, usage.SERVER_SHARE, _CACHING_SECONDS)
    provider.manager.run()
    until(
        "the pool counts all addresses",
        lambda: tenant.counts("pool").get("used"),
        lambda used: used == count + 1,
        _COUNTED_SECONDS,
    )
    await_serving(provider)


def _restarted(
    provider: Provider, count: int, mib: float, cpu_seconds: float | None
) -> Iterator[table.Figure]:
    before = len(provider.requests())
    restart(provider)
    writes = [event for event in provider.requests()[before:] if _is_write(event)]
    for event in writes[:5]:
        print(f"  written: {event['verb']} {event['requestURI']}")
    yield table.limited(f"restart with {count} claims, writes", len(writes), 0, "", digits=0)
    yield _cpu(f"restart with {count} claims, CPU", provider, cpu_seconds)
    rss = usage.rss_mib(provider.manager.pid)
    yield table.limited(f"restart with {count} claims, RSS", rss, mib, "MiB")


def _cpu(what: str, provider: Provider, most: float | None = None) -> table.Figure:
    """Return the CPU time of the present manager process."""
    seconds = usage.cpu_seconds(provider.manager.pid)
    if most is None:
        return table.Figure(what, f"{seconds:.1f} s")
    return table.limited(what, seconds, most, "s")


def _is_write(event: Json) -> bool:
    about: dict[str, str] = event.get("objectRef", {})
    of_lease = about.get("resource") == "leases" or about.get("namespace") == NAMESPACE
    spared = of_lease or about.get("namespace") == PROBE  # Events at the lease are in NAMESPACE
    return event["verb"] in _WRITES and not spared
