# SPDX-License-Identifier: Apache-2.0
"""Each check of `kubectl ipam check` finds its problem on a real API server."""

import base64
import datetime as dt
import json
from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest
from plugin_runs import READ, admin, allow, run

from cli.kubectl import waiting as waits
from envtest import errors, manifests, plugin, waiting
from envtest.client import Json
from envtest.controlplane import control_plane, install, manager, provider, tenants
from objects import pools as pool_kinds
from objects.metadata import PROTECT_ADDRESS_FINALIZER, RELEASE_FINALIZER
from webhook import issuer
from webhook.pool_review import SKIP_DELETE_ANNOTATION

EVERYTHING: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": READ}
CRD = "inclusterippools.ipam.cluster.x-k8s.io"
CRDS = ("apiextensions.k8s.io/v1", install.PLURALS[install.CRD])
ADMISSION = "admissionregistration.k8s.io/v1"
VALIDATING = "ValidatingWebhookConfiguration"
CONFIGURATION = "capi-ipam-in-cluster-validating-webhook-configuration"
POOL = "InClusterIPPool"
FREE: Json = {"finalizers": [], "annotations": {SKIP_DELETE_ANNOTATION: ""}}
CLEAN = "No problems found.\nChecked: the installation and all namespaces.\n"
LEASES = ("coordination.k8s.io/v1", "leases", provider.NAMESPACE)


@pytest.fixture(scope="module")
def cluster(make_log_folder: plugin.MakeFolder) -> Generator[provider.Provider]:
    """A cluster of which the manager repairs nothing: it serves objects with another label."""
    flags = (*manager.LEASE_FLAGS, "--watch-filter=elsewhere")
    with provider.Provider(make_log_folder(), flags=flags) as started:
        yield started


@pytest.fixture(name="provider")
def _alone(cluster: provider.Provider) -> provider.Provider:
    """Return a cluster of our own, with its manager running and leading."""
    cluster.manager.run()
    waiting.until("it leads", cluster.holder, bool)
    return cluster


@pytest.fixture
def config(tenant: tenants.Tenant) -> Path:
    return admin(tenant)


@pytest.fixture
def blue(tenant: tenants.Tenant) -> Generator[tenants.Tenant]:
    """A tenant with a pool; all that it has is gone after the test, so no pools overlap."""
    tenant.add_pool("blue", "10.0.0.0/28")
    yield tenant
    tenant.provider.manager.run()
    for resource in (tenant.addresses, tenant.claims, tenant.pools()):
        answers = partial(tenant.provider.admin.answers, resource.path)
        waiting.until("it is served again", answers, bool)
        for each in resource.list():
            resource.merge(each["metadata"]["name"], {"metadata": FREE})
        resource.delete_all()


def found(config: Path, *checks: str) -> list[tuple[str, str, str]]:
    """Return the object and the cause of each finding of some checks."""
    reported = json.loads(run(config, "check", "-o", "json").stdout)["findings"]
    return [
        (each["object"]["kind"], each["object"].get("name", ""), each["cause"])
        for each in reported
        if each["check"] in checks
    ]


def bind(tenant: tenants.Tenant, name: str, address: str = "") -> None:
    """Create a claim that says it is bound, and its IPAddress, if there is to be one."""
    tenant.add_claim(name, "blue")
    tenant.claims.merge(name, {"status": {"addressRef": {"name": name}}}, "status")
    if address:
        tenant.add_address(name, address)


def test_a_healthy_cluster_has_no_findings(blue: tenants.Tenant, config: Path) -> None:
    bind(blue, "web", "10.0.0.2")

    result = run(config, "check")

    assert (result.exit_code, result.stdout) == (0, CLEAN)


