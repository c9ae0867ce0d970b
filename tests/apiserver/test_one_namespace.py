# SPDX-License-Identifier: Apache-2.0
"""A manager of one namespace, with rights in that namespace alone."""

from collections.abc import Generator

import pytest

from envtest import client, contract, install, manager, plugin, provider, tenants

TEAM = "team"
ROLE = "capi-ipam-in-cluster-manager-role"
BINDING = "capi-ipam-in-cluster-manager-rolebinding"
RBAC = "rbac.authorization.k8s.io/v1"
GLOBAL = "GlobalInClusterIPPool"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Generator[provider.Provider]:
    flags = (*manager.LEASE_FLAGS, f"--namespace={TEAM}")
    cluster = provider.Provider(plugin.log_folder(tmp_path_factory), flags=flags)
    try:
        cluster.control_plane.start()
        cluster.install()
        cluster.new_namespace(TEAM)
        cluster.new_namespace("other")
        bind_in_namespace(cluster)
        cluster.start_manager()
        yield cluster
    finally:
        cluster.stop()


def bind_in_namespace(cluster: provider.Provider) -> None:
    """Give the manager its rights in one namespace instead of all."""
    bindings = cluster.admin.resource(RBAC, "clusterrolebindings")
    everywhere = bindings.get(BINDING)
    bindings.delete(BINDING)
    body = {
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": BINDING, "namespace": TEAM},
        "roleRef": everywhere["roleRef"],
        "subjects": everywhere["subjects"],
    }
    install.apply(cluster.admin, body)


@pytest.fixture
def team(narrow: provider.Provider) -> tenants.Tenant:
    return tenants.Tenant(narrow, TEAM)


def test_claims_on_pools_of_the_namespace_are_served(team: tenants.Tenant) -> None:
    team.add_pool("blue", "10.0.0.10")
    team.add_claim("web", "blue")

    assert team.bound("web") == ["10.0.0.10"]
    team.counts("blue", used=1)


def test_claims_of_other_namespaces_are_not_touched(team: tenants.Tenant) -> None:
    other = tenants.Tenant(team.provider, "other")
    other.add_pool("blue", "10.0.0.10")
    claim = other.add_claim("web", "blue")
    team.add_pool("red", "10.1.0.10")
    team.add_claim("after", "red")

    team.bound("after")

    assert other.claims.get("web") == claim


def test_a_claim_on_a_global_pool_is_told_what_is_missing_and_served_when_it_is_there(
    team: tenants.Tenant,
) -> None:
    team.add_pool("everywhere", "10.2.0.10", kind=GLOBAL)
    team.add_claim("global", "everywhere", GLOBAL)

    message = team.not_ready("global", "PoolNotReady")

    assert message == missing("ipaddresses", "globalinclusterippools", "globalinclusterprefixpools")
    bind_everywhere(team.provider.admin, add_lister(team.provider.admin))
    restart(team.provider)
    team.add_pool("green", "10.3.0.10")
    team.add_claim("later", "green")
    team.bound("later")
    assert team.not_ready("global", "PoolNotReady") == message
    bind_everywhere(team.provider.admin, ROLE)
    restart(team.provider)
    assert team.bound("global") == ["10.2.0.10"]


def missing(*plurals: str) -> str:
    return (
        "GlobalInClusterIPPool everywhere is a global pool, and the manager (--namespace team) may "
        f"not list and watch {', '.join(plurals)} in all namespaces: allow this to its "
        "ServiceAccount, or use a pool of the namespace"
    )


def restart(cluster: provider.Provider) -> None:
    cluster.manager.stop()
    cluster.manager.run()


def add_lister(admin: client.Client) -> str:
    """Create a role that may list, but not watch; return its name."""
    name = "lister"
    rule = {"apiGroups": [contract.GROUP], "resources": ["*"], "verbs": ["list"]}
    role = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}}
    install.apply(admin, role | {"rules": [rule]})
    return name


def bind_everywhere(admin: client.Client, role: str) -> None:
    """Give the manager a role in all namespaces, beside what it has in the one."""
    binding = admin.resource(RBAC, "rolebindings", TEAM).get(BINDING)
    body = {
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{role}-everywhere"},
        "roleRef": binding["roleRef"] | {"name": role},
        "subjects": binding["subjects"],
    }
    install.apply(admin, body)
