# SPDX-License-Identifier: Apache-2.0
"""`kubectl ipam check` knows what the manager may do, as the API server does."""

import itertools
import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from plugin_runs import RBAC, READ, allow, run

from cli.kubectl.check import rbac, rights
from cli.kubectl.check.rbac import ResourceAttributes
from envtest import contract, plugin, waiting
from envtest.client import Client, Json
from envtest.controlplane import control_plane, install, provider
from kube.client import Client as Api
from kube.connect import connect
from kube.meta import Key
from webhook import selfsigned

ROLE = "capi-ipam-in-cluster-manager-role"
ACCOUNT = {
    "kind": "ServiceAccount",
    "name": provider.SERVICE_ACCOUNT,
    "namespace": provider.NAMESPACE,
}
OTHER_ACCOUNT = {**ACCOUNT, "namespace": "other-ipam-in-cluster-system"}
SERVED = "team"


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    """A cluster with the Deployments of two installations; the second serves one namespace."""
    with provider.Provider(make_log_folder()) as started:
        waiting.until("there is a Lease", started.holder, bool)
        deploy(started.admin, install.shipped("self-signed"))
        apply(started.admin, install.shipped("self-signed"))
        deploy(started.admin, [of_somebody_else(install.shipped())])
        second = install.namespaced(started.folder, SERVED, name="other")
        objects = install.Variant(components=(second, "without-crds")).objects()
        started.new_namespace(SERVED)
        apply(started.admin, objects)
        deploy(started.admin, objects)
        leases = "coordination.k8s.io/v1", "leases", OTHER_ACCOUNT["namespace"]
        started.admin.resource(*leases).create({"metadata": {"name": provider.LEASE}})
        yield started


def apply(admin: Client, objects: list[Json]) -> None:
    """Create namespaces, accounts and roles."""
    kinds = [kind for kind in install.PLURALS if "Role" in kind or kind.endswith(("ce", "unt"))]
    for kind in kinds:
        for document in (each for each in objects if each["kind"] == kind):
            install.apply(admin, document)


def deploy(admin: Client, objects: list[Json]) -> None:
    """Create the Deployment, for which no controller starts a pod here."""
    (body,) = (each for each in objects if each["kind"] == "Deployment")
    admin.resource("apps/v1", "deployments", body["metadata"]["namespace"]).create(body)


def of_somebody_else(objects: list[Json]) -> Json:
    """Return a Deployment beside the manager's, without rights and without the provider's label."""
    (body,) = (each for each in objects if each["kind"] == "Deployment")
    spec = json.loads(json.dumps(body["spec"]).replace(provider.SERVICE_ACCOUNT, "default"))
    return body | {"metadata": {"name": "other", "namespace": provider.NAMESPACE}, "spec": spec}


@pytest.fixture(scope="module")
def admin_config(cluster: provider.Provider) -> Path:
    return cluster.control_plane.kubeconfig("rights", [control_plane.ADMIN_GROUP])


def found(config: Path, check: str = "rbac-insufficient") -> list[Json]:
    reported = json.loads(run(config, "check", "-o", "json").stdout)["findings"]
    return [each for each in reported if each["check"] == check]


@contextmanager
def without(admin: Client, role: str, resource: str, verb: str) -> Generator[None]:
    """Take a verb on a resource from a ClusterRole, for the time of the block."""
    roles = admin.resource(RBAC, "clusterroles")
    rules: list[Json] = roles.get(role)["rules"]
    others = [
        {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}
        if resource in rule["resources"]
        else rule
        for rule in rules
    ]
    roles.merge(role, {"rules": [rule for rule in others if rule["verbs"]]})
    yield
    roles.merge(role, {"rules": rules})


def review(admin: Client, account: Json, request: ResourceAttributes) -> bool:
    """Ask the API server whether a service account may do something."""
    user = f"system:serviceaccount:{account['namespace']}"
    everybody = "system:serviceaccounts"
    plural, _, subresource = request.resource.partition("/")
    spec = {
        "user": f"{user}:{account['name']}",
        "groups": [everybody, f"{everybody}:{account['namespace']}", "system:authenticated"],
        "resourceAttributes": {
            "verb": request.verb,
            "group": request.group,
            "resource": plural,
            "subresource": subresource,
            "name": request.name,
            "namespace": request.namespace,
        },
    }
    reviews = admin.resource("authorization.k8s.io/v1", "subjectaccessreviews")
    return bool(reviews.create({"spec": spec})["status"]["allowed"])