def test_all_namespaces_are_checked_unless_one_is_chosen(
    blue: tenants.Tenant, config: Path
) -> None:
    blue.add_claim("late", "blue")
    elsewhere, here = ("-n", "default"), ("-n", blue.namespace)

    reports = [run(config, "check", *chosen).stdout for chosen in ((), here, elsewhere)]
    both = run(config, "check", "-A", *elsewhere).stdout

    assert [report.splitlines()[-1] for report in reports] == [
        "Checked: the installation and all namespaces.",
        f"Checked: the installation and namespace {blue.namespace}.",
        "Checked: the installation and namespace default.",
    ]
    assert ["late" in report for report in (*reports, both)] == [True, True, False, True]


def test_who_may_not_read_all_namespaces_is_told_which_one_is_checked(
    blue: tenants.Tenant,
) -> None:
    blue.add_claim("late", "blue")
    name, plane = f"member-{blue.namespace}", blue.provider.control_plane
    allow(blue.provider.admin, name, EVERYTHING, namespace=blue.namespace)

    report = run(plane.kubeconfig(name, namespace=blue.namespace), "check").stdout

    assert f"({blue.namespace}/late)" in report
    assert report.splitlines()[-1] == (
        f"Checked: the installation and namespace {blue.namespace}, without global pools, because "
        "you may not read all namespaces."
    )


def test_duplicates(blue: tenants.Tenant, config: Path) -> None:
    bind(blue, "a", "10.0.0.2")
    bind(blue, "b", "10.0.0.2")

    names = f"{blue.namespace}/a, {blue.namespace}/b"
    assert found(config, "address-conflict") == [
        (POOL, "blue", f"address 10.0.0.2 is in use by 2 IPAddresses: {names}")
    ]


def test_duplicates_in_two_pools(blue: tenants.Tenant, config: Path) -> None:
    blue.add_pool("red", "10.0.0.2")
    bind(blue, "a", "10.0.0.2")
    blue.add_address("b", "10.0.0.2", pool="red")

    cause = f"has addresses in use that are also in use in {POOL} {blue.namespace}/red: 10.0.0.2"
    assert found(config, "address-conflict") == [(POOL, "blue", cause)]


def test_orphans(blue: tenants.Tenant, config: Path) -> None:
    blue.add_address("by-hand", "10.0.0.2")
    blue.add_address("left", "10.0.0.3", finalizers=[PROTECT_ADDRESS_FINALIZER])

    reported = json.loads(run(config, "check", "-o", "json").stdout)["findings"]

    remedies = {each["object"]["name"]: each["remedy"] for each in reported}
    assert {each["check"] for each in reported} == {"address-orphaned"}
    assert remedies["by-hand"].startswith("delete it if nobody uses the address")
    assert remedies["left"].startswith("the manager releases it within five minutes")


def test_an_address_out_of_range(blue: tenants.Tenant, config: Path) -> None:
    bind(blue, "web", "10.9.0.2")

    cause = f"has '10.9.0.2', which {POOL} {blue.namespace}/blue does not hand out"
    assert found(config, "address-out-of-range") == [("IPAddress", "web", cause)]


def test_claims_that_wait_and_claims_of_missing_pools(blue: tenants.Tenant, config: Path) -> None:
    blue.add_claim("late", "blue")
    blue.add_claim("lost", "red")

    namespace = blue.namespace
    assert found(config, "claim-waiting", "pool-not-found") == [
        (POOL, "red", f"does not exist, but claims or IPAddresses name it: {namespace}/lost"),
        (
            POOL,
            "blue",
            f"1 claim without an address ({namespace}/late): {waits.UNSEEN.cause}",
        ),
    ]


def test_claims_of_unknown_kinds(blue: tenants.Tenant, config: Path) -> None:
    blue.add_claim("web", "blue", "InClusterPool")

    cause = "names a pool of kind 'InClusterPool', which this provider does not have"
    assert found(config, "claim-reference-invalid") == [("IPAddressClaim", "web", cause)]


