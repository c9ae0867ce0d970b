# SPDX-License-Identifier: Apache-2.0
"""Metrics, for those whom the API server lets read them."""

import pytest
import urllib3

from envtest import install, provider, tenants, waiting
from envtest.client import Json

RBAC = "rbac.authorization.k8s.io"
READER = "capi-ipam-in-cluster-metrics-reader"


def metrics(cluster: provider.Provider, authorization: str = "") -> tuple[int, str]:
    """Scrape the manager as Prometheus does; return the status and the text."""
    headers = {"Authorization": authorization} if authorization else {}
    authority = str(cluster.control_plane.folder / "ca.crt")
    url = f"{cluster.manager.diagnostics}/metrics"
    with urllib3.PoolManager(ca_certs=authority, retries=False) as http:
        response = http.request("GET", url, headers=headers)
        return response.status, response.data.decode()


def bearer(tenant: tenants.Tenant, name: str) -> str:
    """Create a service account and return what it sends as Authorization."""
    accounts = tenant.provider.admin.resource("v1", "serviceaccounts", tenant.namespace)
    accounts.create({"metadata": {"name": name}})
    token = tenant.provider.control_plane.service_account_token(tenant.namespace, name)
    return f"Bearer {token}"


def allow(tenant: tenants.Tenant, name: str) -> None:
    """Bind a service account to the role that is shipped for Prometheus."""
    binding: Json = {
        "metadata": {"name": f"{tenant.namespace}-{name}"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": READER},
        "subjects": [
            {"kind": "ServiceAccount", "name": name, "namespace": tenant.namespace},
        ],
    }
    tenant.provider.admin.resource(f"{RBAC}/v1", "clusterrolebindings").create(binding)


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
