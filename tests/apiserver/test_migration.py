# SPDX-License-Identifier: Apache-2.0
"""A cluster whose pools are stored in v1alpha1 gets the provider that stores v1alpha2."""

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

import pytest

from envtest import client, errors, install, manifests, plugin, provider, waiting
from envtest.client import Json

CRD = "inclusterippools.ipam.cluster.x-k8s.io"
SPEC: Json = {"addresses": ["10.0.0.1"], "prefix": 24}
T = TypeVar("T")
NAMES = [f"pool-{number:02}" for number in range(20)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[provider.Provider]:
    with provider.Provider(plugin.log_folder(tmp_path_factory), audit=True) as started:
        yield started


def crds(cluster: provider.Provider) -> client.Resource:
    return cluster.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")


def store_in(cluster: provider.Provider, wanted: str) -> None:
    def change(crd: Json) -> None:
        for version in crd["spec"]["versions"]:
            version["storage"] = version["name"] == wanted

    crds(cluster).edit(CRD, change)


def test_pools_stored_in_the_old_version_are_rewritten_and_the_version_forgotten(
    cluster: provider.Provider,
) -> None:
    namespace = cluster.new_namespace("old")
    pools = cluster.pools("inclusterippools", namespace)
    store_in(cluster, "v1alpha1")
    waiting.until("v1alpha1 is stored", lambda: stored(cluster), lambda found: "v1alpha1" in found)
    for name in NAMES:
        patiently(partial(pools.create, manifests.pool(name, SPEC)))
    waiting.until("nothing is left to write", lambda: [*by_name(pools).values()], all_have_status)
    store_in(cluster, "v1alpha2")
    before = by_name(pools)
    assert set(stored(cluster)) == {"v1alpha1", "v1alpha2"}

    cluster.manager.stop()
    cluster.manager.run()

    waiting.until("the old one is forgotten", lambda: stored(cluster), lambda v: v == ["v1alpha2"])
    after = by_name(pools)
    for name in NAMES:
        assert after[name]["spec"] == before[name]["spec"]
        assert revision(after[name]) > revision(before[name])  # so it was written, to etcd
    [event] = waiting.until("an Event tells so", lambda: told(cluster), bool)
    assert event["regarding"]["name"] == CRD
    assert event["note"] == "20 objects are stored in v1alpha2; none is in ['v1alpha1']"


def all_have_status(found: list[Json]) -> bool:
    return all(pool.get("status", {}).get("conditions") for pool in found)


def by_name(pools: client.Resource) -> dict[str, Json]:
    return {pool["metadata"]["name"]: pool for pool in patiently(pools.list)}


def patiently(request: Callable[[], T]) -> T:
    """Send a request again while the API server takes a changed definition into use."""
    while True:
        try:
            return request()
        except errors.RefusedError as error:
            if error.code not in (429, 503):
                raise
            time.sleep(waiting.POLL_SECONDS)


def told(cluster: provider.Provider) -> list[Json]:
    events = cluster.admin.resource("events.k8s.io/v1", "events", "default").list()
    return [event for event in events if event["reason"] == "StorageMigrated"]


def stored(cluster: provider.Provider) -> list[str]:
    versions: list[str] = crds(cluster).get(CRD)["status"]["storedVersions"]
    return versions


def revision(pool: Json) -> int:
    return int(pool["metadata"]["resourceVersion"])


def test_the_shipped_definitions_store_one_version() -> None:
    for document in install.shipped():
        if document["kind"] == install.CRD:
            assert [v["name"] for v in document["spec"]["versions"] if v["storage"]] == ["v1alpha2"]
