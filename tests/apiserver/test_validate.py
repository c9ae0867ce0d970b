# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster validate` refuses what the API server refuses, and takes what it takes."""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import cast

import pytest
from click import testing

from cli import main
from envtest import manifests
from envtest.client import Json
from envtest.controlplane import binaries, control_plane, tenants

REFUSED = re.compile(
    r'/(\d+)\.json": (.*?)(?=, (?:unable to decode|resource mapping not found) |$)', re.MULTILINE
)
"""The number of a file in kubectl's errors, and its error; kubectl joins errors of one kind."""

IP: Json = {"addresses": ["10.0.0.8/29"], "prefix": 24}
PREFIX: Json = {"prefixes": ["2001:db8::/48"]}
KINDS: list[tuple[str, str, Json]] = [
    ("InClusterIPPool", "v1alpha1", {"subnet": "10.0.0.0/24"}),
    ("InClusterIPPool", "v1alpha2", IP),
    ("GlobalInClusterIPPool", "v1alpha1", {"subnet": "10.0.0.0/24"}),
    ("GlobalInClusterIPPool", "v1alpha2", IP),
    ("InClusterPrefixPool", "v1alpha2", PREFIX),
    ("GlobalInClusterPrefixPool", "v1alpha2", PREFIX),
]

OWNER: Json = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}
LONG = "a" * 63


def each(*path: str, values: Iterable[object]) -> list[Json]:
    """Return an object for each value of a field, which may stand in another one."""
    found: list[Json] = []
    for value in values:
        made: object = value
        for name in reversed(path):
            made = {name: made}
        assert isinstance(made, dict)
        found.append(cast("Json", made))
    return found


def keys(field: str, *names: str) -> list[Json]:
    """Return an object for each key of labels or annotations."""
    return [{field: {name: "x"}} for name in names]


def owners(field: str, *values: object) -> list[Json]:
    """Return an object for each value of a field of its owner."""
    return [{"ownerReferences": [OWNER | {field: value}]} for value in values]


NOTHING: list[object] = [None, {}, [], "a", 5]

METADATA: list[Json] = [
    *each("name", values=["a", "0", "a.b", "a-b", "1.2.3", "a" * 253, f"{LONG}.{LONG}", None]),
    *each("name", values=["under_score", "extraPool0", "-a", "a-", "a..b", ".a", "a.", "a b"]),
    *each("name", values=["a/b", "ä", "a\n", "a" * 254, "", 5, True, ["a"], {"a": "b"}]),
    *each("generateName", values=["b-", "B-", "", 5]),
    *({"name": "", "generateName": name} for name in ("a-", "a.", "a-.", "A-", "a", "a_", "-")),
    *({"name": "", "generateName": name} for name in ("a.-", "ab--", "a" * 60, "a" * 254, 5)),
    *each("labels", values=NOTHING),
    *each("labels", "a", values=["", "b", "Zürich", "a b", "a/b", "-a", "a.", "a_b-c.D", "\n"]),
    *each(
        "labels", "a", values=[None, 5, True, 1.5, ["b"], {"b": "c"}, LONG, f"{LONG}a", "ä" * 32]
    ),
    *keys("labels", "a", "a/b", "A/b", "a/B", "a.b/c", "a/b/c", "/a", "a/", "", "a_/b", "a b", "ä"),
    *keys("labels", LONG, f"{LONG}a", f"a/{LONG}a", f"{'a' * 253}/b", f"{'a' * 254}/b"),
    *each("annotations", values=NOTHING),
    *each("annotations", "cluster.x-k8s.io/paused", values=[True, "true", 1, 1.5, None, {}, []]),
    *keys("annotations", "A/B", "a b", "a/b/c", "", "/", "Ä", "a_b/c", LONG, f"{LONG}a"),
    {"annotations": {"a": "ä\n✓"}},
    {"annotations": {"a": "x" * 100_000}},
    {"annotations": {"a": "x" * 200_000, "b": "x" * 63_000}},
    *each("finalizers", values=NOTHING),
    *each("finalizers", values=[["foo"], ["a/b"], [5], [None], [""], ["a/b/c"], ["A B"], ["a/"]]),
    *each("finalizers", values=[["example.com/Some_Thing"], ["orphan"], ["foregroundDeletion"]]),
    *each("finalizers", values=[["orphan", "foregroundDeletion"]]),
    *each("ownerReferences", values=NOTHING),
    *each("ownerReferences", values=[[OWNER], NOTHING[:1], ["a"], NOTHING[1:2]]),
    *(more for field in OWNER for more in owners(field, "", 5, None)),
    *owners("apiVersion", "a/v1", "a/b/c", "/", "a/", "/v"),
    *owners("kind", "Event"),
    *owners("more", 1),
    *owners("controller", None, "true", 1),
    *owners("blockOwnerDeletion", None, "false"),
    {"ownerReferences": [OWNER | {"controller": True, "blockOwnerDeletion": True}]},
    {"ownerReferences": [OWNER | {"kind": "Event", "apiVersion": "events.k8s.io/v1"}]},
    {"ownerReferences": [OWNER | {"controller": True}, OWNER | {"controller": True, "uid": "z"}]},
    {"ownerReferences": [OWNER | {"controller": True}, OWNER | {"controller": False}]},
    *each("generation", values=[1, -1, "1", 1.5, 2**63, None, True]),
    *each("creationTimestamp", values=[None, "2026-01-31T12:00:00Z", "", "x", 5, {}]),
    *each(
        "creationTimestamp", values=["2026-01-31T12:00:00+02:00", "2026-01-31T12:00", "12:00:00Z"]
    ),
    *each("creationTimestamp", values=["2026-01-31T25:00:00Z", "2026-02-31T12:00:00Z"]),
    *each(
        "creationTimestamp", values=[f"2026-01-31T12:00:00{end}" for end in (".5Z", ",5Z", "z", "")]
    ),
    *each("uid", values=["x", 5, None]),
    *each("selfLink", values=["x", 5]),
    *each("lables", values=[{"a": "b"}]),
    *each("managedFields", values=[None, [], {}, "a"]),
]
"""What is added to the metadata of a good pool."""

