# SPDX-License-Identifier: Apache-2.0
"""Writes that a policy or a quota refuses: the claim says so, and is served when that ends."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from envtest import waiting
from envtest.contract import GROUP
from envtest.controlplane import tenants
from envtest.errors import RefusedError

if TYPE_CHECKING:
    from envtest.client import Json

WORDS = "this team has no addresses left"


def refused(tenant: tenants.Tenant) -> bool:
    """Say whether the policy is in force: the API server takes a moment to hear of it."""
    try:
        tenant.add_address("probe", "10.9.9.9")
    except RefusedError as error:
        return WORDS in str(error)
    tenant.addresses.delete("probe")
    return False


@contextmanager
def policy(tenant: tenants.Tenant) -> Generator[None]:
    """Refuse new IPAddresses of the tenant's namespace while the block runs."""
    version, name = "admissionregistration.k8s.io/v1", f"few-{tenant.namespace}"
    admin = tenant.provider.admin
    policies = admin.resource(version, "validatingadmissionpolicies")
    bindings = admin.resource(version, "validatingadmissionpolicybindings")
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["ipaddresses"],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": tenant.namespace}}
    spec: Json = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [{"expression": "false", "message": WORDS}],
    }
    meta = {"name": name}
    policies.create(
        {"apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": spec}
    )
    bindings.create(
        {
            "apiVersion": version,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": meta,
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }
    )
    try:
        waiting.until("the policy is in force", partial(refused, tenant), bool)
        yield
    finally:
        bindings.delete(name)
        policies.delete(name)


@contextmanager
def quota(tenant: tenants.Tenant) -> Generator[None]:
    """Set a quota that is used up; no controller counts here, so the status is written by hand."""
    quotas = tenant.provider.admin.resource("v1", "resourcequotas", tenant.namespace)
    hard = {f"count/ipaddresses.{GROUP}": "0"}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    quotas.create(body | {"spec": {"hard": hard}})
    quotas.merge("few", {"status": {"hard": hard, "used": hard}}, "status")
    try:
        yield
    finally:
        quotas.delete("few")


@pytest.mark.parametrize(("refuse", "words"), [(policy, WORDS), (quota, "exceeded quota: few")])
def test_a_claim_whose_ipaddress_is_refused_says_so_and_gets_it_when_that_ends(
    tenant: tenants.Tenant,
    refuse: Callable[[tenants.Tenant], Generator[None]],
    words: str,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.11")

    with refuse(tenant):  # type: ignore[attr-defined] # one of two functions
        tenant.add_claim("web", "blue")
        message = tenant.not_ready("web", "AllocationFailed")
        assert words in message
        events = tenant.provider.admin.resource("events.k8s.io/v1", "events", tenant.namespace)
        waiting.until(
            "an Event tells the same",
            lambda: [event["note"] for event in events.list() if event["type"] == "Warning"],
            lambda notes: any(words in note for note in notes),
        )

    assert tenant.bound("web") == ["10.0.0.10"]
    assert tenant.says("web", "Ready") == "address 10.0.0.10 is allocated"
