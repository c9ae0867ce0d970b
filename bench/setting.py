# SPDX-License-Identifier: Apache-2.0
"""What measurements of claims have in common: a cluster, crowds of claims, and watching them."""

import itertools
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import urllib3
import usage

from envtest import manifests
from envtest.client import Json
from envtest.contract import CLUSTER_NAME, GROUP
from envtest.controlplane.provider import NAMESPACE, SERVICE_ACCOUNT, Provider
from envtest.controlplane.tenants import Tenant
from envtest.errors import EtcdError, LostHistoryError
from envtest.waiting import until

FLAGS = ("--leader-elect",)  # the lease is that of a real installation: 15 s
POOL = {"addresses": ["10.0.0.0/8"], "prefix": 8, "gateway": "10.0.0.1"}
PROBE = "probe"  # the namespace of claims that only find out whether claims are served
PATIENCE_SECONDS = 900.0

_CREATORS = 8  # threads that create or delete
_SERVED_SECONDS = 300.0  # until a manager that starts with 100,000 claims serves the next one
_CLUSTER = "crowd"
_CLUSTER_LABEL = {CLUSTER_NAME: _CLUSTER}
_NUMBERS = itertools.count(1)

T = TypeVar("T")


@contextmanager
def cluster(*, audit: bool = False, cheap: bool = False) -> Generator[Provider]:
    """Start a cluster with the manager; it has served one claim when the block begins.

    Args:
        audit: Whether requests are recorded.
        cheap: Whether writes cost the API server less: no TLS to etcd, no webhooks of ours.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        Provider(Path(folder), flags=FLAGS, audit=audit, plain_etcd=cheap) as provider,
    ):
        if cheap:
            _without_webhooks(provider)
        provider.new_namespace(PROBE)
        Tenant(provider, PROBE).add_pool(PROBE, "10.0.0.0/8", prefix=8)
        await_serving(provider)
        yield provider


def _without_webhooks(provider: Provider) -> None:
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        configurations = provider.admin.resource("admissionregistration.k8s.io/v1", plural)
        for each in configurations.list():
            configurations.delete(each["metadata"]["name"])


def await_serving(provider: Provider) -> None:
    """Return when the manager has served a new claim and has nothing left to do."""
    tenant, name = Tenant(provider, PROBE), f"probe-{next(_NUMBERS)}"
    tenant.add_claim(name, PROBE)
    until(
        "a new claim is served",
        lambda: tenant.status(name),
        lambda status: "addressRef" in status,
        _SERVED_SECONDS,
    )
    usage.settle(provider.manager.pid)


def restart(provider: Provider) -> None:
    """Stop the manager, start it again, and return when it serves claims and is idle."""
    provider.manager.stop()
    provider.manager.run()
    await_serving(provider)


class Crowd:
    """A namespace with claims, in turn on each of its pools, that wait for a paused Cluster."""

    def __init__(self, provider: Provider, name: str, count: int, pools: int = 1) -> None:
        self.tenant = Tenant(provider, provider.new_namespace(name))
        self.count = count
        self._clusters = provider.clusters(name)
        self._clusters.create(_paused_cluster(provider.cluster_version))
        for number in range(pools):
            self.tenant.pools().create(manifests.pool(f"pool-{number}", POOL))
        in_parallel(self._add, [(f"claim-{n}", f"pool-{n % pools}") for n in range(count)])

    def _add(self, claim: tuple[str, str]) -> None:
        self.tenant.add_claim(*claim, labels=_CLUSTER_LABEL)

    @property
    def since(self) -> str:
        """The resourceVersion from which a watch reports only later changes."""
        version: str = self.tenant.claims.listing(limit="1")["metadata"]["resourceVersion"]
        return version

    def pause(self, *, paused: bool) -> None:
        """Hold back all claims, or let all of them go on at once: one write."""
        self._clusters.merge(_CLUSTER, {"spec": {"paused": paused}})

    def bind(self) -> None:
        """Have the manager give all claims their addresses, and pause again."""
        since = self.since
        self.pause(paused=False)
        self.watch(since, bound)
        self.check()
        self.pause(paused=True)

    def delete(self) -> None:
        """Ask for the deletion of all claims, as their user does."""
        names = [claim["metadata"]["name"] for claim in self.tenant.claims.list()]
        in_parallel(self.tenant.claims.delete, names)

    def watch(self, since: str, good: Callable[[Json], bool]) -> None:
        """Return when an event about each claim was good."""
        missing = {f"claim-{number}" for number in range(self.count)}
        for event in self._events(since):
            if good(event):
                missing.discard(event["object"]["metadata"]["name"])
            if not missing:
                return
        raise SystemExit(f"{len(missing)} of {self.count} claims: not in {PATIENCE_SECONDS:g} s")

    def _events(self, since: str) -> Generator[Json]:
        """Yield what happens to claims; a watch that the API server ends for being slow goes on."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := int(deadline - time.monotonic())) > 0:
            try:
                with self.tenant.claims.watch(since, seconds=left) as events:
                    for event in events:
                        if event["type"] == "ERROR":
                            raise SystemExit(f"the watch of claims failed: {event['object']}")
                        since = event["object"]["metadata"]["resourceVersion"]
                        yield event
            except urllib3.exceptions.HTTPError as error:
                raise SystemExit(f"nothing happens to the claims any more: {error}") from error

    def check(self) -> None:
        """Make sure that every claim has an address of its own, and that pools count them all."""
        given = [item["spec"] for item in self.tenant.addresses.list()]
        each = {(spec["poolRef"]["name"], spec["address"]) for spec in given}
        if not len(given) == len(each) == self.count:
            raise SystemExit(f"{self.count} claims: {len(given)} addresses, {len(each)} distinct")
        self.await_counts(Counter(spec["poolRef"]["name"] for spec in given))

    def await_counts(self, expected: Counter[str]) -> None:
        """Return when the status of each pool says how many of its addresses are in use."""
        until(
            f"the pools of {self.tenant.namespace} count their addresses",
            lambda: {item["metadata"]["name"]: used(item) for item in self.tenant.pools().list()},
            lambda counts: all(count == expected[name] for name, count in counts.items()),
        )


