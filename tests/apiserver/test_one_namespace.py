# SPDX-License-Identifier: Apache-2.0
"""Managers that serve one namespace each, with rights in that namespace alone."""

from collections.abc import Generator

import pytest

from envtest import client, contract, errors, manifests, plugin, ports
from envtest.controlplane import install, manager, provider, tenants

TEAM, SECOND, OTHER = "team", "second", "other"
ROLE = "capi-ipam-in-cluster-manager-role"
BINDING = "capi-ipam-in-cluster-manager-rolebinding"
RBAC = "rbac.authorization.k8s.io/v1"
GLOBAL = "GlobalInClusterIPPool"
WIDE: client.Json = {"addresses": ["10.0.0.10-10.0.0.40"], "prefix": 24}
NARROW: client.Json = {"addresses": ["10.0.0.10"], "prefix": 24}
WIDE_PREFIXES: client.Json = {"prefixes": ["fd00::/56", "fd01::/56"]}
NARROW_PREFIXES: client.Json = {"prefixes": ["fd00::/56"]}


@pytest.fixture(scope="module")
def narrow(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    """The shipped variant that serves one namespace, and a second installation of it."""
    flags = (*manager.LEASE_FLAGS, f"--namespace={TEAM}")
    folder = make_log_folder()
    variant = install.Variant(components=(install.namespaced(folder, TEAM),))
    cluster = provider.Provider(folder, flags=flags, variant=variant)
    try:
        cluster.control_plane.start()
        for namespace in (TEAM, SECOND, OTHER):
            cluster.new_namespace(namespace)
        cluster.install()
        cluster.start_manager()
        second = second_installation(cluster)
        second.run()
        yield cluster
        second.stop()
    finally:
        cluster.stop()


def second_installation(cluster: provider.Provider) -> manager.Manager:
    """Install the variant once more for another namespace, and return its manager."""
    plane, port = cluster.control_plane, ports.free_port()
    component = install.namespaced(cluster.folder, SECOND, name=SECOND)
    variant = install.Variant(components=(component, "without-crds"))
    url = f"https://127.0.0.1:{port}"
    install.provider(cluster.admin, install.Webhooks(url, plane.authority.pem, variant))
    namespace = f"{SECOND}-ipam-in-cluster-system"
    account = (namespace, provider.SERVICE_ACCOUNT, plane.server)
    config = plane.service_account_kubeconfig(*account)
    flags = (*manager.LEASE_FLAGS, f"--namespace={SECOND}")
    options = manager.Options(SECOND, port, flags)
    made = manager.Manager(cluster.folder, config, plane.authority, options)
    made.environment["POD_NAMESPACE"] = namespace
    return made


@pytest.fixture
def team(narrow: provider.Provider) -> tenants.Tenant:
    return tenants.Tenant(narrow, TEAM)


def test_claims_on_pools_of_the_namespace_are_served(team: tenants.Tenant) -> None:
    team.add_pool("blue", "10.0.0.10")
    team.add_claim("web", "blue")

    assert team.bound("web") == ["10.0.0.10"]
    team.counts("blue", used=1)


@pytest.mark.parametrize("namespace", [TEAM, SECOND])
def test_each_installation_guards_and_serves_the_pools_of_its_namespace(
    narrow: provider.Provider, namespace: str
) -> None:
    tenant = tenants.Tenant(narrow, namespace)
    tenant.add_pool("guarded", *WIDE["addresses"])
    tenant.add_claim("guarded", "guarded")
    assert tenant.bound("guarded") == ["10.0.0.10"]

    with pytest.raises(errors.RefusedError, match=r"10\.0\.0\.10"):
        tenant.pools().merge("guarded", {"spec": {"addresses": ["10.0.0.20"]}})
    with pytest.raises(
        errors.RefusedError, match=r"admission webhook .* denied the request.*10\.0\.0\.10"
    ):
        tenant.pools().delete("guarded")
    tenant.pools().merge("guarded", {"spec": NARROW})
    tenant.release("guarded")
    tenant.pools().delete("guarded")


@pytest.mark.parametrize("namespace", [OTHER, None], ids=["another namespace", "global"])
@pytest.mark.parametrize(
    ("kind", "wide", "less"),
    [
        ("InClusterIPPool", WIDE, NARROW),
        ("InClusterPrefixPool", WIDE_PREFIXES, NARROW_PREFIXES),
    ],
    ids=["addresses", "prefixes"],
)
def test_pools_that_nobody_serves_can_be_shrunk_and_deleted(
    narrow: provider.Provider,
    namespace: str | None,
    kind: str,
    wide: client.Json,
    less: client.Json,
) -> None:
    kind = kind if namespace else f"Global{kind}"
    pools = tenants.Tenant(narrow, OTHER).pools(kind)

    pools.create(manifests.pool("loose", wide, kind))
    pools.merge("loose", {"spec": less})
    pools.delete("loose")

    assert pools.find("loose") is None


@pytest.mark.parametrize("namespace", [OTHER, None], ids=["another namespace", "global"])
@pytest.mark.parametrize(
    ("version", "spec"),
    [
        ("v1alpha1", {"subnet": "10.0.0.300/24"}),
        ("v1alpha2", {"addresses": ["10.0.0.300"], "prefix": 24}),
        ("v1alpha2", {"addresses": ["10.0.0.1", "fd00::1"], "prefix": 24}),
    ],
)
def test_the_crds_refuse_what_makes_no_sense_in_pools_that_nobody_serves(
    narrow: provider.Provider, namespace: str | None, version: str, spec: client.Json
) -> None:
    kind = "InClusterIPPool" if namespace else GLOBAL
    pools = tenants.Tenant(narrow, OTHER).pools(kind, version)

    with pytest.raises(errors.RefusedError) as refused:
        pools.create(manifests.pool("wrong", spec, kind, version))

    assert refused.value.reason == "Invalid"
    assert "admission webhook" not in str(refused.value)


def test_old_versions_of_pools_that_nobody_serves_are_converted(narrow: provider.Provider) -> None:
    tenant = tenants.Tenant(narrow, OTHER)
    body = manifests.pool("old", {"subnet": "10.9.0.0/24"}, GLOBAL, "v1alpha1")

    tenant.pools(GLOBAL, "v1alpha1").create(body)

    spec = tenant.pools(GLOBAL).get("old")["spec"]
    assert spec == {"addresses": ["10.9.0.1-10.9.0.254"], "prefix": 24}
    tenant.pools(GLOBAL).delete("old")


def test_claims_of_other_namespaces_are_not_touched(team: tenants.Tenant) -> None:
    other = tenants.Tenant(team.provider, OTHER)
    other.add_pool("blue", "10.0.0.10")
    claim = other.add_claim("web", "blue")
    team.add_pool("red", "10.1.0.10")
    team.add_claim("after", "red")

    team.bound("after")

    assert other.claims.get("web") == claim


def test_a_claim_on_a_global_pool_reports_what_is_missing_and_is_served_when_it_is_there(
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
