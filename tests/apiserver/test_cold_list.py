# SPDX-License-Identifier: Apache-2.0
"""A LIST in the old version for which the API server has every pool converted.

Pools that went through a running API server stand in its cache in both versions.  The LISTs here
are cold: the first one after a start, and one at a resourceVersion of the time before the start.
"""

import datetime as dt
import re
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from envtest import client, errors, manifests, plugin, waiting
from envtest.client import Json
from envtest.controlplane import provider, relay

OLD = "v1alpha1"
CRD = "inclusterippools.ipam.cluster.x-k8s.io"
ADMISSION = "admissionregistration.k8s.io/v1"
LOOPBACK = "https://127.0.0.1"
MANY = 500
SPECS: dict[str, Json] = {
    f"pool-{number:03}": {"subnet": f"10.{number // 256}.{number % 256}.0/24"}
    for number in range(MANY)
}
SOME_BYTES = 100_000  # of reviews, those of 500 pools are four times as long
RETRY_SECONDS = 0.1  # an API server that only starts says 1; it takes about that
EXACT = {"resourceVersionMatch": "Exact"}
REFUSAL = "conversion webhook for ipam.cluster.x-k8s.io/v1alpha2, Kind=InClusterIPPool failed: "
CONVERSIONS = re.compile(
    r"^apiserver_crd_conversion_webhook_duration_seconds_count"
    rf'{{crd_name="{re.escape(CRD)}",.*succeeded="true",to_version="{OLD}"}} (\d+)$',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Cluster:
    """500 pools, and a relay between the API server and the webhook that converts them."""

    provider: provider.Provider
    relay: relay.Relay
    pools: client.Resource
    revision: str
    """At which all pools were there; older than the present run of the API server."""

    def conversions(self) -> int:
        """Count the pools that were converted since the API server started."""
        metrics: str = self.provider.admin.request("GET", "/metrics").body["message"]
        found = CONVERSIONS.search(metrics)
        return int(found[1]) if found else 0

    def specs(self, **query: str) -> dict[str, Json]:
        """List the pools; again where the API server asks to come back for it, as kubectl does."""
        while True:
            try:
                return {pool["metadata"]["name"]: pool["spec"] for pool in self.pools.list(**query)}
            except errors.RefusedError as error:
                if error.code != 429:
                    raise
            time.sleep(RETRY_SECONDS)


class Reading:
    """A LIST in a thread.  At its end there is either what it found or why it was refused."""

    def __init__(self, cluster: Cluster, query: dict[str, str]) -> None:
        self.found: dict[str, Json] | None = None
        self.refusal = ""
        self.thread = threading.Thread(target=self._read, args=(cluster, query), daemon=True)
        self.thread.start()

    def _read(self, cluster: Cluster, query: dict[str, str]) -> None:
        try:
            self.found = cluster.specs(**query)
        except errors.RefusedError as error:
            self.refusal = error.message


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[Cluster]:
    """A cluster of its own, in which only conversion is at work: nothing else reads or writes."""
    own = provider.Provider(make_log_folder())
    try:
        own.control_plane.start()
        own.install()
        for kind in ("mutating", "validating"):
            own.admin.resource(ADMISSION, f"{kind}webhookconfigurations").delete_all()
        let_somebody_else_lead(own)
        own.start_manager()
        pools = own.pools("inclusterippools", own.new_namespace("many"), OLD)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(pools.create, bodies()))
        revision = pools.listing()["metadata"]["resourceVersion"]
        own.control_plane.apiserver.kill()
        own.control_plane.start()
        with relay.Relay(own.webhook_port) as between:
            convert_through(own, between.port)
            yield Cluster(own, between, pools, revision)
    finally:
        own.stop()


def let_somebody_else_lead(own: provider.Provider) -> None:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held = {"holderIdentity": "somebody else", "leaseDurationSeconds": 3600, "renewTime": now}
    leases = own.admin.resource("coordination.k8s.io/v1", "leases", provider.NAMESPACE)
    leases.create({"metadata": {"name": provider.LEASE}, "spec": held})


def bodies() -> list[Json]:
    return [manifests.pool(name, spec, version=OLD) for name, spec in SPECS.items()]


def convert_through(own: provider.Provider, port: int) -> None:
    def change(crd: Json) -> None:
        crd["spec"]["conversion"]["webhook"]["clientConfig"]["url"] = f"{LOOPBACK}:{port}/convert"

    own.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions").edit(CRD, change)


def test_the_first_list_after_a_start_has_all_pools_converted_and_is_whole(
    cluster: Cluster,
) -> None:
    assert cluster.specs(limit=str(MANY)) == SPECS
    assert cluster.conversions() >= MANY


def test_a_list_is_refused_by_name_when_the_webhook_dies_in_its_middle_and_whole_when_it_is_back(
    cluster: Cluster,
) -> None:
    assert cluster.specs() == SPECS  # so nothing but the next LIST needs the webhook
    before = cluster.conversions()
    cluster.relay.hold_after(SOME_BYTES)

    reading = Reading(cluster, {"resourceVersion": cluster.revision, **EXACT})
    waiting.until("a review is held back", lambda: cluster.relay.held, bool)
    assert 0 < cluster.conversions() - before < MANY
    cluster.provider.manager.kill()
    reading.thread.join()

    assert reading.found is None
    assert REFUSAL in reading.refusal
    cluster.relay.release()
    cluster.provider.manager.run()
    assert cluster.specs(resourceVersion=cluster.revision, **EXACT) == SPECS
    assert cluster.conversions() - before > MANY
