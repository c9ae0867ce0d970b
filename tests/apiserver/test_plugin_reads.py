# SPDX-License-Identifier: Apache-2.0
"""The commands of `kubectl ipam` that read, on a real API server."""

import itertools
import json
from pathlib import Path

import pytest
import yaml
from plugin_runs import (
    INFRASTRUCTURE,
    READ,
    admin,
    allow,
    elsewhere,
    golden,
    infrastructure,
    owner,
    run,
    user,
)

from envtest import contract, errors, manifests
from envtest.client import Json
from envtest.controlplane import capi, install, provider, tenants

pytestmark = pytest.mark.own_cluster  # the commands look through all namespaces

IPAM = {"apiGroups": [contract.GROUP], "resources": ["*"]}
EXHAUSTED = (
    "InClusterIPPool NS/blue has no free address for this claim: each is in use or promised to an "
    "older claim; add addresses to the pool, or delete claims"
)
GLOBAL = "GlobalInClusterIPPool"

_NETS = itertools.count(1)


@pytest.fixture
def everything(tenant: tenants.Tenant) -> Path:
    return admin(tenant)


@pytest.fixture
def reader(tenant: tenants.Tenant) -> Path:
    """Return the kubeconfig of somebody who may read our group, and nothing else."""
    return user(tenant, *READ)


@pytest.fixture
def net() -> str:
    """Return the first three numbers of addresses that no other test uses."""
    return f"10.77.{next(_NETS)}"


def fields(net: str) -> Json:
    return {"gateway": f"{net}.1", "excludedAddresses": [f"{net}.3-{net}.4"]}


@pytest.fixture
def blue(tenant: tenants.Tenant, net: str) -> tenants.Tenant:
    """Return a tenant with a pool of three addresses, which four claims ask for."""
    tenant.add_pool("blue", f"{net}.0/29", prefix=29, **fields(net))
    for name in ("a", "b", "c"):
        tenant.add_claim(name, "blue")
        tenant.bound(name)
    tenant.add_claim("late", "blue")
    tenant.not_ready("late", "PoolExhausted")
    return tenant


def test_pools(blue: tenants.Tenant, reader: Path, net: str) -> None:
    blue.add_pool("rest", f"{net}.6", f"{net}.100-{net}.199")
    blue.counts("rest", total=101)

    result = run(reader, "pools")

    lines = golden(result, blue.namespace)
    assert result.exit_code == 0
    assert [lines[0], *(line for line in lines if "NS" in line)] == [
        "NAMESPACE  NAME  KIND  USAGE  USED  FREE  TOTAL  WAITING  OVERLAPS",
        "NS  blue  InClusterIPPool  ████████████████████ 100%  3  0  3  1  1",
        "NS  rest  InClusterIPPool  ░░░░░░░░░░░░░░░░░░░░  0%  0  101  101  0  1",
    ]


def test_the_numbers_are_those_of_the_status(blue: tenants.Tenant, reader: Path) -> None:
    blue.add_prefix_pool("nets", "2001:db8:77::/56")
    blue.add_claim("net", "nets", tenants.PREFIX_POOL)
    blue.bound("net")

    reports: list[Json] = json.loads(run(reader, "pools", "-o", "json").stdout)["pools"]

    (nets,) = [each for each in reports if each["name"] == "nets"]
    counts = blue.counts("nets", tenants.PREFIX_POOL, used=1)
    assert [nets["total"], nets["free"], nets["used"]] == [
        counts["total"],
        counts["free"],
        counts["used"],
    ]


def test_names_and_yaml(blue: tenants.Tenant, reader: Path) -> None:
    names = run(reader, "pools", "-o", "name").stdout.splitlines()
    reports = yaml.safe_load(run(reader, "pools", "-o", "yaml").stdout)["pools"]

    assert "inclusterippool.ipam.cluster.x-k8s.io/blue" in names
    assert "blue" in [each["name"] for each in reports if each["namespace"] == blue.namespace]