def test_the_shipped_roles_have_all_rights(cluster: provider.Provider, admin_config: Path) -> None:
    assert len(cluster.admin.resource("apps/v1", "deployments").list()) == 3
    assert found(admin_config) == []


@pytest.mark.parametrize(
    ("resource", "verb", "name"),
    [
        ("ipaddresses", "patch", ""),
        ("ipaddressclaims/status", "patch", ""),
        ("customresourcedefinitions/status", "patch", "inclusterippools.ipam.cluster.x-k8s.io"),
    ],
)
def test_a_missing_verb_is_found(
    cluster: provider.Provider, admin_config: Path, resource: str, verb: str, name: str
) -> None:
    group = "apiextensions.k8s.io" if name else contract.GROUP
    request = ResourceAttributes(verb, group, resource, name)
    assert review(cluster.admin, ACCOUNT, request)

    with without(cluster.admin, ROLE, resource, verb):
        waiting.until(
            "it is denied",
            lambda: review(cluster.admin, ACCOUNT, request),
            lambda allowed: not allowed,
        )
        (finding,) = found(admin_config)

    assert finding["severity"] == "error"
    assert finding["object"] == ACCOUNT
    assert finding["cause"].startswith(f"may not {verb} {resource}.{group} ")
    assert finding["cause"].endswith(" in all namespaces, which this release needs")
    assert name in finding["cause"]


def test_a_manager_of_one_namespace_needs_its_rights_there(
    cluster: provider.Provider, admin_config: Path
) -> None:
    role = f"other-{ROLE.removeprefix('capi-')}"
    with without(cluster.admin, role, "customresourcedefinitions", "get"):
        unneeded = found(admin_config)
    with without(cluster.admin, role, "ipaddresses", "delete"):
        (finding,) = found(admin_config)

    assert unneeded == []

    assert finding["object"] == OTHER_ACCOUNT
    assert finding["cause"] == (
        f"may not delete ipaddresses.{contract.GROUP} in namespace {SERVED}, which this release "
        "needs"
    )


def test_a_self_signed_manager_needs_more_rights(
    cluster: provider.Provider, admin_config: Path
) -> None:
    bindings = cluster.admin.resource(RBAC, "rolebindings", provider.NAMESPACE)
    (mine,) = (each for each in bindings.list() if "self-signed" in each["metadata"]["name"])
    bindings.delete(mine["metadata"]["name"])

    causes = [finding["cause"] for finding in found(admin_config)]

    del mine["metadata"]["resourceVersion"], mine["metadata"]["uid"]
    bindings.create(mine)
    where = f"in namespace {provider.NAMESPACE}, which this release needs"
    assert causes == [
        f"may not create secrets {where}",
        f"may not get, patch secrets named {selfsigned.SECRET} {where}",
    ]


def of_manager(*args: str) -> set[ResourceAttributes]:
    """Return what a manager with these arguments needs."""
    containers = [{"args": ["--webhook-port=9443", *args, "--v=4"]}]
    body: Json = {"metadata": {}, "spec": {"template": {"spec": {"containers": containers}}}}
    return {*rights.needed(msgspec.convert(body, rights.Deployment))}


def test_the_value_of_the_flag_counts() -> None:
    signing = of_manager("--webhook-self-signed")

    assert of_manager("--webhook-self-signed=true") == signing
    assert of_manager("--webhook-self-signed=false") == of_manager() < signing


def test_without_the_right_to_read_roles_the_rights_are_unchecked(
    cluster: provider.Provider,
) -> None:
    rules = (
        {"apiGroups": [contract.GROUP], "resources": ["*"], "verbs": READ},
        {"apiGroups": ["coordination.k8s.io", "apps"], "resources": ["*"], "verbs": READ},
    )
    allow(cluster.admin, "no-roles", *rules)
    config = cluster.control_plane.kubeconfig("no-roles")

    (unchecked,) = (
        each
        for each in found(config, "check-skipped")
        if each["object"]["kind"] == "ServiceAccount"
    )

    assert unchecked["severity"] == "warning"
    assert 'cannot list resource "clusterroles"' in unchecked["cause"]
    assert found(config) == []


