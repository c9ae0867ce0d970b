# SPDX-License-Identifier: Apache-2.0
"""A cluster whose pools are stored in v1alpha1 gets the provider that stores v1alpha2."""

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

import migrating
import pytest
import strict

from controller import rewriting
from envtest import client, errors, manifests, plugin, waiting
from envtest.client import Json
from envtest.controlplane import install, provider

CRD = "inclusterippools.ipam.cluster.x-k8s.io"
SPEC: Json = {"addresses": ["10.0.0.1"], "prefix": 24}
MIGRATION_SECONDS = 90.0  # 30 for a controller of Kubernetes, which is not here, and 10 to settle
T = TypeVar("T")
NAMES = [f"pool-{number:02}" for number in range(20)]


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    with provider.Provider(make_log_folder(), audit=True) as started:
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

    waiting.until(
        "the old one is forgotten",
        lambda: stored(cluster),
        lambda found: found == ["v1alpha2"],
        seconds=MIGRATION_SECONDS,
    )
    after = by_name(pools)
    for name in NAMES:
        assert after[name]["spec"] == before[name]["spec"]
        assert revision(after[name]) > revision(before[name])  # so it was written, to etcd
    [event] = waiting.until("an Event tells so", lambda: told(cluster), bool)
    assert event["regarding"]["name"] == CRD
    assert event["note"] == "20 objects stored in v1alpha2; none is left in v1alpha1"


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


def test_a_standby_replica_does_not_migrate_until_it_leads(cluster: provider.Provider) -> None:
    waiting.until("the leader has looked", lambda: looks(cluster), bool)
    before = len(cluster.requests())
    standby = cluster.new_manager("standby")
    standby.run()
    waiting.until("it asks for the lease", lambda: candidacies(cluster, before), lambda n: n > 2)
    assert looks(cluster, before) == 0

    cluster.manager.stop()

    waiting.until("the next leader looks", lambda: looks(cluster, before), bool)
    standby.stop()
    before = len(cluster.requests())
    cluster.manager.run()
    waiting.until("the leader has looked", lambda: looks(cluster, before), bool)


def looks(cluster: provider.Provider, since: int = 0) -> int:
    """Count how often a manager has asked in which versions the pools are stored."""
    return asked(cluster, since, "customresourcedefinitions", CRD)


def candidacies(cluster: provider.Provider, since: int) -> int:
    """Count how often a manager that does not lead has asked for the lease."""
    return asked(cluster, since, "leases", provider.LEASE)


def asked(cluster: provider.Provider, since: int, plural: str, name: str) -> int:
    wanted = ("get", plural, name)
    found = [(event["verb"], event.get("objectRef", {})) for event in cluster.requests()[since:]]
    return sum((verb, obj.get("resource"), obj.get("name")) == wanted for verb, obj in found)


def test_a_pool_that_the_api_server_refuses_holds_up_no_other_one(
    cluster: provider.Provider,
) -> None:
    waiting.until("the leader has looked", lambda: looks(cluster), bool)
    namespace = cluster.new_namespace("refused")
    pools = cluster.pools("inclusterippools", namespace)
    names = ["a-refused", "b-kept", "c-deleted", "d-edited", "e-kept"]
    for name in names:
        pools.create(manifests.pool(name, SPEC))
    waiting.until("nothing is left to write", pools.list, all_have_status)
    remember_both(cluster)
    with strict.refusing(cluster, pools, "a-refused"):

        def meanwhile() -> None:
            if pools.find("c-deleted"):
                pools.delete("c-deleted")
                pools.edit("d-edited", lambda pool: pool["spec"].update(prefix=25))

        left = migrate(cluster, meanwhile)

    assert left is not None
    assert (left.count, str(left.first)) == (1, "refused/a-refused")
    assert "not this one" in left.problem
    assert set(stored(cluster)) == {"v1alpha1", "v1alpha2"}

    assert migrate(cluster) is None

    assert stored(cluster) == ["v1alpha2"]


def remember_both(cluster: provider.Provider) -> None:
    """Let the definition say that pools may be stored in either version."""
    versions = {"storedVersions": ["v1alpha1", "v1alpha2"]}
    crds(cluster).merge(CRD, {"status": versions}, "status")


def migrate(
    cluster: provider.Provider, meanwhile: Callable[[], None] = lambda: None
) -> rewriting.Refused | None:
    """Migrate with the manager's rights, here and without pauses: `meanwhile` is what they see."""

    async def sleep(seconds: float) -> None:
        if seconds < 1:  # a pause between two objects, all of which are listed by then
            meanwhile()

    return migrating.migrate(cluster, sleep)


def test_the_shipped_definitions_store_one_version() -> None:
    for document in install.shipped():
        if document["kind"] == install.CRD:
            assert [v["name"] for v in document["spec"]["versions"] if v["storage"]] == ["v1alpha2"]