def bound(event: Json) -> bool:
    """Return whether a claim has its address."""
    return bool(event["object"].get("status", {}).get("addressRef"))


def gone(event: Json) -> bool:
    """Return whether a claim is gone."""
    return bool(event["type"] == "DELETED")


def used(pool: Json) -> int:
    """Return how many addresses a pool says are in use."""
    return int(pool.get("status", {}).get("ipAddresses", {}).get("used", -1))


def status_writes(provider: Provider, namespace: str, revision: int) -> int:
    """Return how often the status of one pool of a namespace was written since, at most.

    etcd itself is asked, which forgets nothing within 5 minutes.
    """
    prefix = f"/registry/{GROUP}/inclusterippools/{namespace}/"
    states: dict[str, list[object]] = {}
    etcd = provider.control_plane.etcd_client()
    try:
        for change in etcd.changes(prefix, revision):
            status: object = json.loads(change.value or b"{}").get("status")
            known = states.setdefault(change.key, [])
            if known[-1:] != [status]:
                known.append(status)
    except LostHistoryError:
        raise
    except EtcdError:
        pass  # silence: that was all
    finally:
        etcd.close()
    return max((len(known) for known in states.values()), default=0)


def in_parallel(call: Callable[[T], object], items: list[T]) -> None:
    """Call something for each item, several at a time; raises what went wrong."""
    with ThreadPoolExecutor(_CREATORS) as threads:
        for _ in threads.map(call, items):
            pass


def account(provider: Provider) -> str:
    """Return the kubeconfig of the manager's service account."""
    return str(provider.control_plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT))


def _paused_cluster(version: str) -> Json:
    reference = {"apiGroup": "example.com", "kind": "Thing", "name": _CLUSTER}
    return {
        "apiVersion": version,
        "kind": "Cluster",
        "metadata": {"name": _CLUSTER},
        "spec": {"paused": True, "controlPlaneRef": reference, "infrastructureRef": reference},
    }