def test_show(blue: tenants.Tenant, reader: Path) -> None:
    result = run(reader, "show", "blue")

    assert result.exit_code == 0
    assert golden(result, blue.namespace) == [
        "InClusterIPPool NS/blue",
        "",
        "  Addresses  10.77.0.0/29",
        "  Excluded  10.77.0.3-10.77.0.4",
        "  Gateway  10.77.0.1",
        "  Usage  ████████████████████ 100%  3 used, 0 free of 3",
        "",
        "10.77.0.0  rG█xx██r",
        "",
        "█ used  G gateway  r reserved  x excluded",
        "",
        "ADDRESS  STATE  NAMESPACE  CLAIM  CLUSTER  MACHINE",
        "10.77.0.2  used  NS  a",
        "10.77.0.5  used  NS  b",
        "10.77.0.6  used  NS  c",
        "",
        f"NS/late waits: {EXHAUSTED}",
    ]


def test_who_has(blue: tenants.Tenant, reader: Path, net: str) -> None:
    queries = f"{net}.2 {net}.1\n{net}.4 b\n"

    result = run(reader, "who-has", "-n", blue.namespace, "-", text=queries)

    assert result.exit_code == 1
    assert golden(result, blue.namespace) == [
        "QUERY  ADDRESS  STATE  POOL  NAMESPACE  CLAIM  CLUSTER  MACHINE  SINCE",
        "10.77.0.2  10.77.0.2  used  InClusterIPPool NS/blue  NS  a  TIME",
        "10.77.0.1  gateway  InClusterIPPool NS/blue",
        "10.77.0.4  excluded  InClusterIPPool NS/blue",
        "b  10.77.0.5  used  InClusterIPPool NS/blue  NS  b  TIME",
    ]


def test_free(blue: tenants.Tenant, reader: Path, net: str) -> None:
    blue.add_pool("rest", f"{net}.60-{net}.62", f"{net}.128/25")
    nothing = run(reader, "free", "blue")
    some = run(reader, "free", "rest", "--count", "2")
    run_of_four = run(reader, "free", "rest", "--contiguous", "4")

    assert (nothing.exit_code, some.exit_code, run_of_four.exit_code) == (1, 0, 0)
    assert golden(nothing, blue.namespace) == ["InClusterIPPool NS/blue has no free address."]
    assert golden(some, blue.namespace) == [
        "ADDRESS",
        "10.77.0.60",
        "10.77.0.61",
        "",
        "Longest free runs:",
        "  10.77.0.128 to 10.77.0.254 (127)",
        "  10.77.0.60 to 10.77.0.62 (3)",
    ]
    assert golden(run_of_four, blue.namespace)[1] == "10.77.0.128"


@pytest.fixture
def machine(blue: tenants.Tenant) -> str:
    """Let claim `a` belong to a Machine through an infrastructure provider; return its name."""
    admin = blue.provider.admin
    bases = capi.config(capi.NEWEST) / "crd" / "bases"
    machines: Json = yaml.safe_load((bases / "cluster.x-k8s.io_machines.yaml").read_text())
    kinds = {"FooVM": "foovms", "FooMachine": "foomachines"}
    install.crds(admin, [machines, *(infrastructure(each) for each in kinds)])
    spec = {
        "clusterName": "c1",
        "bootstrap": {"dataSecretName": "x"},
        "infrastructureRef": {"apiGroup": INFRASTRUCTURE, "kind": "FooMachine", "name": "m"},
    }
    above = admin.resource("cluster.x-k8s.io/v1beta2", "machines", blue.namespace).create(
        {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "Machine",
            "metadata": {"name": "worker-1", "labels": {"cluster.x-k8s.io/cluster-name": "c1"}},
            "spec": spec,
        }
    )
    for kind in ("FooMachine", "FooVM"):
        above = admin.resource(f"{INFRASTRUCTURE}/v1", kinds[kind], blue.namespace).create(
            {
                "apiVersion": f"{INFRASTRUCTURE}/v1",
                "kind": kind,
                "metadata": {"name": kind.lower(), "ownerReferences": [owner(above)]},
            }
        )
    blue.claims.edit("a", lambda claim: claim["metadata"].update(ownerReferences=[owner(above)]))
    return "worker-1"


def test_owners_lead_to_the_machine_and_the_cluster(
    blue: tenants.Tenant, everything: Path, machine: str, net: str
) -> None:
    by_address = run(everything, "who-has", f"{net}.2", "-o", "wide")
    by_machine = run(everything, "who-has", "-n", blue.namespace, machine)

    assert golden(by_address, blue.namespace)[1] == (
        "10.77.0.2  10.77.0.2  used  InClusterIPPool NS/blue  NS  a  c1  worker-1  TIME  "
        "FooVM foovm, FooMachine foomachine, Machine worker-1"
    )
    assert golden(by_machine, blue.namespace)[1].startswith("worker-1  10.77.0.2  used")
    assert "10.77.0.2  used  NS  a  c1  worker-1" in golden(
        run(everything, "show", "blue"), blue.namespace
    )