SPECS: list[tuple[str, str, object]] = [
    *(
        ("InClusterIPPool", version, spec)
        for version in ("v1alpha1", "v1alpha2")
        for spec in NOTHING
    ),
    ("InClusterIPPool", "v1alpha2", {"gateway": "10.0.0.1"}),
    ("InClusterIPPool", "v1alpha2", {"prefix": 24}),
    ("InClusterIPPool", "v1alpha2", {"addresses": ["10.0.0.1"]}),
    ("InClusterIPPool", "v1alpha2", IP | {"prefix": None}),
    ("InClusterIPPool", "v1alpha2", IP | {"prefix": "24"}),
    ("InClusterIPPool", "v1alpha2", IP | {"more": 1}),
    ("InClusterIPPool", "v1alpha1", {"gateway": "10.0.0.1"}),
    ("InClusterIPPool", "v1alpha1", {"prefix": 24}),
    ("InClusterIPPool", "v1alpha1", {"addresses": ["10.0.0.1"], "prefix": 0}),
    ("InClusterIPPool", "v1alpha1", {"subnet": "10.0.0.0/24", "prefix": "24"}),
    ("InClusterIPPool", "v1alpha1", {"subnet": "10.0.0.0/24", "excludedAddresses": ["10.0.0.5"]}),
    ("InClusterIPPool", "v1alpha1", {"start": "10.0.0.1"}),
    *(("GlobalInClusterPrefixPool", "v1alpha2", spec) for spec in NOTHING),
    ("GlobalInClusterPrefixPool", "v1alpha2", {"prefixes": NOTHING[:0]}),
    ("InClusterPrefixPool", "v1alpha2", PREFIX | {"allocationPrefixLength": 47}),
    ("InClusterPrefixPool", "v1alpha2", PREFIX | {"gateway": "10.0.0.1"}),
    ("InClusterPrefixPool", "v1alpha1", PREFIX),
    ("InClusterIPPol", "v1alpha2", IP),
    ("InClusterIPPool", "v1", IP),
]


def objects() -> Iterator[Json]:
    """Yield all objects; metadata take turns among the kinds and versions."""
    kinds = cycle(KINDS)
    for kind, version, spec in KINDS:
        yield pool(kind, version, {"name": "blue"}, spec)
    for more in METADATA:
        kind, version, spec = next(kinds)
        yield pool(kind, version, {"name": "blue", **more}, spec)
    for metadata in NOTHING:
        yield pool(*KINDS[1][:2], metadata, IP)
    for kind, version, spec in SPECS:
        yield pool(kind, version, {"name": "blue"}, spec)


def pool(kind: str, version: str, metadata: object, spec: object) -> Json:
    return manifests.pool("", spec, kind, version) | {"metadata": metadata}


def taken_by_validate(obj: Json) -> tuple[bool, str]:
    result = testing.CliRunner().invoke(main.main, ["validate"], input=json.dumps(obj))
    return result.exit_code == 0, result.stderr


@pytest.fixture
def environment(tenant: tenants.Tenant) -> dict[str, str]:
    plane = tenant.provider.control_plane
    name = f"validate-{tenant.namespace}"
    config = plane.kubeconfig(name, [control_plane.ADMIN_GROUP], tenant.namespace)
    return {"KUBECONFIG": str(config), "KUBECACHEDIR": str(plane.folder / "kubectl-cache")}


def refused_by_kubectl(
    everything: list[Json], environment: dict[str, str], folder: Path
) -> dict[int, str]:
    """Return kubectl's errors about the objects that it refuses, by their places in the list.

    kubectl does not apply objects with `generateName`, so it creates those.
    """
    for command in ("apply", "create"):
        (folder / command).mkdir()
    for place, obj in enumerate(everything):
        metadata = obj["metadata"]
        generated = isinstance(metadata, dict) and "generateName" in metadata
        file = folder / ("create" if generated else "apply") / f"{place}.json"
        file.write_text(json.dumps(obj))
    return dry_run("apply", environment, folder) | dry_run("create", environment, folder)


def dry_run(command: str, environment: dict[str, str], folder: Path) -> dict[int, str]:
    """Let kubectl send all files of a folder, and return its error for each that is refused."""
    files = folder / command
    done = subprocess.run(
        [binaries.find(binaries.KUBECTL), command, "--dry-run=server", f"--filename={files}"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    refused = {int(place): problem for place, problem in REFUSED.findall(done.stderr)}
    taken = done.stdout.splitlines()
    assert len(taken) + len(refused) == len(list(files.iterdir())), done.stderr
    return refused


def test_a_file_is_valid_if_the_api_server_accepts_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    everything = list(objects())
    assert len(everything) > 100

    refused = refused_by_kubectl(everything, environment, tmp_path)

    assert len(refused) > 100
    disagreed = "\n".join(
        f"{json.dumps(obj)[:300]}\n  validate: {ours}\n  kubectl: {refused.get(place)}"
        for place, obj in enumerate(everything)
        if (ours := taken_by_validate(obj))[0] == (place in refused)
    )
    assert not disagreed, disagreed
