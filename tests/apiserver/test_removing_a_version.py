# SPDX-License-Identifier: Apache-2.0
"""v1alpha1 goes away, as docs/how-to/remove-an-api-version.md says; pools of years ago stay."""

import re
from collections.abc import Generator
from pathlib import Path

import ancient
import pytest

from envtest import contract, errors, manifests, plugin
from envtest.client import Json, Resource
from envtest.controlplane import control_plane, install, provider
from envtest.lab import documents
from envtest.waiting import until

PAGE = Path(__file__).parents[2] / "docs/how-to/remove-an-api-version.md"
NAMESPACE = "default"
OLD: dict[str, Json] = {
    "rack-1": {"subnet": "10.0.0.0/24"},
    "rack-2": {"start": "10.0.1.10", "end": "10.0.1.19", "prefix": 24, "gateway": "10.0.1.1"},
}
HUB: dict[str, Json] = {
    "rack-1": {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24},
    "rack-2": {"addresses": ["10.0.1.10-10.0.1.19"], "prefix": 24, "gateway": "10.0.1.1"},
}
OLD_VERSION = f"{contract.GROUP}/v1alpha1"
INVALID = f"request to convert CR to an invalid group/version: {OLD_VERSION}"


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    with provider.Provider(make_log_folder()) as started:
        yield started


def restart(cluster: provider.Provider) -> None:
    """Let the manager look at the definitions now, instead of within a minute."""
    cluster.manager.stop()
    cluster.manager.run()


def apply(pools: Resource, name: str, spec: Json, manager: str) -> Json:
    applied: Json = pools.apply(manifests.pool(name, spec, namespace=NAMESPACE), manager)
    return applied


def test_the_page_removes_a_version_and_pools_of_years_ago_keep_what_they_say(
    cluster: provider.Provider, tmp_path: Path
) -> None:
    ancient.write(cluster, NAMESPACE, OLD)
    restart(cluster)
    kubeconfig = cluster.control_plane.kubeconfig("reader", [control_plane.ADMIN_GROUP])
    reader = documents.Reader(tmp_path / "reader", kubeconfig, None)
    steps = reader.steps(PAGE)

    pools = cluster.pools(ancient.PLURAL, NAMESPACE)
    until("the manager has written its part", pools.list, all_have_status)

    assert next(steps) == shown()
    next(steps)
    assert ancient.stored(cluster, NAMESPACE, OLD) == dict.fromkeys(OLD, "v1alpha2")
    _converted, readers, rewritten = (next(steps) for _ in range(3))
    assert 'resource="inclusterippools"' in readers
    assert old_of(rewritten) == "deprecated no no 0 of 2"
    assert "it is safe to set served to false" in rewritten
    name_again(cluster, "rack-2")  # as a client does that nobody has moved
    _unserved = next(steps)
    restart(cluster)
    waited = next(steps)
    assert old_of(waited) == "no no no 0 of 2"
    assert "It is safe to remove it from spec.versions." in waited
    _removed, last = next(steps), next(steps)
    assert next(steps, None) is None
    assert "v1alpha1" not in last

    assert {name: pools.get(name)["spec"] for name in OLD} == HUB
    without = {name: value for name, value in HUB["rack-2"].items() if name != "gateway"}
    assert apply(pools, "rack-2", without, "argo")["spec"] == without  # so argo still owned it


def all_have_status(found: list[Json]) -> bool:
    return all(pool.get("status", {}).get("conditions") for pool in found)


def shown() -> str:
    """Return what the page shows as the first output."""
    [block] = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(block)


def old_of(text: str) -> str:
    """Return what the last table says about InClusterIPPool v1alpha1."""
    start = ["InClusterIPPool", "v1alpha1"]
    *_, cells = [line.split() for line in text.splitlines() if line.split()[:2] == start]
    return " ".join(cells[2:])


def name_again(cluster: provider.Provider, name: str) -> None:
    """Let managedFields of a pool name v1alpha1, as written by `argo`."""
    pools = cluster.pools(ancient.PLURAL, NAMESPACE)
    entries: list[Json] = pools.get(name)["metadata"]["managedFields"]
    names = ("start", "end", "prefix", "gateway")
    for entry in entries:
        if entry["manager"] == "argo":
            entry["apiVersion"] = OLD_VERSION
            entry["fieldsV1"] = {"f:spec": {f"f:{field}": {} for field in names}}
    pools.merge(name, {"metadata": {"managedFields": entries}})


def test_a_version_removed_too_early_makes_applies_fail_until_the_manager_translates(
    cluster: provider.Provider,
) -> None:
    pools = cluster.pools(ancient.PLURAL, NAMESPACE)
    spec = {"addresses": ["10.0.9.0/24"], "prefix": 24}
    apply(pools, "early", spec, "argo")
    with_versions(cluster, "v1alpha1", "v1alpha2")
    until("it is named", lambda: named(cluster, pools), lambda found: OLD_VERSION in found)
    with_versions(cluster, "v1alpha2")
    until("applies fail", lambda: refusal(pools, spec), lambda found: INVALID in found)

    restart(cluster)

    until("applies work", lambda: refusal(pools, spec), lambda found: found == "")
    assert versions_of(pools) == {f"{contract.GROUP}/v1alpha2"}


def with_versions(cluster: provider.Provider, *names: str) -> None:
    """Have the definition hold these of the versions that are shipped."""
    [shipped] = [each for each in install.shipped() if each["metadata"]["name"] == ancient.CRD]
    versions = [each for each in shipped["spec"]["versions"] if each["name"] in names]
    crds = cluster.admin.resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
    crds.merge(ancient.CRD, {"spec": {"versions": versions}})


def named(cluster: provider.Provider, pools: Resource) -> set[str]:
    """Name the old version, which the API server takes once it knows it again."""
    name_again(cluster, "early")
    return versions_of(pools)


def versions_of(pools: Resource) -> set[str]:
    entries: list[Json] = pools.get("early")["metadata"]["managedFields"]
    return {each["apiVersion"] for each in entries}


def refusal(pools: Resource, spec: Json) -> str:
    """Return why an apply is refused; empty if it is not."""
    try:
        apply(pools, "early", spec, "flux")
    except errors.RefusedError as error:
        return str(error)
    return ""
