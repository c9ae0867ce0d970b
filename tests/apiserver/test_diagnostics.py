# SPDX-License-Identifier: Apache-2.0
"""Metrics, debug pages and the log level, for those whom the API server lets have them."""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
import yaml
from prometheus_client.parser import text_string_to_metric_families

from envtest import ports, waiting
from envtest.client import Json
from envtest.controlplane import install, manager, provider, tenants

pytestmark = pytest.mark.own_cluster  # the debug pages show only the first of many pools

RBAC = "rbac.authorization.k8s.io"
READER = "capi-ipam-in-cluster-metrics-reader"


PAGE = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()
DEBUG = ("/debug", "/debug/queues", "/debug/caches", "/debug/flags/v")


def ask(
    of: manager.Manager, path: str, authorization: str = "", *, put: str = ""
) -> tuple[int, str]:
    """Get a path of a manager's diagnostics, or put something there; return status and text."""
    headers = {"Authorization": authorization} if authorization else {}
    authority = str(of.certificates.parent / "ca.crt")
    with urllib3.PoolManager(ca_certs=authority, retries=False) as http:
        method, body = ("PUT", put) if put else ("GET", None)
        response = http.request(method, f"{of.diagnostics}{path}", headers=headers, body=body)
        return response.status, response.data.decode()


def metrics(cluster: provider.Provider, authorization: str = "") -> tuple[int, str]:
    """Scrape the manager as Prometheus does; return the status and the text."""
    return ask(cluster.manager, "/metrics", authorization)


def bearer(tenant: tenants.Tenant, name: str) -> str:
    """Create a service account and return what it sends as Authorization."""
    accounts = tenant.provider.admin.resource("v1", "serviceaccounts", tenant.namespace)
    accounts.create({"metadata": {"name": name}})
    token = tenant.provider.control_plane.service_account_token(tenant.namespace, name)
    return f"Bearer {token}"


def allow(tenant: tenants.Tenant, name: str, role: str = READER) -> None:
    """Bind a service account to a role; by default to the one that is shipped for Prometheus."""
    binding: Json = {
        "metadata": {"name": f"{tenant.namespace}-{name}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [
            {"kind": "ServiceAccount", "name": name, "namespace": tenant.namespace},
        ],
    }
    tenant.provider.admin.resource(f"{RBAC}/v1", "clusterrolebindings").create(binding)


