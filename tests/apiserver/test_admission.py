# SPDX-License-Identifier: Apache-2.0
"""Bad input is refused, in words that name the field and the value."""

import re

import pytest

from envtest import client, errors, manifests, waiting
from envtest.controlplane import tenants

MALFORMED = """
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: InClusterIPPool
metadata: {name: blue
spec: [
"""


def refusal(
    user: tenants.Tenant, spec: client.Json, version: str = "v1alpha2"
) -> errors.RefusedError:
    with pytest.raises(errors.RefusedError) as refused:
        user.pools(version=version).create(manifests.pool("blue", spec, version=version))
    return refused.value


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        pytest.param(
            {"addresses": ["10.0.0.300"], "prefix": 24},
            "spec.addresses[0]",
            "10.0.0.300",
            id="no-address",
        ),
        pytest.param(
            {"addresses": ["10.0.0.9-10.0.0.5"], "prefix": 24},
            "spec.addresses[0]",
            "10.0.0.9-10.0.0.5",
            id="range-backwards",
        ),
        pytest.param(
            {"addresses": ["10.0.0.0/24"], "prefix": 33}, "spec.prefix", "33", id="prefix-too-long"
        ),
        pytest.param(
            {"addresses": ["10.0.0.5", "10.9.0.5"], "prefix": 24},
            "spec.addresses[1]",
            "10.9.0.5",
            id="outside-the-subnet",
        ),
        pytest.param(
            {"addresses": ["10.0.0.5"], "prefix": 24, "gateway": "gate"},
            "spec.gateway",
            "gate",
            id="no-gateway",
        ),
        pytest.param(
            {"addresses": ["10.0.0.5"], "prefix": 24, "addressReuseGracePeriodSeconds": -1},
            "spec.addressReuseGracePeriodSeconds",
            "-1",
            id="negative-grace-period",
        ),
    ],
)
def test_a_bad_pool_is_refused(
    tenant: tenants.Tenant, spec: client.Json, field: str, value: str
) -> None:
    refused = refusal(tenant, spec)

    assert (refused.code, refused.reason) == (422, "Invalid")
    assert field in refused.message
    assert value in refused.message


def test_families_are_not_mixed(tenant: tenants.Tenant) -> None:
    refused = refusal(tenant, {"addresses": ["10.0.0.5", "fd00::5"], "prefix": 24})

    assert refused.code == 422
    assert "spec.addresses" in refused.message
    assert "one pool has one IP family" in refused.message


def test_a_v1alpha1_writer_reads_his_own_field_names(tenant: tenants.Tenant) -> None:
    refused = refusal(tenant, {"subnet": "10.0.0.0/99"}, version="v1alpha1")

    assert refused.code == 422
    assert "spec.subnet" in refused.message
    assert "10.0.0.0/99" in refused.message


def test_a_pool_needs_addresses(tenant: tenants.Tenant) -> None:
    assert "spec.addresses" in refusal(tenant, {"prefix": 24}).message


def test_a_malformed_manifest_is_refused_without_a_traceback(tenant: tenants.Tenant) -> None:
    with pytest.raises(errors.RefusedError) as refused:
        tenant.pools().submit(MALFORMED, "application/yaml")

    assert refused.value.code == 400
    assert "Traceback" not in refused.value.message


def test_an_unknown_kind_is_refused(tenant: tenants.Tenant) -> None:
    body = manifests.pool("blue", {}, kind="InClusterIPPond")

    with pytest.raises(errors.RefusedError, match="InClusterIPPond"):
        tenant.pools().create(body)


def test_warnings_come_with_the_answer(tenant: tenants.Tenant) -> None:
    spec = {"addresses": ["10.0.0.5", "10.0.0.5"], "prefix": 24}

    warnings = tenant.pools().submit(manifests.pool("blue", spec)).warnings

    assert "spec.addresses[1]" in warnings[0]


def test_a_pool_that_shares_addresses_with_another_is_warned_about(tenant: tenants.Tenant) -> None:
    tenant.add_pool("red", "10.0.0.0/28")
    spec = {"addresses": ["10.0.0.5"], "prefix": 24}

    def told() -> list[str]:
        body = manifests.pool("blue", spec)
        found = tenant.pools().submit(body).warnings
        tenant.pools().delete("blue")
        return [text for text in found if f"{tenant.namespace}/red" in text]

    [warning] = waiting.until("the API server's cache has the other", told, bool)
    assert "10.0.0.5 is also in InClusterIPPool" in warning


def test_an_update_must_not_strand_an_address_in_use(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    with pytest.raises(errors.RefusedError, match=re.escape("10.0.0.10")) as refused:
        tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.11-10.0.0.20"]}})

    assert refused.value.code == 400


def test_an_update_may_take_what_nobody_uses(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.10-10.0.0.11"]}})

    tenant.counts("blue", total=2, used=1, free=1)


def test_a_pool_in_use_is_not_deleted(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")

    with pytest.raises(errors.RefusedError, match=r"(?s)blue.*in use") as refused:
        tenant.pools().delete("blue")

    assert refused.value.code == 400


def test_a_pool_goes_when_nothing_uses_it(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    tenant.release("web")

    tenant.pools().delete("blue")

    waiting.until(
        "the pool is gone", lambda: tenant.pools().find("blue"), lambda pool: pool is None
    )


def test_a_replace_by_an_old_client_keeps_what_it_cannot_know(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.0/28", excludedAddresses=["10.0.0.7"])
    tenant.counts("blue")  # from here on the controller has nothing more to write

    def make_bare(body: client.Json) -> None:
        kept = ("name", "resourceVersion")
        body["metadata"] = {field: body["metadata"][field] for field in kept}

    tenant.pools(version="v1alpha1").edit("blue", make_bare)

    assert tenant.pools().get("blue")["spec"]["excludedAddresses"] == ["10.0.0.7"]
