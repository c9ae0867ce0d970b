# SPDX-License-Identifier: Apache-2.0
"""What is installed has the names that clusterctl and running clusters know.

And it agrees with the code: what the generator does not write, or writes from `kube/pod.py`, is
what the manager takes, listens on and answers.
"""

import json
from collections.abc import ItemsView
from http import HTTPStatus
from pathlib import Path

import click
import pytest
import yaml
from starlette import types

from api import kinds
from envtest import install
from envtest.client import Json
from manager import diagnostics, flags, health, main, process
from webhook import app, server

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
    return by_name("default")


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
        ("Certificate", f"{PREFIX}ca"),
        ("Issuer", f"{PREFIX}selfsigned-issuer"),
        ("Issuer", f"{PREFIX}ca-issuer"),
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
    assert certificate["secretName"] == CERTIFICATE
    assert certificate["dnsNames"][0] == f"{PREFIX}webhook-service.{NAMESPACE}.svc"


def test_an_authority_signs_the_serving_certificate_and_keeps_its_key(
    shipped: dict[tuple[str, str], Json],
) -> None:
    serving = shipped["Certificate", f"{PREFIX}serving-cert"]["spec"]
    issuer = shipped["Issuer", serving["issuerRef"]["name"]]["spec"]
    authority = shipped["Certificate", f"{PREFIX}ca"]["spec"]
    first = shipped["Issuer", authority["issuerRef"]["name"]]["spec"]

    assert issuer == {"ca": {"secretName": authority["secretName"]}}
    assert authority["isCA"]
    assert authority["privateKey"]["rotationPolicy"] == "Never"
    assert first == {"selfSigned": {}}


def test_without_cert_manager_nothing_of_it_is_installed() -> None:
    text = json.dumps(install.shipped("self-signed"))

    assert "cert-manager" not in text


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

    assert service["selector"] == SELECTOR
    (only,) = service["ports"]
    assert (only["port"], only["targetPort"]) == (port, target)
    assert target in {port["name"] for port in manager(shipped)["ports"]}


@pytest.mark.parametrize("overlay", ["default", "self-signed"])
def test_every_argument_is_a_flag_of_the_manager(overlay: str) -> None:
    assert context_of(manager(by_name(overlay))["args"]).args == []


@pytest.mark.parametrize(
    ("overlay", "changes"),
    [
        ("default", {"leader_elect": True, "shutdown_delay": 3}),
        ("self-signed", {"leader_elect": True, "shutdown_delay": 3, "self_signed": True}),
    ],
)
def test_the_arguments_say_what_the_defaults_say_but_for(overlay: str, changes: Json) -> None:
    chosen = context_of(manager(by_name(overlay))["args"]).params

    assert chosen == context_of([]).params | changes


def test_the_container_has_the_ports_that_the_manager_listens_on(
    shipped: dict[tuple[str, str], Json],
) -> None:
    container = manager(shipped)
    settings = context_of(container["args"]).params

    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "webhook-server": 9443,
        "metrics": 8443,
        "healthz": 8081,
    }
    assert settings["webhook_port"] == 9443
    assert settings["diagnostics"] == flags.Address("", 8443)
    assert settings["health"] == flags.Address("", 8081)


async def test_a_pod_is_alive_before_it_is_ready(shipped: dict[tuple[str, str], Json]) -> None:
    probes, container = health.Health(), manager(shipped)
    alive, ready = (container[f"{of}Probe"]["httpGet"] for of in ("liveness", "readiness"))

    starting = [await status_of(probes, probe["path"]) for probe in (alive, ready)]
    probes.ready = True
    running = [await status_of(probes, probe["path"]) for probe in (alive, ready)]

    assert starting == [HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE]
    assert running == [HTTPStatus.OK, HTTPStatus.OK]
    assert alive == {"path": "/healthz", "port": "healthz"}
    assert ready == {"path": "/readyz", "port": "healthz"}


def test_every_webhook_calls_a_path_that_the_manager_serves(
    shipped: dict[tuple[str, str], Json],
) -> None:
    served = {getattr(route, "path", "") for route in app.create_app(process.Later()).routes}

    called = {service["path"] for service in found_under("service", list(shipped.values()))}

    assert called <= served
    assert len(called) == 1 + 2 * 4  # conversion, and two of each kind


def test_a_stopping_pod_has_the_time_for_what_the_api_server_still_waits_for(
    shipped: dict[tuple[str, str], Json],
) -> None:
    pod = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]["template"]["spec"]
    configurations = [found for found in shipped.values() if "webhooks" in found]
    waits = {hook["timeoutSeconds"] for found in configurations for hook in found["webhooks"]}
    delay = context_of(manager(shipped)["args"]).params["shutdown_delay"]

    assert waits == {server._DRAIN_SECONDS}
    assert pod["terminationGracePeriodSeconds"] > delay + server._DRAIN_SECONDS


def test_metrics_are_read_where_the_role_for_it_says(
    shipped: dict[tuple[str, str], Json],
) -> None:
    (rule,) = shipped["ClusterRole", f"{PREFIX}metrics-reader"]["rules"]

    assert rule == {"nonResourceURLs": [diagnostics.METRICS], "verbs": ["get"]}


def test_the_manager_signs_for_the_service_in_the_namespace_that_are_installed(
    shipped: dict[tuple[str, str], Json],
) -> None:
    settings = context_of([]).params

    assert ("Service", settings["webhook_service"]) in shipped
    assert flags.DEFAULT_NAMESPACE == NAMESPACE


def test_the_image_runs_the_manager_as_the_user_and_the_command_of_the_pod(
    shipped: dict[tuple[str, str], Json],
) -> None:
    pod = shipped["Deployment", f"{PREFIX}controller-manager"]["spec"]["template"]["spec"]
    (command,) = manager(shipped)["command"]
    user, group = (pod["securityContext"][key] for key in ("runAsUser", "runAsGroup"))

    image = (ROOT / "Dockerfile").read_text()

    assert f"/bin/{flags.PROGRAM} {command} " in image
    assert f'USER {user}:{group}\nENTRYPOINT ["{command}"]\n' in image


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
    settings = context_of(container["args"]).params
    assert settings["webhook_cert_dir"] == Path(CERTIFICATES)
    names = (settings["webhook_cert_name"], settings["webhook_key_name"])
    assert names == ("tls.crt", "tls.key")  # of every Secret of type kubernetes.io/tls


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


def by_name(overlay: str) -> dict[tuple[str, str], Json]:
    objects = install.shipped(overlay)
    return {(found["kind"], found["metadata"]["name"]): found for found in objects}


def context_of(arguments: list[str]) -> click.Context:
    """Read arguments as the manager does; `args` of the result are those that it does not know."""
    return main.main.make_context(flags.PROGRAM, list(arguments))


async def status_of(application: health.Health, path: str) -> int:
    sent: list[types.Message] = []

    async def receive() -> types.Message:
        raise AssertionError("a probe has no body")

    async def send(message: types.Message) -> None:
        sent.append(message)

    await application({"type": "http", "path": path}, receive, send)
    return int(sent[0]["status"])


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