def test_pools_that_offer_nothing_or_are_deleted(blue: tenants.Tenant, config: Path) -> None:
    blue.add_pool("void", "10.0.1.1", excludedAddresses=["10.0.1.1"])
    bind(blue, "web", "10.0.0.2")
    pools = blue.pools()
    pools.merge("blue", {"metadata": FREE | {"finalizers": ["example.com/kept"]}})
    pools.delete("blue")

    closed, deleting = found(config, "pool-not-ready"), found(config, "pool-deleting")

    assert [each[:2] for each in closed] == [(POOL, "void")]
    assert deleting == [
        (POOL, "blue", "is being deleted, and waits for the release of 1 IPAddress")
    ]


def test_deletions_that_do_not_end(blue: tenants.Tenant, config: Path) -> None:
    for name in ("whole", "half"):
        bind(blue, name, f"10.0.0.{len(name)}")
    blue.claims.merge("whole", {"metadata": {"finalizers": [RELEASE_FINALIZER]}})
    blue.claims.delete("whole")
    kept = [PROTECT_ADDRESS_FINALIZER]
    blue.addresses.merge("half", {"metadata": {"finalizers": kept}})
    blue.addresses.delete("half")

    claim, address = found(config, "claim-deleting", "address-deleting")

    assert address[:2] == ("IPAddressClaim", "whole")
    assert claim == (
        "IPAddress",
        "half",
        f"is being deleted, but its claim is not; finalizers: {PROTECT_ADDRESS_FINALIZER}",
    )


def test_bound_claims_without_an_ip_address(blue: tenants.Tenant, config: Path) -> None:
    bind(blue, "web")

    cause = "is bound, but its IPAddress does not exist"
    assert found(config, "address-not-found") == [("IPAddressClaim", "web", cause)]


def test_overlaps(blue: tenants.Tenant, config: Path) -> None:
    blue.add_pool("red", "10.0.0.8-10.0.0.20")

    assert [each[:2] for each in found(config, "pool-overlap")] == [(POOL, "blue"), (POOL, "red")]


def test_objects_that_cannot_be_read(blue: tenants.Tenant, config: Path) -> None:
    crds = blue.provider.admin.resource(*CRDS)
    name = "ipaddressclaims.ipam.cluster.x-k8s.io"
    before: list[Json] = crds.get(name)["spec"]["versions"]
    loose = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crds.merge(name, {"spec": {"versions": [each | {"schema": loose} for each in before]}})
    claim = manifests.claim("odd", "blue", version=blue.provider.ipam_version)
    waiting.until("it is stored", lambda: stored(blue, claim | {"spec": {"poolRef": 1}}), bool)

    unreadable = found(config, "object-unreadable")
    blue.claims.delete("odd")
    crds.merge(name, {"spec": {"versions": before}})

    assert unreadable == [("IPAddressClaim", "odd", "cannot be read")]


def stored(tenant: tenants.Tenant, body: Json) -> bool:
    """Whether an object that the shipped schema refuses could be created."""
    try:
        tenant.claims.create(body)
    except errors.RefusedError:
        return False
    return True


def test_a_lease_that_is_not_renewed(blue: tenants.Tenant, config: Path) -> None:
    leases = blue.provider.admin.resource(*LEASES)
    blue.provider.manager.stop()
    released = found(config, "leader-not-found")
    long_ago = "2026-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "one", "renewTime": long_ago, "leaseDurationSeconds": 15}
    leases.merge(provider.LEASE, {"spec": spec})
    silent = found(config, "leader-not-found")
    leases.delete(provider.LEASE)
    missing = found(config, "leader-not-found")

    assert [cause for _, _, cause in (*released, *silent, *missing)] == [
        "has no holder: no manager leads",
        f"was last renewed at {long_ago} by one: no manager leads",
        "does not exist, so no manager has been elected leader yet",
    ]


