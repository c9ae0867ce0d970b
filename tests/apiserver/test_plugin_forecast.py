# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam forecast` on a real API server, with the CRDs of Cluster API."""

from pathlib import Path

import pytest
import yaml
from plugin_runs import INFRASTRUCTURE, READ, allow, golden, infrastructure, run

from envtest import contract
from envtest.client import Json
from envtest.controlplane import capi, install, tenants

CLUSTER_API = "cluster.x-k8s.io"
TEMPLATE = {"apiGroup": INFRASTRUCTURE, "kind": "BarTemplate", "name": "nodes"}
BOOTSTRAP = {"dataSecretName": "x"}
RULES: list[Json] = [
    {"apiGroups": [contract.GROUP, CLUSTER_API], "resources": ["*"], "verbs": READ},
    {"apiGroups": [INFRASTRUCTURE], "resources": ["*"], "verbs": ["get"]},
]


@pytest.fixture
def workers(tenant: tenants.Tenant) -> tenants.Tenant:
    """Return a tenant with a pool of five addresses, and a MachineDeployment of four replicas."""
    admin, namespace = tenant.provider.admin, tenant.namespace
    bases = capi.config(capi.NEWEST) / "crd" / "bases"
    deployments: Json = yaml.safe_load(
        (bases / "cluster.x-k8s.io_machinedeployments.yaml").read_text()
    )
    install.crds(admin, [deployments, infrastructure("BarTemplate")])
    tenant.add_pool("nodes", "10.77.0.1-10.77.0.5")
    pool = {"apiGroup": contract.GROUP, "kind": tenants.POOL, "name": "nodes"}
    admin.resource(f"{INFRASTRUCTURE}/v1", "bartemplates", namespace).create(
        {
            "apiVersion": f"{INFRASTRUCTURE}/v1",
            "kind": "BarTemplate",
            "metadata": {"name": "nodes"},
            "spec": {"template": {"nics": [{"pool": pool}]}},
        }
    )
    machine: Json = {"clusterName": "c1", "bootstrap": BOOTSTRAP, "infrastructureRef": TEMPLATE}
    spec = {
        "clusterName": "c1",
        "replicas": 4,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": machine},
    }
    admin.resource(f"{CLUSTER_API}/v1beta2", "machinedeployments", namespace).create(
        {
            "apiVersion": f"{CLUSTER_API}/v1beta2",
            "kind": "MachineDeployment",
            "metadata": {"name": "workers"},
            "spec": spec,
        }
    )
    return tenant


def user(tenant: tenants.Tenant, *rules: Json) -> Path:
    name = f"forecast-{len(rules)}-{tenant.namespace}"
    allow(tenant.provider.admin, name, *rules)
    return tenant.provider.control_plane.kubeconfig(name, namespace=tenant.namespace)


def scaled(tenant: tenants.Tenant, replicas: int, **annotations: str) -> None:
    deployments = tenant.provider.admin.resource(
        f"{CLUSTER_API}/v1beta2", "machinedeployments", tenant.namespace
    )

    def change(deployment: Json) -> None:
        deployment["spec"]["replicas"] = replicas
        deployment["metadata"]["annotations"] = annotations

    deployments.edit("workers", change)


def test_a_pool_that_has_enough_differs_from_one_that_runs_out(workers: tenants.Tenant) -> None:
    reader = user(workers, *RULES)
    enough = run(reader, "forecast")
    maximum = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"
    scaled(workers, 4, **{maximum: "9"})
    growth = run(reader, "forecast")
    scaled(workers, 5)
    rollout = run(reader, "forecast")

    assert golden(enough, workers.namespace) == [
        "NAMESPACE  NAME  KIND  FREE  NEEDED  IN USE  ROLLOUT  MAXIMUM  FORECAST",
        "NS  nodes  InClusterIPPool  5  4  0  1  4  enough",
    ]
    assert golden(growth, workers.namespace)[1].endswith("4  0  1  9  runs out when scaled up")
    assert golden(rollout, workers.namespace)[1].endswith("5  0  1  5  runs out at a rollout")
    assert (enough.exit_code, growth.exit_code, rollout.exit_code) == (0, 1, 1)


def test_a_template_that_may_not_be_read_is_named(workers: tenants.Tenant) -> None:
    result = run(user(workers, RULES[0]), "forecast")

    nothing, unread = golden(result, workers.namespace)
    assert nothing == "No infrastructure template of a Cluster names a pool."
    assert unread.startswith("BarTemplate nodes of MachineDeployment workers cannot be read")


def test_without_a_right_the_verb_and_the_resource_are_named(workers: tenants.Tenant) -> None:
    rule = RULES[0] | {"apiGroups": [contract.GROUP]}
    result = run(user(workers, rule), "forecast")

    assert result.exit_code == 3
    assert 'cannot list resource "machinedeployments"' in result.stderr
