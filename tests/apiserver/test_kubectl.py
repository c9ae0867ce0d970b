# SPDX-License-Identifier: Apache-2.0
"""The real kubectl with manifests and resources of either version loses nothing of the other."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import yaml

from envtest import contract, manifests, waiting
from envtest.client import Json
from envtest.controlplane import binaries, control_plane, tenants

OLD, HUB = "v1alpha1", "v1alpha2"
ONLY_HUB: Json = {
    "excludedAddresses": ["10.0.0.7"],
    "allocateReservedIPAddresses": True,
    "addressReuseGracePeriodSeconds": 60,
}
NOTE = {"example.com/note": "ä ✓"}
KEPT = "cluster.x-k8s.io/conversion-data"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DEPRECATED = (
    "Warning: ipam.cluster.x-k8s.io/v1alpha1 InClusterIPPool is deprecated; "
    "use ipam.cluster.x-k8s.io/v1alpha2 InClusterIPPool\n"
)


@dataclass(frozen=True)
class User:
    """A tenant who has kubectl."""

    tenant: tenants.Tenant
    environment: dict[str, str]

    def kubectl(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl with a text on standard input, and demand that it succeeds."""
        done = subprocess.run(
            [binaries.find(binaries.KUBECTL), *arguments],
            input=text,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def apply(self, spec: Json, *flags: str, version: str = OLD) -> None:
        self.kubectl("apply", *flags, "-f", "-", text=manifest(spec, version))

    def pool(self, version: str) -> Json:
        return self.tenant.pools(version=version).get("blue")

    def specs(self) -> tuple[Json, Json]:
        """Return the spec in the old version and that in the hub version."""
        return self.pool(OLD)["spec"], self.pool(HUB)["spec"]


@pytest.fixture
def user(tenant: tenants.Tenant) -> User:
    namespace, plane = tenant.namespace, tenant.provider.control_plane
    config = plane.kubeconfig(f"kubectl-{namespace}", [control_plane.ADMIN_GROUP], namespace)
    cache = plane.folder / "kubectl-cache"
    return User(tenant, {"KUBECONFIG": str(config), "KUBECACHEDIR": str(cache)})


def manifest(spec: Json, version: str = OLD) -> str:
    """Return a pool as its user has it in a file."""
    body = manifests.pool("blue", spec, version=version)
    body["metadata"]["annotations"] = NOTE
    return yaml.safe_dump(body, allow_unicode=True)


def resource(version: str) -> str:
    return f"inclusterippools.{version}.{contract.GROUP}"


@pytest.mark.parametrize("flags", [[], ["--server-side"]], ids=["client-side", "server-side"])
def test_an_old_manifest_applied_again_says_all_that_it_can_and_keeps_the_rest(
    user: User, flags: list[str]
) -> None:
    user.apply({"subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}, *flags)
    user.tenant.pools().merge("blue", {"spec": ONLY_HUB})

    user.apply({"subnet": "10.0.0.0/25"}, *flags)

    addresses = {"addresses": ["10.0.0.1-10.0.0.126"], "prefix": 25}
    assert user.specs() == ({"subnet": "10.0.0.0/25"}, addresses | ONLY_HUB)


@pytest.mark.parametrize("version", [OLD, HUB])
def test_what_was_last_applied_is_noted_unchanged_in_both_versions(
    user: User, version: str
) -> None:
    spec = {"addresses": ["10.0.0.0/24"], "prefix": 24}

    user.apply(spec, version=version)

    notes = [user.pool(each)["metadata"]["annotations"] for each in (OLD, HUB)]
    assert notes[0] == notes[1]
    applied = json.loads(notes[0].pop(LAST_APPLIED))
    assert applied["apiVersion"].endswith(version)
    assert applied["spec"] == spec
    assert notes[0] == NOTE


@pytest.mark.parametrize("flags", [[], ["--server-side"]], ids=["client-side", "server-side"])
@pytest.mark.parametrize("version", [OLD, HUB])
def test_a_manifest_applied_again_unchanged_changes_nothing(
    user: User, version: str, flags: list[str]
) -> None:
    spec = {"addresses": ["10.0.0.0/24"], "prefix": 24, "gateway": "10.0.0.1"}
    user.apply(spec, *flags, version=version)
    user.tenant.pools().merge("blue", {"spec": ONLY_HUB})
    unchanged_by(user, lambda: user.apply(spec, *flags, version=version))


def test_replacing_with_an_old_manifest_keeps_what_it_cannot_say(user: User) -> None:
    user.apply({"addresses": ["10.0.0.0/28"], "prefix": 28, **ONLY_HUB}, version=HUB)

    user.kubectl("replace", "-f", "-", text=manifest({"subnet": "10.0.0.0/24"}))

    addresses = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24}
    assert user.specs() == ({"subnet": "10.0.0.0/24"}, addresses | ONLY_HUB)


@pytest.mark.parametrize("version", [OLD, HUB])
@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", [{"op": "add", "path": "/spec/gateway", "value": "10.0.0.1"}]),
        ("merge", {"spec": {"gateway": "10.0.0.1"}}),
    ],
)
def test_a_patch_in_one_version_changes_what_it_says_in_both(
    user: User, version: str, kind: str, patch: object
) -> None:
    user.apply({"subnet": "10.0.0.0/24"})
    user.tenant.pools().merge("blue", {"spec": ONLY_HUB})

    user.kubectl("patch", resource(version), "blue", f"--type={kind}", "-p", json.dumps(patch))

    gateway = {"gateway": "10.0.0.1"}
    addresses = {"addresses": ["10.0.0.1-10.0.0.254"], "prefix": 24}
    assert user.specs() == ({"subnet": "10.0.0.0/24"} | gateway, addresses | ONLY_HUB | gateway)


