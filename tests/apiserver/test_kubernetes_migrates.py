# SPDX-License-Identifier: Apache-2.0
"""The storage-version-migrator of kube-controller-manager rewrites pools, or fails to.

Its cache of objects must be as new as the migration is: a write of any pool hastens it, else it
takes up to 80 s.
"""

import asyncio
import itertools
from collections.abc import Generator
from contextlib import contextmanager

import ancient
import migrating
import pytest
import strict

from controller import rewriting
from envtest import manifests, plugin, waiting
from envtest.chaos import leases
from envtest.client import Json
from envtest.controlplane import controllers, provider

CONTROLLERS = ("storage-version-migrator-controller", "garbage-collector-controller")
SPEC: Json = {"addresses": ["10.0.0.1"], "prefix": 24}
OLD: dict[str, Json] = {name: {"subnet": "10.0.0.0/24"} for name in ("a", "b", "c")}


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    """Return a cluster where the manager serves webhooks only: somebody else has its lease."""
    with provider.Provider(make_log_folder()) as started:
        process = controllers.process(started.control_plane, CONTROLLERS)
        process.start()
        waiting.until("the manager leads", started.holder, bool)
        leases.Leases(started.admin).edit(holderIdentity="nobody", leaseDurationSeconds=36_000)
        yield started
        process.kill()


def status(cluster: provider.Provider) -> Json:
    crds = cluster.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    found: Json = crds.get(ancient.CRD)["status"]
    return found


def reason(found: Json) -> str:
    return next((c["reason"] for c in found["conditions"] if c["type"] == "StorageMigrating"), "")


def migrate(cluster: provider.Provider, namespace: str) -> rewriting.Refused | None:
    """Migrate with the manager's rights, while somebody writes a pool at each look."""
    pools = cluster.pools(ancient.PLURAL, namespace)
    pools.apply(manifests.pool("new", SPEC))
    numbers = itertools.count()

    async def sleep(seconds: float) -> None:
        pools.merge("new", {"metadata": {"labels": {"number": str(next(numbers))}}})
        await asyncio.sleep(min(seconds, 2.0))

    return migrating.migrate(cluster, sleep)


def test_kubernetes_rewrites_pools_that_are_stored_in_the_old_version(
    cluster: provider.Provider,
) -> None:
    namespace = cluster.new_namespace("rewritten")
    ancient.write(cluster, namespace, OLD)
    assert set(ancient.stored(cluster, namespace, OLD).values()) == {"v1alpha1"}

    assert migrate(cluster, namespace) is None

    assert set(ancient.stored(cluster, namespace, OLD).values()) == {"v1alpha2"}
    found = status(cluster)
    assert found["storedVersions"] == ["v1alpha2"]
    assert reason(found) == "MigrationSucceeded"
    svms = cluster.admin.resource("storagemigration.k8s.io/v1", "storageversionmigrations")
    assert svms.list() == []
    [event] = cluster.admin.resource("events.k8s.io/v1", "events", "default").list()
    assert event["note"] == "all objects stored in v1alpha2; none is left in v1alpha1"


def test_what_kubernetes_leaves_in_the_old_version_is_never_forgotten(
    cluster: provider.Provider,
) -> None:
    namespace = cluster.new_namespace("refused")
    with refusing(cluster, namespace, "b"):
        ancient.write(cluster, namespace, OLD)

        left = [migrate(cluster, namespace) for _ in range(2)]

        assert [str(each.first) for each in left if each] == ["refused/b"] * 2
        found = ancient.stored(cluster, namespace, OLD)
        assert found == {"a": "v1alpha2", "b": "v1alpha1", "c": "v1alpha2"}
        assert set(status(cluster)["storedVersions"]) == set(ancient.BOTH)

    assert migrate(cluster, namespace) is None

    assert set(ancient.stored(cluster, namespace, OLD).values()) == {"v1alpha2"}
    assert status(cluster)["storedVersions"] == ["v1alpha2"]
    assert reason(status(cluster)) == "MigrationSucceeded"


@contextmanager
def refusing(cluster: provider.Provider, namespace: str, name: str) -> Generator[None]:
    """Let the API server refuse each write of one pool, as a policy of the cluster may."""
    pools = cluster.pools(ancient.PLURAL, namespace)
    pools.create(manifests.pool(name, SPEC))
    with strict.refusing(cluster, pools, name):
        yield