ACCOUNT_KEY = Key("zoo", "keeper")
KEEPER = {"kind": "ServiceAccount", "name": ACCOUNT_KEY.name, "namespace": ACCOUNT_KEY.namespace}
_GROUP = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io"}
BOUND: list[tuple[str, Json, Json]] = [
    ("", {"verbs": ["get"], "apiGroups": ["a"], "resources": ["lions"]}, KEEPER),
    (
        "",
        {"verbs": ["list"], "apiGroups": ["*"], "resources": ["*/status"]},
        {**_GROUP, "name": "system:serviceaccounts"},
    ),
    (
        "",
        {"verbs": ["patch"], "apiGroups": ["a", ""], "resources": ["bears"]},
        {**_GROUP, "name": "system:serviceaccounts:zoo"},
    ),
    (
        "",
        {"verbs": ["*"], "apiGroups": ["b"], "resources": ["lions/status"]},
        {**_GROUP, "name": "system:authenticated"},
    ),
    (
        "zoo",
        {"verbs": ["patch"], "apiGroups": ["*"], "resources": ["lions"], "resourceNames": ["leo"]},
        {**_GROUP, "kind": "User", "name": "system:serviceaccount:zoo:keeper"},
    ),
    ("zoo", {"verbs": ["list"], "apiGroups": ["b"], "resources": ["*"]}, KEEPER),
    ("zoo", {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {**KEEPER, "name": "guest"}),
    (
        "",
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {**_GROUP, "name": "system:serviceaccounts:other"},
    ),
    *(
        (
            namespace,
            {"verbs": ["get"], "apiGroups": ["b"], "resources": ["bears/scale"]},
            {"kind": "ServiceAccount", "name": ACCOUNT_KEY.name},
        )
        for namespace in ("zoo", "default")
    ),
]
"""A namespace (empty: cluster-wide), a rule, and the subject to which it is bound."""


def bind(admin: Client, number: int, namespace: str, rule: Json, subject: Json) -> None:
    """Create a role with a rule, and bind it; half of the namespaced ones are ClusterRoles."""
    name = f"zoo-{number}"
    local = bool(namespace) and number % 2 == 0
    kind, plural = ("Role", "roles") if local else ("ClusterRole", "clusterroles")
    body = {"metadata": {"name": name}, "rules": [rule]}
    admin.resource(RBAC, plural, namespace if local else None).create(body)
    reference = {"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    bindings = "rolebindings" if namespace else "clusterrolebindings"
    binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
    admin.resource(RBAC, bindings, namespace or None).create(binding)


async def test_the_evaluator_agrees_with_the_api_server(
    cluster: provider.Provider, admin_config: Path
) -> None:
    cluster.new_namespace("zoo")
    for number, bound in enumerate(BOUND):
        bind(cluster.admin, number, *bound)
    verbs, groups = ("get", "list", "patch"), ("", "a", "b")
    resources = ("lions", "lions/status", "bears", "bears/scale")
    names, namespaces = ("", "leo"), ("", "zoo", "default")
    requests = [
        ResourceAttributes(*each)
        for each in itertools.product(verbs, groups, resources, names, namespaces)
    ]
    for last in (("list", "b", "bears", "", "zoo"), ("patch", "b", "lions", "leo", "zoo")):
        waiting.until(
            "it counts", partial(review, cluster.admin, KEEPER, ResourceAttributes(*last)), bool
        )
    connection = await connect(str(admin_config), "test")
    try:
        policy = await rbac.read(Api(connection), ACCOUNT_KEY, ["zoo", "default"])
    finally:
        await connection.close()

    verdicts = {each: policy.allows(each) for each in requests}

    assert 50 < sum(verdicts.values()) < len(requests) - 50
    assert verdicts == {each: review(cluster.admin, KEEPER, each) for each in requests}