@pytest.mark.parametrize("version", [OLD, HUB])
@pytest.mark.parametrize("kind", ["json", "merge"])
def test_a_patch_of_the_addresses_in_one_version_is_seen_in_both(
    user: User, version: str, kind: str
) -> None:
    user.apply({"addresses": ["10.0.0.0/28"], "prefix": 28, **ONLY_HUB}, version=HUB)
    wider = ["10.0.0.0/28", "10.0.0.4"]
    patch: object = {"spec": {"addresses": wider}}
    if kind == "json":
        patch = [{"op": "add", "path": "/spec/addresses/-", "value": wider[1]}]

    user.kubectl("patch", resource(version), "blue", f"--type={kind}", "-p", json.dumps(patch))

    shared: Json = {"addresses": wider, "prefix": 28}
    assert user.specs() == (shared, shared | ONLY_HUB)


@pytest.mark.parametrize("version", [OLD, HUB])
@pytest.mark.parametrize(
    "spec",
    [{"subnet": "10.0.0.0/24", "gateway": ""}, {"addresses": ["10.0.0.0/24"], "prefix": 24}],
    ids=["subnet", "addresses"],
)
def test_what_kubectl_gets_it_can_put_back_and_nothing_changes(
    user: User, version: str, spec: Json
) -> None:
    user.kubectl("create", "-f", "-", text=manifest(spec))
    user.tenant.pools().merge("blue", {"spec": ONLY_HUB})

    unchanged_by(user, lambda: put_back(user, version))


def test_an_old_manifest_without_the_annotation_that_it_was_exported_with_keeps_the_rest(
    user: User,
) -> None:
    user.apply({"addresses": ["10.0.0.0/24"], "prefix": 24, **ONLY_HUB}, version=HUB)
    exported = {key: user.pool(OLD)[key] for key in ("apiVersion", "kind", "spec")}
    notes = user.pool(OLD)["metadata"]["annotations"]
    exported["metadata"] = {"name": "blue", "annotations": {KEPT: notes[KEPT], **NOTE}}
    user.kubectl("apply", "-f", "-", text=json.dumps(exported))

    user.apply({"subnet": "10.0.0.0/25"})  # so kubectl takes the annotation away

    addresses = {"addresses": ["10.0.0.1-10.0.0.126"], "prefix": 25}
    assert user.specs() == ({"subnet": "10.0.0.0/25"}, addresses | ONLY_HUB)


def put_back(user: User, version: str) -> None:
    text = user.kubectl("get", resource(version), "blue", "-o", "yaml").stdout
    user.kubectl("replace", "-f", "-", text=text)


def unchanged_by(user: User, act: Callable[[], None]) -> None:
    """Check that an act changes no field in either version, resourceVersion included."""
    waiting.until("the controller has nothing to write", lambda: user.pool(HUB), is_observed)
    before = user.pool(OLD), user.pool(HUB)

    act()

    assert (user.pool(OLD), user.pool(HUB)) == before
    assert ONLY_HUB.items() <= before[1]["spec"].items()


def is_observed(pool: Json) -> bool:
    observed: int = pool.get("status", {}).get("observedGeneration", 0)
    return observed == pool["metadata"]["generation"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            OLD,
            {
                "NAME": "blue",
                "SUBNET": "10.0.0.0/24",
                "FIRST": "10.0.0.10",
                "LAST": "10.0.0.19",
                "ADDRESSES": '["10.0.0.30"]',
                "TOTAL": "11",
                "FREE": "11",
                "USED": "0",
            },
        ),
        (
            HUB,
            {
                "NAME": "blue",
                "ADDRESSES": '["10.0.0.30","10.0.0.10-10.0.0.19"]',
                "TOTAL": "11",
                "FREE": "11",
                "USED": "0",
            },
        ),
    ],
)
def test_get_prints_the_columns_of_its_version(
    user: User, version: str, expected: dict[str, str]
) -> None:
    bounds = {"start": "10.0.0.10", "end": "10.0.0.19"}
    user.apply({"subnet": "10.0.0.0/24", "addresses": ["10.0.0.30"], **bounds})
    user.tenant.counts("blue", total=11)

    done = user.kubectl("get", resource(version))

    head, row = (line.split() for line in done.stdout.splitlines())
    assert dict(zip(head, row, strict=True)) == expected
    assert done.stderr == (DEPRECATED if version == OLD else "")