@pytest.mark.usefixtures("machine")
def test_an_owner_that_may_not_be_read_is_named_by_its_reference(
    blue: tenants.Tenant, reader: Path, net: str
) -> None:
    result = run(reader, "who-has", "-n", blue.namespace, f"{net}.2")

    assert golden(result, blue.namespace)[1].endswith("NS  a  FooVM foovm  TIME")


def local_reader(tenant: tenants.Tenant) -> Path:
    """Return the kubeconfig of somebody who may read our group in one namespace alone."""
    plane, name = tenant.provider.control_plane, f"local-{tenant.namespace}"
    allow(tenant.provider.admin, name, IPAM | {"verbs": READ}, namespace=tenant.namespace)
    return plane.kubeconfig(name, namespace=tenant.namespace)


def test_who_may_read_one_namespace_sees_its_pools(blue: tenants.Tenant) -> None:
    kubeconfig = local_reader(blue)

    one, all_of_them = run(kubeconfig, "pools"), run(kubeconfig, "pools", "-A")

    assert [line.split()[1] for line in one.stdout.splitlines()] == ["NAME", "blue"]
    assert all_of_them.exit_code == 3
    assert "cannot list resource" in all_of_them.stderr


def test_a_global_pool_is_not_missing_for_who_may_read_one_namespace(
    tenant: tenants.Tenant, tmp_path: Path
) -> None:
    kubeconfig, pool = local_reader(tenant), f"all-{tenant.namespace}"
    tenant.add_claim("web", pool, GLOBAL)
    manifest = tmp_path / "pool.yaml"
    spec = {"addresses": ["10.78.0.1"], "prefix": 24}
    manifest.write_text(yaml.safe_dump(manifests.pool(pool, spec, GLOBAL)))

    listed = run(kubeconfig, "pools")
    failed = [run(kubeconfig, "free", pool), run(kubeconfig, "plan", "-f", str(manifest))]

    unread = f"{GLOBAL} {pool} is a global pool, which you may not read"
    assert unread in listed.stdout
    assert {(each.exit_code, each.stdout) for each in failed} == {(3, "")}
    assert {each.stderr.partition(": ")[0] for each in failed} == {unread}