def test_a_webhook_without_a_valid_ca(blue: tenants.Tenant, config: Path) -> None:
    webhooks = blue.provider.admin.resource(ADMISSION, install.PLURALS[VALIDATING])
    before: list[Json] = webhooks.get(CONFIGURATION)["webhooks"]
    first = before[0]["clientConfig"]

    def seen_with(bundle: Json) -> list[tuple[str, str, str]]:
        changed = {**before[0], "clientConfig": {"url": first["url"], **bundle}}
        webhooks.merge(CONFIGURATION, {"webhooks": [changed, *before[1:]]})
        return found(config, "webhook-ca-invalid")

    none, late, soon = (seen_with(each) for each in ({}, expiring(-1), expiring(1)))
    webhooks.merge(CONFIGURATION, {"webhooks": [*before[1:], of_cluster_api(before[0])]})
    one_missing = found(config, "webhook-not-found")
    webhooks.delete(CONFIGURATION)
    missing = found(config, "webhook-not-found")
    body = {"metadata": {"name": CONFIGURATION}, "webhooks": before, "kind": VALIDATING}
    webhooks.create(body | {"apiVersion": ADMISSION})

    name = before[0]["name"]
    assert none == [(VALIDATING, CONFIGURATION, f"has no caBundle, in webhook {name}")]
    assert [each[2].split(" at ")[0] for each in (*late, *soon)] == [
        "trusts a CA that expired",
        "trusts a CA that expires",
    ]
    (plural,) = before[0]["rules"][0]["resources"]
    (kind,) = (each.kind for each in pool_kinds.RESOURCES.values() if each.plural == plural)
    assert [cause.split(",")[0] for _, _, cause in one_missing] == [f"has no webhook for {kind}"]
    names = ", ".join(pool_kinds.RESOURCES)
    assert missing == [
        (
            VALIDATING,
            "",
            f"has no webhook for {names}, so the provider's rules do not apply to them",
        )
    ]


def of_cluster_api(webhook: Json) -> Json:
    """Return the webhook of Cluster API for IPAddresses, which is of the same group."""
    url, rule = webhook["clientConfig"]["url"].rpartition("/")[0], webhook["rules"][0]
    path = "validate-ipam-cluster-x-k8s-io-v1beta2-ipaddress"
    client = webhook["clientConfig"] | {"url": f"{url}/{path}"}
    rules = [rule | {"apiGroups": ["none.example.com"]}]  # nothing serves it here
    return webhook | {
        "name": "validation.ipaddress.example.com",
        "clientConfig": client,
        "rules": rules,
    }


def expiring(days: int) -> Json:
    """Return a caBundle with an authority that expires in some days."""
    began = dt.datetime.now(dt.UTC) - issuer.LIFETIME + dt.timedelta(days=days)
    authorities = issuer.issue(["localhost"], now=began).authorities
    return {"caBundle": base64.b64encode(authorities).decode()}


