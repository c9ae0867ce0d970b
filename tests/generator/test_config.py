# SPDX-License-Identifier: Apache-2.0
"""What is installed has the names that clusterctl and running clusters know.

And it agrees with the code: what the generator does not write, or writes from `manager/pod.py`, is
what the manager takes, listens on and answers.
"""

import json
import os
import re
import subprocess
from collections.abc import ItemsView
from http import HTTPStatus
from pathlib import Path

import click
import pytest
import yaml
from starlette import types

from api import kinds
from envtest.client import Json
from envtest.controlplane import binaries, install
from envtest.lab import documents
from manager import diagnostics, flags, health, main, process
from webhook import deferred, server

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


async def test_a_pod_is_alive_before_it_is_ready(
    shipped: dict[tuple[str, str], Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    probes, container = health.Health(), manager(shipped)
    alive, ready = (container[f"{of}Probe"]["httpGet"] for of in ("liveness", "readiness"))

    monkeypatch.setattr(health, "_ANSWER_SECONDS", 0.01)
    starting = [await status_of(probes, probe["path"]) for probe in (alive, ready)]
    probes.set_ready(None)
    running = [await status_of(probes, probe["path"]) for probe in (alive, ready)]

    assert starting == [HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE]
    assert running == [HTTPStatus.OK, HTTPStatus.OK]
    assert alive == {"path": "/healthz", "port": "healthz"}
    assert ready == {"path": "/readyz", "port": "healthz"}


def test_the_kubelet_asks_at_once_and_every_second_whether_the_pod_is_ready(
    shipped: dict[tuple[str, str], Json],
) -> None:
    container = manager(shipped)
    ready = container["readinessProbe"]

    assert ready["periodSeconds"] == 1
    assert "initialDelaySeconds" not in ready
    # The kubelet runs the readiness probe as soon as it sees the container run.  With a startup
    # probe it waits for that one's next turn first.
    assert "startupProbe" not in container


def test_the_kubelet_waits_for_an_answer_that_waits_for_the_start(
    shipped: dict[tuple[str, str], Json],
) -> None:
    ready = manager(shipped)["readinessProbe"]

    assert ready["timeoutSeconds"] > health._ANSWER_SECONDS


async def test_every_webhook_calls_a_path_that_the_manager_serves(
    shipped: dict[tuple[str, str], Json],
) -> None:
    served = {
        getattr(route, "path", "")
        for route in (await deferred.DeferredApp(process.DeferredReader()).load()).routes
    }

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


def test_the_namespaced_variant_has_webhooks_for_the_pools_of_its_namespace_alone() -> None:
    objects = by_name("default", "namespaced")
    hooks = [hook for found in objects.values() for hook in found.get("webhooks", ())]
    plurals = {rule["resources"][0] for hook in hooks for rule in hook["rules"]}
    selectors = [hook["namespaceSelector"] for hook in hooks]
    binding = objects["RoleBinding", f"{PREFIX}manager-rolebinding"]

    assert plurals == {
        kind.resource.plural for kind in kinds.KINDS if kind.resource.scope == "Namespaced"
    }
    assert selectors == 2 * len(plurals) * [
        {"matchLabels": {"kubernetes.io/metadata.name": "default"}}
    ]
    assert binding["metadata"]["namespace"] == "default"
    assert context_of(manager(objects)["args"]).params["namespace"] == "default"
    assert ("ClusterRoleBinding", f"{PREFIX}manager-rolebinding") not in objects


def test_the_first_namespaced_installation_has_the_names_of_the_contract(
    shipped: dict[tuple[str, str], Json],
) -> None:
    names = set(by_name("default", "namespaced"))

    assert names - set(shipped) == {
        ("ClusterRoleBinding", f"{PREFIX}auth-delegator"),
        ("RoleBinding", f"{PREFIX}manager-rolebinding"),
    }
    assert set(shipped) - names == {("ClusterRoleBinding", f"{PREFIX}manager-rolebinding")}


@pytest.mark.parametrize(
    "components", [(), ("high-availability", "prometheus", "alerts", "network-policy")], ids=len
)
def test_two_namespaced_installations_have_no_object_in_common(
    tmp_path: Path, components: tuple[str, ...]
) -> None:
    second = install.namespaced(tmp_path, "team", name="second")
    objects = {
        part: install.Variant(components=(*components, *own)).objects()
        for part, own in (("first", ("namespaced",)), ("second", (second, "without-crds")))
    }

    assert places(objects["first"]) & places(objects["second"]) == set()
    for kind in ("CustomResourceDefinition", "ConfigMap"):
        assert kind not in {found["kind"] for found in objects["second"]}
    text = json.dumps(objects["second"])
    assert NAMESPACE not in text
    assert "SERVED" not in text
    assert "second-ipam-in-cluster-system.svc" in text


def places(objects: list[Json]) -> set[tuple[str, str, str]]:
    """Return what tells objects apart."""
    return {
        (found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"])
        for found in objects
    }


def test_all_that_the_second_one_refers_to_is_its_own(tmp_path: Path) -> None:
    component = install.namespaced(tmp_path, "team", name="second")
    objects = install.Variant(components=(component, "without-crds")).objects()
    known = places(objects)
    bindings = [found for found in objects if found["kind"].endswith("RoleBinding")]

    assert len(bindings) == 3
    for found in bindings:
        (subject,), role = found["subjects"], found["roleRef"]
        assert ("ServiceAccount", subject["namespace"], subject["name"]) in known
        namespace = subject["namespace"] if role["kind"] == "Role" else ""
        own = (role["kind"], namespace, role["name"]) in known
        assert own or role["name"] == "system:auth-delegator"
    for service in found_under("service", objects):
        assert ("Service", service["namespace"], service["name"]) in known
    for found in objects:
        if (
            injected := found["metadata"]
            .get("annotations", {})
            .get("cert-manager.io/inject-ca-from")
        ):
            assert ("Certificate", *injected.split("/")) in known


def test_the_network_policy_lets_nobody_but_those_named_to_the_managers_ports(
    shipped: dict[tuple[str, str], Json],
) -> None:
    objects = by_name("default", "network-policy")
    (name,) = set(objects) - set(shipped)
    policy = objects[name]["spec"]

    assert name[0] == "NetworkPolicy"
    assert policy["podSelector"] == {"matchLabels": SELECTOR}
    assert policy["policyTypes"] == ["Ingress"]
    opened = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    container = {port["name"] for port in manager(shipped)["ports"]}
    assert set(opened) == container - {"healthz"}  # the kubelet of the node needs no rule
    assert all(opened.values()), "an empty list would let everybody in"


@pytest.mark.parametrize(
    ("section", "file", "expected"),
    [
        ("In one namespace only", "ipam-components-team-b.yaml", "--namespace=team-b"),
        ("With a NetworkPolicy", "ipam-components.yaml", "cidr: 10.1.0.13/32"),
        ("Several of these together", "ipam-components.yaml", "kind: PodDisruptionBudget"),
    ],
)
def test_what_the_installation_page_combines_can_be_built(
    tmp_path: Path, section: str, file: str, expected: str
) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "kubectl").symlink_to(binaries.find(binaries.KUBECTL))
    text = documents.sections(ROOT / "docs/how-to/install.md")[section]
    for kind, block in re.findall(r"^```(bash|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if kind == "yaml":
            (tmp_path / "kustomization.yaml").write_text(block)
        elif "kubectl kustomize" in block:
            path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
            subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=path, check=True)

    assert expected in (tmp_path / file).read_text()


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


def by_name(base: str, *components: str) -> dict[tuple[str, str], Json]:
    objects = install.Variant(base, components).objects()
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
