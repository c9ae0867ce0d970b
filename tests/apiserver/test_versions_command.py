# SPDX-License-Identifier: Apache-2.0
"""`ipam-in-cluster versions` on a real API server, for people with rights and without."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from click import testing

from cli import main
from envtest import contract, manifests
from envtest.client import Client, Json
from envtest.controlplane import control_plane, provider, tenants

RBAC = "rbac.authorization.k8s.io/v1"
CRDS = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]}
POOLS = {"apiGroups": [contract.GROUP], "resources": ["*"]}
REWRITE = "--rewrite-managed-fields"


def run(kubeconfig: Path, *arguments: str) -> testing.Result:
    command = ["versions", "--kubeconfig", str(kubeconfig), *arguments]
    result = testing.CliRunner().invoke(main.main, command)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def everything(provider: provider.Provider) -> Path:
    return provider.control_plane.kubeconfig("all", [control_plane.ADMIN_GROUP])


@pytest.fixture
def old_writer(tenant: tenants.Tenant) -> Generator[str]:
    """Return the name of a manager that applied a pool in v1alpha1."""
    pools = tenant.pools(version="v1alpha1")
    body = manifests.pool("blue", {"subnet": "10.9.0.0/24"}, version="v1alpha1")
    pools.apply(body, "old-writer")
    tenant.counts("blue", total=254)
    yield "old-writer"
    tenant.pools().delete("blue")


def old_row(result: testing.Result) -> Json:
    kinds = json.loads(result.stdout)["kinds"]
    [kind] = [kind for kind in kinds if kind["kind"] == "InClusterIPPool"]
    [row] = [row for row in kind["versions"] if row["version"] == "v1alpha1"]
    found: Json = row
    return found


def test_a_writer_of_the_old_version_is_named_and_the_check_fails(
    everything: Path, old_writer: str
) -> None:
    table, checked = run(everything), run(everything, "--check")

    assert (table.exit_code, checked.exit_code) == (0, 1)
    assert table.stdout == checked.stdout
    [line] = [
        line
        for line in table.stdout.splitlines()
        if line.startswith("InClusterIPPool v1alpha1: managedFields of ")
    ]
    assert old_writer in line


def test_rewriting_leaves_each_manager_its_fields_and_the_check_passes(
    everything: Path, old_writer: str, tenant: tenants.Tenant
) -> None:
    result = run(everything, REWRITE, "--check", "-o", "json")

    assert result.exit_code == 0
    assert old_row(result)["managedFields"]["objects"] == 0
    entries: list[Json] = tenant.pools().get("blue")["metadata"]["managedFields"]
    [entry] = [entry for entry in entries if entry["manager"] == old_writer]
    assert entry["apiVersion"] == f"{contract.GROUP}/v1alpha2"
    assert entry["fieldsV1"] == {"f:spec": {"f:addresses": {}, "f:prefix": {}}}


def test_a_client_that_goes_on_in_the_old_version_is_seen_again_and_keeps_its_pool(
    everything: Path, old_writer: str, tenant: tenants.Tenant
) -> None:
    run(everything, REWRITE)
    pools = tenant.pools(version="v1alpha1")
    spec = {"subnet": "10.9.0.0/25"}

    applied = pools.apply(manifests.pool("blue", spec, version="v1alpha1"), old_writer)

    assert applied["spec"] == spec
    assert old_writer in old_row(run(everything, "-o", "json"))["managedFields"]["managers"]


def allow(admin: Client, user: str, *rules: Json) -> None:
    """Allow a user some verbs, cluster-wide."""
    role: Json = {"metadata": {"name": user}, "rules": list(rules)}
    admin.resource(RBAC, "clusterroles").create(role)
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    binding: Json = {"metadata": {"name": user}, "subjects": [subject], "roleRef": reference}
    admin.resource(RBAC, "clusterrolebindings").create(binding)


def test_who_may_read_both_needs_no_other_right(provider: provider.Provider) -> None:
    user = "reads-both"
    allow(provider.admin, user, CRDS | {"verbs": ["get"]}, POOLS | {"verbs": ["list"]})

    result = run(provider.control_plane.kubeconfig(user))

    assert result.stderr == ""
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("user", "rules", "arguments", "refused"),
    [
        ("reads-nothing", [], [], 'cannot get resource "customresourcedefinitions"'),
        (
            "reads-crds",
            [CRDS | {"verbs": ["get"]}],
            [],
            'cannot list resource "inclusterippools"',
        ),
        (
            "writes-nothing",
            [CRDS | {"verbs": ["get"]}, POOLS | {"verbs": ["list"]}],
            [REWRITE],
            "cannot patch resource",
        ),
    ],
)
@pytest.mark.usefixtures("old_writer")
def test_without_a_right_one_line_names_the_verb_and_the_resource(
    provider: provider.Provider, user: str, rules: list[Json], arguments: list[str], refused: str
) -> None:
    allow(provider.admin, user, *rules)

    result = run(provider.control_plane.kubeconfig(user), *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert refused in line
    assert "the command needs the verb get on customresourcedefinitions" in line


def test_an_unknown_token_is_reported_in_one_line(
    provider: provider.Provider, everything: Path, tmp_path: Path
) -> None:
    config = json.loads(everything.read_text())
    config["users"][0]["user"] = {"token": "nobody's"}
    path = tmp_path / "config"
    path.write_text(json.dumps(config))

    result = run(path)

    assert result.exit_code == 1
    assert result.stderr == (
        "the API server does not accept the credentials in the kubeconfig: log in again\n"
    )
    assert provider.control_plane.ready()