def test_a_conversion_webhook_without_a_valid_ca(blue: tenants.Tenant, config: Path) -> None:
    crds = blue.provider.admin.resource(*CRDS)
    before: Json = crds.get(CRD)["spec"]["conversion"]

    def seen_with(bundle: str | None) -> list[tuple[str, str, str]]:
        client = {"clientConfig": {"caBundle": bundle}}
        crds.merge(CRD, {"spec": {"conversion": {"webhook": client}}})
        return found(config, "webhook-ca-invalid")

    none, soon = seen_with(None), seen_with(expiring(1)["caBundle"])
    crds.merge(CRD, {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
    missing = found(config, "webhook-not-found")
    crds.merge(CRD, {"spec": {"conversion": before}})

    assert none == [(install.CRD, CRD, "has no caBundle, in spec.conversion")]
    assert [each[2].split(" at ")[0] for each in soon] == ["trusts a CA that expires"]
    assert missing == [
        (install.CRD, CRD, "has no conversion webhook, so its other versions lose fields")
    ]


def test_old_versions_that_are_in_use(blue: tenants.Tenant, config: Path) -> None:
    body = manifests.pool("old", {"subnet": "10.7.0.0/24"}, version="v1alpha1")
    blue.pools(version="v1alpha1").apply(body, "old-client")
    blue.provider.manager.stop()
    crds = blue.provider.admin.resource(*CRDS)

    def of_old(version: Json) -> Json:
        return version | ({"served": False} if version["name"] == "v1alpha1" else {})

    before: list[Json] = crds.get(CRD)["spec"]["versions"]
    crds.merge(CRD, {"spec": {"versions": [of_old(each) for each in before]}})
    fields = found(config, "crd-stored-version")
    crds.merge(CRD, {"status": {"storedVersions": ["v1alpha1", "v1alpha2"]}}, "status")
    stored = found(config, "crd-stored-version")
    crds.merge(CRD, {"status": {"storedVersions": ["v1alpha2"]}}, "status")
    crds.merge(CRD, {"spec": {"versions": before}})

    assert fields == [
        (
            install.CRD,
            CRD,
            "has the old version v1alpha1: it is not served, and managedFields of 1 object name it",
        )
    ]
    assert stored == [
        (install.CRD, CRD, "has the old version v1alpha1: objects may be stored in it")
    ]


def test_versions_of_another_release(blue: tenants.Tenant, config: Path) -> None:
    crds = blue.provider.admin.resource(*CRDS)
    before: list[Json] = crds.get(CRD)["spec"]["versions"]
    old, hub = before
    newer = {**hub, "name": "v1beta1", "storage": False}

    def seen_with(*versions: Json) -> list[tuple[str, str, str]]:
        crds.merge(CRD, {"spec": {"versions": list(versions)}})
        return found(config, "crd-version-mismatch")

    newer_served = seen_with(*before, newer)
    other_stored = seen_with({**old, "storage": True}, {**hub, "storage": False})
    seen_with(*before)
    crds.merge(CRD, {"status": {"storedVersions": ["v1alpha2"]}}, "status")

    assert [cause for _, _, cause in (*newer_served, *other_stored)] == [
        "serves v1beta1, which this release does not know",
        "stores v1alpha1, but this release stores v1alpha2",
    ]


def test_a_crd_that_is_missing(blue: tenants.Tenant, config: Path) -> None:
    crds = blue.provider.admin.resource(*CRDS)
    name = "inclusterprefixpools.ipam.cluster.x-k8s.io"
    before = crds.get(name)
    crds.delete(name)
    waiting.until("it is gone", lambda: crds.find(name) is None, bool)

    missing, others = (
        found(config, "crd-not-found"),
        found(config, "webhook-not-found", "check-skipped"),
    )
    install.crds(blue.provider.admin, [before | {"metadata": {"name": name}}])

    assert missing == [(install.CRD, name, "is not installed")]
    assert others == []


def test_a_cluster_without_cluster_api(make_log_folder: plugin.MakeFolder) -> None:
    plane = control_plane.ControlPlane(make_log_folder())
    plane.start()
    try:
        missing = found(plane.kubeconfig("nobody", [control_plane.ADMIN_GROUP]), "crd-not-found")
    finally:
        plane.stop()

    cause = "does not exist for Cluster API's IPAM types, so pools and claims are not checked"
    assert missing[0] == (install.CRD, "", cause)
    assert [each[2] for each in missing[1:]] == ["is not installed"] * len(manifests.POOL_PLURALS)


def test_the_verbs_get_list_and_watch_are_enough(blue: tenants.Tenant, config: Path) -> None:
    allow(blue.provider.admin, "auditor", EVERYTHING)
    plane = blue.provider.control_plane

    result = run(plane.kubeconfig("auditor", namespace=blue.namespace), "check", "-A")

    assert (result.exit_code, result.stdout) == (0, CLEAN)
    assert run(config, "check", "-A").stdout == result.stdout
