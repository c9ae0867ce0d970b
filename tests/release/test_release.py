# SPDX-License-Identifier: Apache-2.0
"""What `make release` writes: complete, the same each time, and accepted by the API server."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from envtest import client, errors, manifests, plugin
from envtest.controlplane import capi, control_plane, install, provider
from hack import release

ROOT = Path(__file__).parent.parent.parent
VERSION = "v2.1.0"
VARIANTS = (
    "ipam-components.yaml",
    "ipam-components-high-availability.yaml",
    "ipam-components-namespaced.yaml",
    "ipam-components-prometheus.yaml",
    "ipam-components-self-signed.yaml",
)
PROVIDER = {"cluster.x-k8s.io/provider": "ipam-in-cluster"}
MONITORING = "monitoring.coreos.com"


def monitoring_crd(kind: str) -> client.Json:
    """Return a CRD of the Prometheus operator, as far as the API server asks about it."""
    singular = kind.lower()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{MONITORING}"},
        "spec": {
            "group": MONITORING,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": f"{singular}s",
                "singular": singular,
            },
            "versions": [version],
        },
    }


def run(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run what `make release` runs."""
    command = [sys.executable, "hack/release.py", VERSION, f"--out={out}", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release")
    done = run(out)
    assert done.stderr == ""
    return out / "ipam-in-cluster" / VERSION


def objects(folder: Path, variant: str) -> list[client.Json]:
    return manifests.parse((folder / variant).read_text())


def test_everything_is_there(folder: Path) -> None:
    others = {"metadata.yaml", "release-notes.md", "SHA256SUMS"}

    assert {path.name for path in folder.iterdir()} == {*VARIANTS, *others}
    assert "IPAddressClaims" in (folder / "release-notes.md").read_text()


def test_the_checksums_are_those_of_the_files(folder: Path) -> None:
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]

    done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert len(done.stdout.splitlines()) == len(list(folder.iterdir())) - 1


def test_a_second_run_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    release.release(VERSION, release.IMAGE, tmp_path)

    for path in folder.iterdir():
        assert (
            tmp_path / "ipam-in-cluster" / VERSION / path.name
        ).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_says_whose_it_is_and_the_image_is_that_of_the_release(
    folder: Path, variant: str
) -> None:
    found = objects(folder, variant)

    assert [it["kind"] for it in found].count("Namespace") == 1
    for it in found:
        assert it["metadata"]["labels"].items() >= PROVIDER.items(), it["metadata"]["name"]
    (deployment,) = [it for it in found if it["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"localhost/cluster-api-ipam-provider-in-cluster:{VERSION}"


def test_the_image_may_be_in_a_registry_with_a_port() -> None:
    image = "registry.example:5000/team/ipam"
    release.check_image(image)

    text = release.components(install.DEFAULT, VERSION, image)
    assert f"image: registry.example:5000/team/ipam:{VERSION}\n" in text


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("2.0.0", "'2.0.0' is no version: write vMAJOR.MINOR.PATCH, such as v2.0.0"),
        ("v2.0", "'v2.0' is no version: write vMAJOR.MINOR.PATCH, such as v2.0.0"),
        (
            "v3.0.0",
            (
                "v3.0.0 is of no release series in metadata.yaml: "
                "add major 3, minor 0 with the contract that it speaks"
            ),
        ),
    ],
)
def test_a_version_that_clusterctl_could_not_install_is_refused(
    tmp_path: Path, version: str, message: str
) -> None:
    with pytest.raises(release.ReleaseError) as refusal:
        release.release(version, release.IMAGE, tmp_path)

    assert str(refusal.value) == message
    assert list(tmp_path.iterdir()) == []


def test_an_image_without_a_registry_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--image=team/ipam")

    assert done.returncode == 1
    assert done.stderr == (
        "release: the image 'team/ipam' names no registry, which clusterctl refuses: "
        "write REGISTRY/NAME, such as registry.example/ipam-in-cluster\n"
    )


@pytest.fixture(scope="module")
def bare(make_log_folder: plugin.MakeFolder) -> Generator[client.Client]:
    """An API server that knows every kind of a release, and has the namespace."""
    files = capi.cert_manager_crds()
    crds = [crd for path in files for crd in manifests.parse(path.read_text())]
    with control_plane.ControlPlane(make_log_folder()) as plane:
        monitoring = [monitoring_crd(kind) for kind in ("ServiceMonitor", "PrometheusRule")]
        install.crds(plane.admin, [*crds, *monitoring])
        plane.admin.resource("v1", "namespaces").create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": provider.NAMESPACE}}
        )
        yield plane.admin


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_accepts_every_object_without_a_warning(
    folder: Path, variant: str, bare: client.Client
) -> None:
    for found in objects(folder, variant):
        assert dry_run(bare, found).warnings == (), found["metadata"]["name"]


@pytest.mark.parametrize("component", ["network-policy"])
def test_the_api_server_accepts_the_components_that_need_a_clusters_own_addresses(
    component: str, bare: client.Client
) -> None:
    shipped = install.shipped()
    found = [it for it in install.Variant(components=(component,)).objects() if it not in shipped]

    assert found
    for it in found:
        assert dry_run(bare, it).warnings == (), it["metadata"]["name"]


def dry_run(admin: client.Client, found: client.Json) -> client.Answer:
    version, meta = found["apiVersion"], found["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = {"NetworkPolicy": "networkpolicies"}.get(found["kind"], f"{found['kind'].lower()}s")
    scope = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
    query = {"fieldManager": "test", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
    path = f"{root}{scope}/{plural}/{meta['name']}"
    return admin.request("PATCH", path, found, content_type=client.APPLY, query=query)


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_pods_are_as_restricted_as_its_namespace_asks(
    folder: Path, variant: str, admin: client.Client
) -> None:
    found = objects(folder, variant)
    (namespace,) = [it for it in found if it["kind"] == "Namespace"]
    (deployment,) = [it for it in found if it["kind"] == "Deployment"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    template = deployment["spec"]["template"]

    create_pod(admin, template["spec"])
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(errors.RefusedError, match="violates PodSecurity"):
        create_pod(admin, template["spec"])


def create_pod(admin: client.Client, spec: client.Json) -> None:
    path = f"/api/v1/namespaces/{provider.NAMESPACE}/pods"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try"}, "spec": spec}
    admin.request("POST", path, body, query={"dryRun": "All"})