def add_debug_role(tenant: tenants.Tenant) -> str:
    """Create the role that the documentation shows, and return its name."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (role,) = [each for each in map(yaml.safe_load, blocks) if each.get("kind") == "ClusterRole"]
    role["metadata"]["name"] = f"{tenant.namespace}-debug"
    tenant.provider.admin.resource(f"{RBAC}/v1", "clusterroles").create(role)
    return f"{tenant.namespace}-debug"


def admitted(of: manager.Manager, path: str, authorization: str) -> str:
    """Return what is at a path as soon as the API server lets the bearer have it."""

    def answered() -> tuple[int, str]:
        try:
            return ask(of, path, authorization)
        except urllib3.exceptions.HTTPError as error:  # it does not listen yet
            return 0, str(error)

    return waiting.until(f"{path} is answered", answered, lambda answer: answer[0] == 200)[1]


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        ("", "a bearer token is needed"),
        ("Basic bWU6bWU=", "a bearer token is needed"),
        ("Bearer nonsense", "does not know this token"),
    ],
)
def test_strangers_are_not_let_in(
    provider: provider.Provider, authorization: str, told: str
) -> None:
    waiting.until("metrics are served", lambda: answers(provider), bool)

    status, text = metrics(provider, authorization)

    assert status == 401
    assert told in text


def answers(cluster: provider.Provider) -> bool:
    try:
        return bool(metrics(cluster))
    except urllib3.exceptions.HTTPError:
        return False


def test_a_service_account_may_read_them_once_it_is_bound_to_the_shipped_role(
    tenant: tenants.Tenant,
) -> None:
    waiting.until("metrics are served", lambda: answers(tenant.provider), bool)
    authorization = bearer(tenant, "prometheus")

    status, text = metrics(tenant.provider, authorization)
    assert status == 403
    assert f"system:serviceaccount:{tenant.namespace}:prometheus may not get /metrics" in text

    allow(tenant, "prometheus")

    def settled() -> str:
        return metrics(tenant.provider, authorization)[1]

    name = "capi_ipam_in_cluster_stored_in_one_version"
    text = waiting.until("the leader has looked at the CRDs", settled, lambda text: name in text)
    for kind in {found["spec"]["names"]["kind"] for found in definitions()}:
        assert f'{name}{{kind="{kind}"}} 1.0' in text


def definitions() -> list[Json]:
    return [found for found in install.shipped() if found["kind"] == install.CRD]


Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(of: manager.Manager, authorization: str) -> Figures:
    """Return all figures by name and labels."""
    families = text_string_to_metric_families(admitted(of, "/metrics", authorization))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def figure(found: Figures, metric: str, /, **labels: str) -> float:
    return found.get((metric, frozenset(labels.items())), 0.0)


def pool_figures(found: Figures, tenant: tenants.Tenant, name: str) -> dict[str, float]:
    labels = {"kind": tenants.POOL, "namespace": tenant.namespace, "name": name}
    prefix = "capi_ipam_in_cluster_pool_"
    return {
        each.removeprefix(prefix): value
        for (each, its), value in found.items()
        if each.startswith(prefix) and its == frozenset(labels.items())
    }


def test_what_a_served_claim_did_is_in_the_metrics(tenant: tenants.Tenant) -> None:
    of, host = tenant.provider.manager, tenant.provider.control_plane.server.partition("://")[2]
    authorization = bearer(tenant, "prometheus")
    allow(tenant, "prometheus")
    before = scraped(of, authorization)

    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")
    tenant.add_claim("web-1", "blue")
    tenant.add_claim("web-2", "blue")
    tenant.bound("web-1", "web-2")
    tenant.add_claim("waits", "blue")
    tenant.not_ready("waits", "PoolExhausted")
    tenant.counts("blue", used=2)
    after = scraped(of, authorization)

    def more(metric: str, /, **labels: str) -> float:
        return figure(after, metric, **labels) - figure(before, metric, **labels)

    assert pool_figures(after, tenant, "blue") == {
        "addresses": 2,
        "addresses_free": 0,
        "addresses_used": 2,
        "addresses_out_of_range": 0,
        "addresses_duplicate": 0,
        "addresses_unreadable": 0,
        "claims_waiting": 1,
    }
    assert figure(after, "capi_ipam_in_cluster_cache_objects", resource="ipaddresses") >= 2
    assert figure(after, "capi_ipam_in_cluster_cache_objects", resource="ipaddressclaims") >= 3
    assert figure(after, "leader_election_master_status", name=provider.LEASE) == 1
    assert more("rest_client_requests_total", code="201", method="POST", host=host) >= 2
    assert more("rest_client_requests_total", code="200", method="PATCH", host=host) >= 5
    assert more("rest_client_request_duration_seconds_count", verb="PATCH", host=host) >= 5
    for controller, workers in (("ipaddressclaim", 32), ("pool", 2)):
        reconciled = more(
            "controller_runtime_reconcile_total", controller=controller, result="success"
        )
        assert (
            0
            < reconciled
            <= more("controller_runtime_reconcile_time_seconds_count", controller=controller)
        )
        queue = {"name": controller, "controller": controller}
        assert more("workqueue_adds_total", **queue) >= reconciled
        assert more("workqueue_queue_duration_seconds_count", **queue) >= reconciled
        assert more("workqueue_work_duration_seconds_count", **queue) >= reconciled
        most = "controller_runtime_max_concurrent_reconciles"
        assert figure(after, most, controller=controller) == workers


def test_every_documented_metric_is_exposed(tenant: tenants.Tenant) -> None:
    authorization = bearer(tenant, "prometheus")
    allow(tenant, "prometheus")

    text = admitted(tenant.provider.manager, "/metrics", authorization)

    documented = set(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert documented <= set(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))


def test_debug_pages_are_for_those_who_have_the_documented_role(tenant: tenants.Tenant) -> None:
    of = tenant.provider.manager
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    authorization = bearer(tenant, "support")
    allow(tenant, "support")  # metrics are no debug pages
    admitted(of, "/metrics", authorization)

    for path in DEBUG:
        assert ask(of, path)[0] == 401
        status, text = ask(of, path, authorization)
        assert status == 403
        assert f"may not get {path}" in text
    assert ask(of, "/debug/flags/v", authorization, put="4")[0] == 403

    supporter = bearer(tenant, "supporter")
    allow(tenant, "supporter", add_debug_role(tenant))
    pages = {path: admitted(of, path, supporter) for path in DEBUG}

    pools = json.loads(pages["/debug/caches"])["pools"]["first"]
    (blue,) = [each for each in pools if each["pool"].endswith(f"{tenant.namespace}/blue")]
    assert (blue["used"], blue["free"], blue["reserved"]) == (1, 0, 1)
    assert set(json.loads(pages["/debug/queues"])["queues"]) == {"ipaddressclaim", "pool"}


def test_the_log_level_changes_without_a_restart(tenant: tenants.Tenant) -> None:
    of = tenant.provider.manager
    authorization = bearer(tenant, "support")
    allow(tenant, "support", add_debug_role(tenant))
    assert admitted(of, "/debug/flags/v", authorization) == "0\n"

    assert ask(of, "/debug/flags/v", authorization, put="4")[0] == 200
    try:
        assert ask(of, "/debug/flags/v", authorization) == (200, "4\n")
        assert ask(of, "/debug/flags/v", authorization, put="many")[0] == 400
    finally:
        assert ask(of, "/debug/flags/v", authorization, put="0")[0] == 200


@contextmanager
def standby(cluster: provider.Provider) -> Generator[manager.Manager]:
    """Run another manager, which does not lead."""
    other = cluster.new_manager("standby", webhook_port=ports.free_port())
    other.run()
    try:
        yield other
    finally:
        other.stop()


def test_who_does_not_lead_has_no_figures_of_pools_and_says_so(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.counts("blue", total=1)
    reader, supporter = bearer(tenant, "prometheus"), bearer(tenant, "support")
    allow(tenant, "prometheus")
    allow(tenant, "support", add_debug_role(tenant))

    with standby(tenant.provider) as other:
        found = scraped(other, reader)
        pages = [admitted(other, path, supporter) for path in ("/debug/queues", "/debug/caches")]

    assert pool_figures(found, tenant, "blue") == {}
    assert figure(found, "leader_election_master_status", name=provider.LEASE) == 0
    assert ("leader_election_master_status", frozenset({("name", provider.LEASE)})) in found
    assert all("another replica leads" in json.loads(page)["controller"] for page in pages)
