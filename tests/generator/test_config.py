# SPDX-License-Identifier: Apache-2.0
"""What is installed has the names that clusterctl and running clusters know."""

import json
from collections.abc import ItemsView
from pathlib import Path

import pytest
import yaml

from api import kinds
from envtest import install
from envtest.client import Json

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "capi-ipam-in-cluster-system"
PREFIX = "capi-ipam-in-cluster-"
PROVIDER = {"cluster.x-k8s.io/provider": "ipam-in-cluster"}
SELECTOR = {**PROVIDER, "control-plane": "controller-manager"}
INJECT = {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/{PREFIX}serving-cert"}
CERTIFICATE = f"{PREFIX}webhook-service-cert"
CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - a path in the pod


@pytest.fixture(scope="module")
def shipped() -> dict[tuple[str, str], Json]:
    """The objects of config/default by kind and name."""
    return {(found["kind"], found["metadata"]["name"]): found for found in install.shipped()}


def test_the_objects_have_the_names_of_the_contract(shipped: dict[tuple[str, str], Json]) -> None:
    definitions = {("CustomResourceDefinition", kind.resource.name) for kind in kinds.KINDS}

    assert set(shipped) == definitions | {
        ("Namespace", NAMESPACE),
        ("ServiceAccount", f"{PREFIX}controller-manager"),
        ("ClusterRole", f"{PREFIX}manager-role"),
        ("ClusterRoleBinding", f"{PREFIX}manager-rolebinding"),
        ("Role", f"{PREFIX}leader-election-role"),
        ("RoleBinding", f"{PREFIX}leader-election-rolebinding"),
        ("ClusterRole", f"{PREFIX}metrics-reader"),
        ("Service", f"{PREFIX}controller-manager-metrics-service"),
        ("Service", f"{PREFIX}webhook-service"),
        ("Deployment", f"{PREFIX}controller-manager"),
        ("Certificate", f"{PREFIX}serving-cert"),
        ("Issuer", f"{PREFIX}selfsigned-issuer"),
        ("MutatingWebhookConfiguration", f"{PREFIX}mutating-webhook-configuration"),
        ("ValidatingWebhookConfiguration", f"{PREFIX}validating-webhook-configuration"),
    }


def test_every_object_has_the_providers_label(shipped: dict[tuple[str, str], Json]) -> None:
    assert [key for key, found in shipped.items() if not labels(found) >= PROVIDER.items()] == []


def test_every_namespaced_object_is_in_the_providers_namespace(
    shipped: dict[tuple[str, str], Json],
) -> None:
    namespaces = {found["metadata"].get("namespace", NAMESPACE) for found in shipped.values()}

    assert namespaces == {NAMESPACE}


def test_every_webhook_calls_the_service(shipped: dict[tuple[str, str], Json]) -> None:
    services = found_under("service", list(shipped.values()))

    assert len(services) == 2 + 2 * 4  # conversion of two kinds, two webhooks of four
    for service in services:
        assert (service["name"], service["namespace"]) == (f"{PREFIX}webhook-service", NAMESPACE)


def test_cert_manager_injects_its_authority_where_webhooks_are_called(
    shipped: dict[tuple[str, str], Json],
) -> None:
    annotated = {key for key, found in shipped.items() if annotations(found) >= INJECT.items()}

    assert annotated == {
        key for key, found in shipped.items() if any(found_under("clientConfig", found))
    }


def test_bindings_and_certificate_name_what_is_there(
    shipped: dict[tuple[str, str], Json],
) -> None:
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        (binding,) = (found for (of, _), found in shipped.items() if of == kind)
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"]) in shipped
        assert subject["namespace"] == NAMESPACE
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in shipped
    certificate = shipped["Certificate", f"{PREFIX}serving-cert"]["spec"]
    assert ("Issuer", certificate["issuerRef"]["name"]) in shipped
    assert certificate["secretName"] == CERTIFICATE
    assert certificate["dnsNames"][0] == f"{PREFIX}webhook-service.{NAMESPACE}.svc"


@pytest.mark.parametrize(
    ("name", "port", "target"),
    [
        ("webhook-service", 443, "webhook-server"),
        ("controller-manager-metrics-service", 8443, "metrics"),
    ],
)
def test_the_services_reach_the_managers_ports(
    shipped: dict[tuple[str, str], Json], name: str, port: int, target: str
) -> None:
    service = shipped["Service", f"{PREFIX}{name}"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in manager(shipped)["ports"]}

    assert service["selector"] == SELECTOR
    (only,) = service["ports"]
    assert (only["port"], only["targetPort"]) == (port, target)
    assert ports == {"webhook-server": 9443, "metrics": 8443, "healthz": 8081}


def test_the_deployment_keeps_its_immutable_selector(
    shipped: dict[tuple[str, str], Json],
) -> None:
    spec = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]

    assert spec["selector"]["matchLabels"] == SELECTOR
    assert spec["template"]["metadata"]["labels"] == SELECTOR
    assert spec["template"]["spec"]["serviceAccountName"] == f"{PREFIX}controller-manager"


def test_the_pod_is_restricted(shipped: dict[tuple[str, str], Json]) -> None:
    pod = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]["template"]["spec"]

    assert pod["securityContext"] == {
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert manager(shipped)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
    }


def test_the_manager_reads_the_certificate_that_is_mounted(
    shipped: dict[tuple[str, str], Json],
) -> None:
    pod = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]["template"]["spec"]
    container = manager(shipped)

    assert container["volumeMounts"] == [
        {"mountPath": CERTIFICATES, "name": "cert", "readOnly": True}
    ]
    assert pod["volumes"] == [{"name": "cert", "secret": {"secretName": CERTIFICATE}}]
    assert f"--webhook-cert-dir={CERTIFICATES}" in container["args"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "healthz"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "healthz"}


def test_there_is_a_sample_of_every_kind_in_every_version() -> None:
    names = {kind: f"{kind.version.name}_{kind.__name__.lower()}.yaml" for kind in kinds.KINDS}

    for kind, name in names.items():
        text = (ROOT / "config" / "samples" / name).read_text()
        for sample in yaml.safe_load_all(text):
            assert sample["apiVersion"] == f"{kind.resource.group}/{kind.version.name}"
            assert sample["kind"] == kind.resource.kind
            assert kind.model_validate(sample).as_json() == sample


def test_clusterctl_learns_the_contract_of_each_release_series() -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())

    series = {f"{s['major']}.{s['minor']}": s["contract"] for s in metadata["releaseSeries"]}
    assert metadata["apiVersion"] == "clusterctl.cluster.x-k8s.io/v1alpha3"
    assert metadata["kind"] == "Metadata"
    assert series == {
        "0.1": "v1beta1",
        "1.0": "v1beta1",
        "1.1": "v1beta2",
        "2.0": "v1beta1",
        "2.1": "v1beta2",
    }


def manager(shipped: dict[tuple[str, str], Json]) -> Json:
    """Return the container of the Deployment."""
    pod = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["name"], container["command"]) == ("manager", ["/manager"])
    return dict(container)


def labels(document: Json) -> ItemsView[str, str]:
    found: dict[str, str] = document["metadata"].get("labels", {})
    return found.items()


def annotations(document: Json) -> ItemsView[str, str]:
    found: dict[str, str] = document["metadata"].get("annotations", {})
    return found.items()


def found_under(key: str, value: Json | list[Json]) -> list[Json]:
    """Return what stands under a key, at any depth."""
    found: list[Json] = []

    def look(item: Json) -> Json:
        if key in item:
            found.append(item[key])
        return item

    json.loads(json.dumps(value), object_hook=look)
    return found
