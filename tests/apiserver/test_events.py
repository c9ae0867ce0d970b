# SPDX-License-Identifier: Apache-2.0
"""What `kubectl describe` tells the owner of a claim or of a pool, on a real API server."""

import os
import re
import subprocess

from envtest import manifests, waiting
from envtest.client import Json
from envtest.contract import GROUP
from envtest.controlplane import binaries, control_plane, tenants

STORM = 200
SUM = re.compile(r"(\d+) claims, ")


def describe(tenant: tenants.Tenant, kind: str, name: str) -> str:
    plane = tenant.provider.control_plane
    config = plane.kubeconfig(f"kubectl-{tenant.namespace}", [control_plane.ADMIN_GROUP])
    done = subprocess.run(
        [binaries.find(binaries.KUBECTL), "describe", kind, name, "-n", tenant.namespace],
        env=os.environ | {"KUBECONFIG": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def told(tenant: tenants.Tenant, kind: str, reason: str) -> list[Json]:
    """Return the Events of a reason at objects of a kind."""
    events = tenant.provider.admin.resource("events.k8s.io/v1", "events", tenant.namespace).list()
    return [
        event
        for event in events
        if event["reason"] == reason and event["regarding"]["kind"] == kind
    ]


def told_at(tenant: tenants.Tenant, kind: str, reason: str) -> list[Json]:
    what = f"{reason} is told at {kind}"
    return waiting.until(what, lambda: told(tenant, kind, reason), bool)


def test_describing_a_waiting_claim_says_what_is_wrong_and_what_to_do(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("first", "blue")
    tenant.bound("first")
    tenant.add_claim("web", "blue")
    told_at(tenant, "IPAddressClaim", "PoolExhausted")

    text = describe(tenant, "ipaddressclaim", "web")

    advice = "add addresses to the pool, or delete claims"
    condition, events = text.split("Events:")
    assert advice in condition
    assert ("Warning" in events, "PoolExhausted" in events, advice in events) == (True, True, True)


def test_describing_a_pool_shows_that_it_is_full(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    told_at(tenant, "InClusterIPPool", "PoolExhausted")

    _, events = describe(tenant, "inclusterippool", "blue").split("Events:")

    assert "no address is free" in events


def test_a_claim_gets_events_of_its_address_and_of_its_release(tenant: tenants.Tenant) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    tenant.add_claim("web", "blue")
    tenant.bound("web")
    [event] = told_at(tenant, "IPAddressClaim", "AddressAllocated")
    assert (event["type"], event["note"]) == ("Normal", "address 10.0.0.10 was allocated")

    tenant.release("web")

    [event] = told_at(tenant, "IPAddressClaim", "AddressReleased")
    assert event["note"] == "address 10.0.0.10 was released"


def test_describing_a_claim_whose_reference_has_a_version_says_how_to_correct_it(
    tenant: tenants.Tenant,
) -> None:
    tenant.add_pool("blue", "10.0.0.10")
    body = manifests.claim("web", "blue", version="v1beta1")
    body["spec"]["poolRef"]["apiGroup"] = f"{GROUP}/v1beta1"
    claims = tenant.provider.admin.resource(f"{GROUP}/v1beta1", "ipaddressclaims", tenant.namespace)
    before = claims.create(body)
    told_at(tenant, "IPAddressClaim", "InvalidPoolReference")

    _, events = describe(tenant, "ipaddressclaim", "web").split("Events:")

    problem = f'spec.poolRef.apiGroup is "{GROUP}/v1beta1", so no provider serves this claim'
    assert ("Warning" in events, problem in events) == (True, True)
    assert claims.get("web") == before  # an Event is all that it gets


def test_many_waiting_claims_are_few_events(tenant: tenants.Tenant) -> None:
    for number in range(STORM):
        tenant.add_claim(f"claim-{number}", "blue")
    tenant.not_ready(f"claim-{STORM - 1}", "PoolNotReady")
    tenant.add_pool("blue", "10.0.0.10")

    events = waiting.until(
        "each waiting claim is told of",
        lambda: told_of_waiting(tenant),
        lambda events: sum(map(claims_in, events)) >= STORM - 1,
    )

    assert any(claims_in(event) > 1 for event in events)
    assert sum(map(claims_in, events)) == STORM - 1
    assert len(events) < STORM // 4


def told_of_waiting(tenant: tenants.Tenant) -> list[Json]:
    """Return Events at single claims, and sums at their pool."""
    at_pool = told(tenant, "InClusterIPPool", "PoolExhausted")
    sums = [event for event in at_pool if SUM.match(event["note"])]
    return told(tenant, "IPAddressClaim", "PoolExhausted") + sums


def claims_in(event: Json) -> int:
    """Tell of how many claims an Event tells."""
    found = SUM.match(event["note"])
    return int(found[1]) if found else 1
