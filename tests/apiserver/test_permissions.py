# SPDX-License-Identifier: Apache-2.0
"""The manager needs no more than the RBAC rules that are shipped with it, and no less."""

from http import HTTPStatus

from envtest import manifests, provider, tenants

GLOBAL = "GlobalInClusterIPPool"


def test_the_manager_is_never_forbidden_anything(tenant: tenants.Tenant, namespace: str) -> None:
    go_through_everything(tenant, f"rbac-{namespace}")

    forbidden = [
        (event["verb"], event["requestURI"])
        for event in tenant.provider.requests()
        if event["responseStatus"]["code"] in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    ]

    assert forbidden == []


def test_the_manager_acts_under_the_service_account_of_its_deployment(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    [create] = [
        event
        for event in tenant.provider.requests()
        if event["verb"] == "create"
        and event["objectRef"].get("namespace") == tenant.namespace
        and event["objectRef"]["resource"] == "ipaddresses"
    ]

    assert create["user"]["username"] == provider.IDENTITY
    assert create["responseStatus"]["code"] == HTTPStatus.CREATED


def go_through_everything(tenant: tenants.Tenant, global_pool: str) -> None:
    """Make the manager do each thing that it can do."""
    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")
    tenant.add_pool(global_pool, "10.0.0.10-10.0.0.11", kind=GLOBAL)
    prefixes = {"prefixes": ["2001:db8::/48"]}
    kind = "InClusterPrefixPool"
    tenant.pools(kind).create(manifests.pool("prefixes", prefixes, kind))
    tenant.add_claim("a", "blue")
    tenant.add_claim("b", global_pool, GLOBAL)
    tenant.add_claim("c", "prefixes", kind)
    tenant.add_claim("d", "nowhere")
    tenant.bound("a", "b", "c")
    tenant.not_ready("d", "PoolNotReady")
    tenant.release("a", "b", "c", "d")
    for pool, of in (("blue", tenants.POOL), (global_pool, GLOBAL), ("prefixes", kind)):
        tenant.counts(pool, of, used=0)
        tenant.pools(of).delete(pool)
