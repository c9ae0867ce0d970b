# SPDX-License-Identifier: Apache-2.0
"""The manager may stop or die at any moment."""

import contextlib
import signal
import time
from collections.abc import Generator

import pytest

from envtest import client, errors, waiting
from envtest.controlplane import manager, provider, tenants

CLAIMS = 300


def test_a_kill_in_the_middle_of_300_claims_loses_and_duplicates_nothing(
    tenant: tenants.Tenant,
) -> None:
    manager = tenant.provider.manager
    names = [f"claim-{number:03}" for number in range(CLAIMS)]
    for name in names:
        tenant.add_claim(name, "blue")
    since = tenant.addresses.listing()["metadata"]["resourceVersion"]

    tenant.add_pool("blue", "10.0.0.0/16", prefix=16)  # now all of them are served at once
    waiting.until("some have addresses", tenant.addresses.list, lambda found: len(found) >= 50)
    manager.kill()
    bound_by_the_first = {
        claim["metadata"]["name"]
        for claim in tenant.claims.list()
        if "addressRef" in claim.get("status", {})
    }
    before = {address["metadata"]["name"]: address["spec"] for address in tenant.addresses.list()}
    manager.run()

    addresses = tenant.bound(*names)
    assert len(bound_by_the_first) < CLAIMS  # or it was not the middle
    assert len(set(addresses)) == CLAIMS
    after = {address["metadata"]["name"]: address["spec"] for address in tenant.addresses.list()}
    assert before.items() <= after.items()
    assert sorted(after) == names
    assert lost_since(tenant.addresses, since) == []
    tenant.counts("blue", used=CLAIMS)


def lost_since(addresses: client.Resource, version: str) -> list[str]:
    """Return the names of IPAddresses that were deleted after a resourceVersion."""
    with addresses.watch(version, seconds=1) as events:
        return [
            event["object"]["metadata"]["name"] for event in events if event["type"] == "DELETED"
        ]


def test_on_sigterm_the_manager_ends_by_itself_and_gives_its_lease_back(
    provider: provider.Provider,
) -> None:
    waiting.until("somebody leads", provider.holder, bool)

    provider.manager.signal(signal.SIGTERM)

    assert provider.manager.wait() == 0
    assert provider.holder() == ""


def test_webhooks_answer_while_others_learn_of_the_stop(tenant: tenants.Tenant) -> None:
    with lingers(tenant.provider, "--shutdown-delay=5m") as lingering:
        tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
        tenant.add_claim("web", "blue")
        tenant.bound("web")

        lingering.signal(signal.SIGTERM)
        own = tenant.provider
        waiting.until("it has given up its lease", own.holder, lambda holder: not holder)

        assert not lingering.ready()
        assert tenant.pools(version="v1alpha1").get("blue")["spec"]["addresses"]
        with pytest.raises(errors.RefusedError, match=r"10\.0\.0\.10"):  # it knows who has what
            tenant.pools().merge("blue", {"spec": {"addresses": ["10.0.0.15-10.0.0.20"]}})


@contextlib.contextmanager
def lingers(own: provider.Provider, *flags: str) -> Generator[manager.Manager]:
    """Run another manager in place of the own one, which is back afterwards."""
    own.manager.stop()
    lingering = own.new_manager("lingers", *flags, webhook_port=own.webhook_port)
    try:
        lingering.run()
        yield lingering
    finally:
        lingering.kill()
        own.manager.run()


def test_a_stop_takes_at_least_the_configured_time(tenant: tenants.Tenant) -> None:
    with lingers(tenant.provider, "--shutdown-delay=1s") as lingering:
        began = time.monotonic()
        lingering.signal(signal.SIGTERM)

        assert lingering.wait() == 0
        assert time.monotonic() - began >= 1


def test_claims_of_the_time_without_a_manager_are_served_by_the_next(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.add_claim("before", "blue")
    tenant.bound("before")
    tenant.provider.manager.stop()
    tenant.add_claim("meanwhile", "blue")
    tenant.claims.delete("before")

    tenant.provider.manager.run()

    assert tenant.bound("meanwhile") == ["10.0.0.11"]
    tenant.counts("blue", used=1)


def with_former_reason(tenant: tenants.Tenant, name: str, **change: str) -> client.Json:
    """Change the condition of a bound claim to what earlier releases wrote."""
    [ready] = tenant.status(name)["conditions"]
    assert ready["reason"] == "AddressAllocated"
    status = {"conditions": [{**ready, "reason": "Ready", **change}]}
    return tenant.claims.merge(name, {"status": status}, subresource="status")


def test_a_start_after_an_upgrade_does_not_write_claims_that_have_the_former_reason(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    for name in ("older", "younger"):
        tenant.add_claim(name, "blue")
        tenant.bound(name)
    tenant.provider.manager.stop()
    before = with_former_reason(tenant, "older")
    with_former_reason(tenant, "younger", message="address 10.9.9.9 is allocated")

    tenant.provider.manager.run()

    def renewed() -> str:
        return str(tenant.status("younger")["conditions"][0]["reason"])

    waiting.until("the younger is looked at", renewed, lambda it: it == "AddressAllocated")
    assert tenant.claims.get("older") == before  # it came first


def test_a_restart_of_the_api_server_is_survived(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10-10.0.0.20")
    tenant.provider.control_plane.apiserver.stop()

    tenant.provider.control_plane.start()

    tenant.add_claim("web", "blue")
    assert tenant.bound("web") == ["10.0.0.10"]


def test_a_new_certificate_is_served_without_a_restart(tenant: tenants.Tenant) -> None:
    old = tenant.provider.serving_certificate()

    tenant.provider.manager.issue_certificate()

    waiting.until("another is served", tenant.provider.serving_certificate, lambda new: new != old)
    tenant.add_pool("blue", "10.0.0.10")  # admission goes over it
    tenant.pools(version="v1alpha1").get("blue")  # and conversion


def test_the_serving_certificate_is_read_from_the_folder(provider: provider.Provider) -> None:
    on_disk = (provider.manager.certificates / "tls.crt").read_text()

    def same(served: str) -> bool:
        return served == on_disk

    waiting.until("the certificate on disk is served", provider.serving_certificate, same)
