# SPDX-License-Identifier: Apache-2.0
"""Each thing that may be wrong is found, and nothing is found where all is well."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import builders
import pytest
from builders import BLUE, CONTRACT, IP_POOL
from snapshots import Objects
from typing_extensions import override

from api import resources
from cli.kubectl import snapshot, usage
from cli.kubectl.check import finding, installation, report
from cli.kubectl.check import objects as checks
from kube.lease import LEASES
from kube.resources import ApiResource
from kube.testing.fake import Json
from manager import pod
from objects import pools
from objects.pools import PoolKey

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
GONE = "2026-01-01T00:00:00Z"


async def found(objects: Objects, namespace: str = "default") -> list[tuple[str, str]]:
    read = await objects.snapshot()
    return [
        (each.check, str(each.object)) for each in checks.findings(read, usage.of(read), namespace)
    ]


def nothing(objects: Objects) -> None:
    objects.bound("web", "10.0.0.2")


def duplicate(objects: Objects) -> None:
    objects.bound("a", "10.0.0.2")
    objects.bound("b", "10.0.0.2")


def unreadable(objects: Objects) -> None:
    objects.api.add(builders.address("web", "10.0.0.2") | {"spec": {"poolRef": 1}})


def orphan(objects: Objects) -> None:
    objects.address("web", "10.0.0.2")


def outside(objects: Objects) -> None:
    objects.bound("web", "10.9.0.2")


def waits(objects: Objects) -> None:
    objects.claim("web")


def no_pool(objects: Objects) -> None:
    objects.claim("web", PoolKey(IP_POOL, "default", "red"))


def bad_pool(objects: Objects) -> None:
    objects.pool("ten", name="bad")


def bad_exclusion(objects: Objects) -> None:
    objects.bound("web", "10.0.1.2", objects.pool("10.0.1.0/28", name="b", excludedAddresses=["x"]))


def overlap(objects: Objects) -> None:
    objects.pool("10.0.0.14-10.0.0.17", name="red")


def shared(objects: Objects) -> None:
    objects.bound("a", "10.0.0.2")
    objects.bound("b", "10.0.0.2", objects.pool("10.0.0.2", name="red"))


def stuck(objects: Objects) -> None:
    objects.claim("web", bound=True, deletionTimestamp=GONE, finalizers=["a/b"])
    objects.address("web", "10.0.0.2")


def unbacked(objects: Objects) -> None:
    objects.claim("web", bound=True)


def reference(objects: Objects, group: str, kind: str) -> None:
    spec = {"poolRef": {"apiGroup": group, "kind": kind, "name": "blue"}}
    objects.api.add(builders.claim() | {"spec": spec})


def wrong_group(objects: Objects) -> None:
    reference(objects, "ipam.cluster.x-k8s.io/v1alpha2", IP_POOL)


def wrong_kind(objects: Objects) -> None:
    reference(objects, "ipam.cluster.x-k8s.io", "InClusterPool")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (nothing, []),
        (duplicate, [("address-conflict", "InClusterIPPool default/blue")]),
        (unreadable, [("object-unreadable", "IPAddress default/web")]),
        (orphan, [("address-orphaned", "IPAddress default/web")]),
        (outside, [("address-out-of-range", "IPAddress default/web")]),
        (waits, [("claim-waiting", "InClusterIPPool default/blue")]),
        (no_pool, [("pool-not-found", "InClusterIPPool default/red")]),
        (bad_pool, [("pool-not-ready", "InClusterIPPool default/bad")]),
        (bad_exclusion, [("pool-not-ready", "InClusterIPPool default/b")]),
        (
            overlap,
            [
                ("pool-overlap", "InClusterIPPool default/blue"),
                ("pool-overlap", "InClusterIPPool default/red"),
            ],
        ),
        (
            shared,
            [
                ("pool-overlap", "InClusterIPPool default/blue"),
                ("pool-overlap", "InClusterIPPool default/red"),
                ("address-conflict", "InClusterIPPool default/blue"),
            ],
        ),
        (stuck, [("claim-deleting", "IPAddressClaim default/web")]),
        (unbacked, [("address-not-found", "IPAddressClaim default/web")]),
        (wrong_group, [("claim-reference-invalid", "IPAddressClaim default/web")]),
        (wrong_kind, [("claim-reference-invalid", "IPAddressClaim default/web")]),
    ],
)
async def test_what_is_wrong_is_found(
    make: Callable[[Objects], None], expected: list[tuple[str, str]]
) -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    make(objects)

    assert await found(objects) == expected


async def test_a_global_pool_that_was_not_read_is_not_missing() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    objects.claim("web", objects.pool("10.0.1.0/28", name="all", kind="GlobalInClusterIPPool"))
    informers = snapshot.Informers(objects.api, CONTRACT, "default")
    await informers.sync()
    read = informers.snapshot()

    names = [(each.check, str(each.object)) for each in checks.findings(read, usage.of(read), "")]

    assert names == [
        (check, "GlobalInClusterIPPool all") for check in ("check-skipped", "claim-waiting")
    ]


async def test_other_namespaces_are_left_out() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    waits(objects)

    assert await found(objects, "team") == []
    assert await found(objects, "") == [("claim-waiting", str(BLUE))]


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("PoolExhausted", "it is full; add addresses to the pool, or delete claims", "it is full"),
        ("PoolNotReady", "blue has an invalid spec: a; b", "blue has an invalid spec: a; b"),
        ("AllocationFailed", "x is in use; take y", "x is in use; take y"),
    ],
)
async def test_a_waiting_claim_has_a_cause_and_a_remedy_of_its_own(
    reason: str, message: str, expected: str
) -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": message}
    objects.claim("web", conditions=[ready])
    read = await objects.snapshot()

    (found,) = checks.findings(read, usage.of(read), "")

    assert found.cause == f"1 claim without an address (default/web): {expected}"
    assert found.remedy
    assert found.remedy not in found.cause


async def test_a_remedy_names_a_page_of_the_documentation() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    ready: Json = {"type": "Ready", "status": "False", "reason": "Other", "message": "why"}
    objects.claim("web", conditions=[ready])
    read = await objects.snapshot()

    (found,) = checks.findings(read, usage.of(read), "")

    page = Path(__file__).parents[3] / re.findall(r"docs/\S+\.md", found.remedy)[0]
    assert "## Claims\n" in page.read_text()


async def test_a_claim_that_nobody_has_seen_has_a_remedy() -> None:
    objects = Objects()
    objects.pool("10.0.0.0/28")
    objects.claim("web")
    read = await objects.snapshot()

    (found,) = checks.findings(read, usage.of(read), "")

    assert found.cause.endswith("no controller has looked at the claim yet")
    assert "--watch-filter" in found.remedy


def lease(renewed: str | None) -> Json:
    spec = {"holderIdentity": "one", "renewTime": renewed, "leaseDurationSeconds": 15}
    return {"metadata": {"name": pod.LEASE, "namespace": "system"}, "spec": spec}


@pytest.mark.parametrize(
    ("renewed", "silent"),
    [("2025-12-31T23:59:50.000000Z", False), ("2025-12-31T23:59:00.000000Z", True), (None, True)],
)
async def test_a_lease_that_is_not_renewed_is_found(renewed: str | None, silent: bool) -> None:  # noqa: FBT001 - a parameter
    objects = Objects()
    objects.api.put(LEASES, lease(renewed))

    read = await installation.findings(objects.api, NOW)

    assert ("leader-not-found" in {each.check for each in read}) == silent


async def test_crds_and_webhooks_that_are_missing_are_found() -> None:
    read = await installation.findings(Objects().api, NOW)

    kinds = [str(each.object) for each in read if each.check == "crd-not-found"]
    assert kinds == [
        f"CustomResourceDefinition {each.plural}.{each.group}" for each in pools.RESOURCES.values()
    ]
    assert len([each for each in read if each.check == "webhook-not-found"]) == 2


def where(name: str) -> finding.ObjectReference:
    return finding.ObjectReference("IPAddress", name)


def test_junit_has_a_case_for_each_check() -> None:
    made = [
        finding.Finding(
            finding.Check.ADDRESS_ORPHANED, finding.WARNING, where(name), "has no <claim>", "wait"
        )
        for name in ("a", "b\x1b[31m")
    ]

    suite, clean = (
        ET.fromstring(report.junit(report.Outcome(each, "all <of it>")))  # noqa: S314 - our own text
        for each in (made, [])
    )

    assert suite.findtext("system-out") == clean.findtext("system-out") == "Checked: all <of it>."
    assert suite.attrib == {"name": "kubectl ipam check", "tests": "1", "failures": "1"}
    assert [line.split(":")[0] for line in suite.findtext("testcase/failure", "").splitlines()] == [
        "IPAddress a",
        "IPAddress b␛[31m",
    ]
    assert (clean.get("tests"), clean.get("failures"), clean.find("testcase/failure")) == (
        "1",
        "0",
        None,
    )


class Counting(builders.Api):
    """A fake API server that counts how often each CRD is read."""

    def __init__(self) -> None:
        super().__init__()
        self.definitions = Counter[str]()

    @override
    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        if resource == builders.CRDS:
            self.definitions[name] += 1
        return await super().get(resource, namespace, name)


async def test_all_checks_of_the_installation_read_each_definition_once() -> None:
    api = Counting()
    api.define(["v1alpha2"])

    found = await installation.findings(api, NOW)

    assert dict(api.definitions) == dict.fromkeys((each.name for each in resources.POOLS), 1)
    of_it = [each.cause for each in found if each.object.name == builders.CRD]
    assert of_it == ["has no conversion webhook, so its other versions lose fields"]
    assert [each.cause for each in found].count("is not installed") == len(resources.POOLS) - 1
