# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam` run on a real API server, and its output in a form that can be compared."""

import json
import re
import sys
from pathlib import Path

from click import testing

from cli.kubectl import main
from envtest import contract, manifests
from envtest.client import Client, Json
from envtest.controlplane import control_plane, tenants

PROGRAM = Path(sys.executable).parent / "kubectl-ipam"
RBAC = "rbac.authorization.k8s.io/v1"
INFRASTRUCTURE = "infrastructure.example.com"
READ = ["get", "list", "watch"]

_NET = re.compile(r"10\.77\.\d+\.")  # each test has one of its own
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def run(kubeconfig: Path, *arguments: str, text: str = "") -> testing.Result:
    """Run a command; anything but an exit code is a failure of the test."""
    command = [arguments[0], "--kubeconfig", str(kubeconfig), *arguments[1:]]
    result = testing.CliRunner().invoke(main.main, command, input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def golden(result: testing.Result, namespace: str) -> list[str]:
    """Return the lines of an output without what differs between runs; columns move with it."""
    text = _TIME.sub("TIME", result.stdout).replace(namespace, "NS")
    text = _NET.sub("10.77.0.", text)
    return [re.sub(r" {2,}", "  ", line) for line in text.splitlines()]


def elsewhere(kubeconfig: Path, folder: Path, port: int) -> Path:
    """Return a kubeconfig with another port for the API server."""
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = folder / "config"
    path.write_text(json.dumps(config))
    return path


def allow(admin: Client, user: str, *rules: Json, namespace: str = "") -> None:
    """Allow a user some verbs, in one namespace or cluster-wide."""
    role: Json = {"metadata": {"name": user}, "rules": list(rules)}
    admin.resource(RBAC, "clusterroles").create(role)
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    binding: Json = {"metadata": {"name": user}, "subjects": [subject], "roleRef": reference}
    plural = "rolebindings" if namespace else "clusterrolebindings"
    admin.resource(RBAC, plural, namespace or None).create(binding)


def admin(tenant: tenants.Tenant) -> Path:
    """Return the kubeconfig of somebody who may do everything, with the tenant's namespace."""
    plane, namespace = tenant.provider.control_plane, tenant.namespace
    return plane.kubeconfig(f"admin-{namespace}", [control_plane.ADMIN_GROUP], namespace)


def user(tenant: tenants.Tenant, *verbs: str) -> Path:
    """Return the kubeconfig of somebody who may do this to our group, and nothing else."""
    name = f"{'-'.join(verbs)}-{tenant.namespace}"
    rule = {"apiGroups": [contract.GROUP], "resources": ["*"], "verbs": verbs}
    allow(tenant.provider.admin, name, rule)
    return tenant.provider.control_plane.kubeconfig(name, namespace=tenant.namespace)


def infrastructure(kind: str) -> Json:
    """Return the CRD of a kind of an infrastructure provider that nobody has heard of."""
    schema: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = manifests.version("v1", schema)
    return manifests.definition(INFRASTRUCTURE, kind, version, scope="Namespaced")


def owner(obj: Json) -> Json:
    """Return the reference to an owner."""
    meta = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