@pytest.mark.parametrize(
    ("verbs", "resources", "refused"),
    [
        (["list"], ["inclusterippools"], 'cannot list resource "'),
        (["get"], ["*"], 'cannot list resource "'),
    ],
)
def test_without_a_right_one_line_names_the_verb_and_the_resource(
    provider: provider.Provider, verbs: list[str], resources: list[str], refused: str
) -> None:
    user = f"plugin-{verbs[0]}-only"
    allow(
        provider.admin,
        user,
        {"apiGroups": [contract.GROUP], "resources": resources, "verbs": verbs},
    )

    result = run(provider.control_plane.kubeconfig(user), "pools", "-A")

    assert (result.exit_code, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert refused in line
    assert line.endswith(
        "; the command needs the verbs get, list and watch on pools, ipaddressclaims and "
        "ipaddresses of the group ipam.cluster.x-k8s.io"
    )


def test_without_a_cluster_one_line_says_so(tmp_path: Path, everything: Path) -> None:
    path = elsewhere(everything, tmp_path, 1)

    result = run(path, "pools")

    assert (result.exit_code, result.stdout) == (3, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("the API server cannot be reached: ")


def test_another_context_is_another_user(tmp_path: Path, everything: Path) -> None:
    config = json.loads(everything.read_text())
    config["contexts"].append({"name": "other", "context": {"cluster": "none", "user": "none"}})
    path = tmp_path / "config"
    path.write_text(json.dumps(config))

    assert run(path, "pools").exit_code == 0
    result = run(path, "pools", "--context", "other")
    assert result.stderr.startswith(f"kubeconfig {path}: there is no cluster named 'none'")


def test_check(blue: tenants.Tenant, everything: Path) -> None:
    result = run(everything, "check")

    lines = golden(result, blue.namespace)
    problem, _, remedy = EXHAUSTED.rpartition("; ")
    assert result.exit_code == 1
    assert lines[0] == "SEVERITY  CHECK  OBJECT  PROBLEM AND REMEDY"
    (line,) = [line for line in lines if "NS" in line]
    assert line == (
        "warning  claim-waiting  InClusterIPPool NS/blue  1 claim without an address (NS/late): "
        f"{problem}. Remedy: {remedy}"
    )
    checks = {line.split()[1] for line in lines[1:]}
    assert not checks & {
        "webhook-ca-invalid",
        "crd-not-found",
        "crd-version-mismatch",
        "leader-not-found",
        "check-skipped",
        "webhook-not-found",
    }


def test_check_as_data(blue: tenants.Tenant, everything: Path) -> None:
    read: list[Json] = json.loads(run(everything, "check", "-o", "json").stdout)["findings"]

    (found,) = (each for each in read if each["object"].get("namespace") == blue.namespace)
    problem, _, remedy = EXHAUSTED.replace("NS", blue.namespace).rpartition("; ")
    assert found == {
        "check": "claim-waiting",
        "severity": "warning",
        "object": {"kind": "InClusterIPPool", "name": "blue", "namespace": blue.namespace},
        "cause": f"1 claim without an address ({blue.namespace}/late): {problem}",
        "remedy": remedy,
    }


def test_check_says_what_it_may_not_read(blue: tenants.Tenant, reader: Path) -> None:
    found: list[Json] = json.loads(run(reader, "check", "-o", "json").stdout)["findings"]

    unchecked = [each for each in found if each["check"] == "check-skipped"]
    assert blue.namespace in str(found)
    assert [each["object"] for each in unchecked] == [
        {"kind": "CustomResourceDefinition"},
        {"kind": "MutatingWebhookConfiguration"},
        {"kind": "ValidatingWebhookConfiguration"},
        {"kind": "Lease"},
        {"kind": "ServiceAccount"},
    ]
    assert all("cannot list" in each["cause"] for each in unchecked[1:])


def test_plan_agrees_with_the_api_server(
    blue: tenants.Tenant, reader: Path, net: str, tmp_path: Path
) -> None:
    present = blue.pools().get("blue")["spec"]
    specs: dict[str, Json] = {
        "same": present,
        "wider": present | {"addresses": [f"{net}.0/28"], "prefix": 28},
        "narrow": present | {"addresses": [f"{net}.5-{net}.6"]},
    }
    seen: dict[str, tuple[int, str]] = {}
    refused: dict[str, str] = {}
    for name, spec in specs.items():
        path = tmp_path / f"{name}.json"
        body = manifests.pool("blue", spec)
        path.write_text(json.dumps(body))
        result = run(reader, "plan", "-f", str(path), "-o", "json")
        (plan,) = json.loads(result.stdout)["plans"]
        seen[name] = (result.exit_code, plan["change"])
        refused[name] = "".join(plan["refused"])
    with pytest.raises(errors.RefusedError) as caught:
        blue.pools().edit("blue", lambda pool: pool.update(spec=specs["narrow"]))

    assert seen == {"same": (0, "unchanged"), "wider": (1, "changed"), "narrow": (3, "refused")}
    assert refused["narrow"]
    assert refused["narrow"] in caught.value.message


def test_plan(blue: tenants.Tenant, reader: Path, net: str) -> None:
    body = manifests.pool("blue", {**fields(net), "addresses": [f"{net}.0/28"], "prefix": 28})
    new = manifests.pool("new", {"subnet": f"{net}.128/30"}, version="v1alpha1")
    text = f"{json.dumps(body)}\n---\n{json.dumps(new)}\n"

    result = run(reader, "plan", "-f", "-", text=text)

    assert result.exit_code == 1
    assert golden(result, blue.namespace) == [
        "POOL  CHANGE  GAINED  LOST  FREE  SERVED  STRANDED",
        "InClusterIPPool NS/blue  changed  8  0  8  1  0",
        "InClusterIPPool NS/new  created  2  0  2  0  0",
        "",
        "InClusterIPPool NS/blue",
        "  gains 10.77.0.7-10.77.0.14",
        "  serves 1 waiting claim",
        "",
        "InClusterIPPool NS/new",
        "  gains 10.77.0.129-10.77.0.130",
        (
            '  is written in v1alpha1 and stored as: {"addresses": ["10.77.0.129-10.77.0.130"], '
            '"prefix": 30}'
        ),
    ]
