# SPDX-License-Identifier: Apache-2.0
"""Which of Cluster API's versions is used, and when that changes."""

import json

import msgspec
import pytest
from typing_extensions import override

from kube.errors import NotFoundError, UnreachableError
from kube.meta import OwnerReference
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects import clusterapi, contracts
from objects.errors import ContractChangedError

OLD = {"ipam.cluster.x-k8s.io/v1beta1", "cluster.x-k8s.io/v1beta1"}
NEW = {*OLD, "ipam.cluster.x-k8s.io/v1beta2", "cluster.x-k8s.io/v1beta2"}
KINDS = ("IPAddressClaim", "IPAddress", "Cluster")


class Discovery(FakeApi):
    """Serves versions that change from one look to the next; None is an outage."""

    def __init__(self, *looks: set[str] | None) -> None:
        super().__init__()
        self.looks = iter(looks)
        self.now = next(self.looks)

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        if self.now is None:
            raise UnreachableError("GET", "cut off")
        if resource.api_version not in self.now:
            raise NotFoundError(404, "NotFound", "not served", "GET")
        return json.dumps({"resources": [{"kind": kind} for kind in KINDS]}).encode()


class Aggregated(FakeApi):
    """Serves all groups in one answer with an ETag, as Kubernetes 1.30 does."""

    def __init__(self) -> None:
        super().__init__()
        self.served = OLD
        self.answers: list[str] = []

    @override
    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        now = f'"{len(self.served)}"'
        self.answers.append("304" if etag == now else "200")
        if etag == now:
            return None
        names = {each.partition("/")[0] for each in self.served}
        items = [self._group(name) for name in ("apps", *sorted(names))]
        return json.dumps({"kind": "APIGroupDiscoveryList", "items": items}).encode(), now

    def _group(self, name: str) -> Json:
        versions = [each.partition("/")[2] for each in self.served if each.startswith(f"{name}/")]
        found = [{"responseKind": {"kind": kind}} for kind in KINDS] + [{"resource": "bare"}]
        return {
            "metadata": {"name": name},
            "versions": [{"version": each, "resources": found} for each in versions],
        }

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        raise AssertionError("one answer has all")


async def test_aggregated_discovery_says_the_same_as_that_of_each_version() -> None:
    api = Aggregated()
    assert await contracts.discover(api) == await found(*OLD)

    api.served = NEW

    assert await contracts.discover(api) == await found(*NEW)


async def test_what_has_not_changed_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Aggregated()
    contract = await contracts.discover(api)
    assert contract is not None
    api.answers.clear()
    looks = 0

    async def next_look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        api.served = NEW if looks > 5 else OLD

    monkeypatch.setattr(contracts.asyncio, "sleep", next_look)
    with pytest.raises(ContractChangedError):
        await contracts.until_changed(api, contract)

    assert api.answers == ["200", "304", "304", "304", "304", "200", "304"]


async def found(*versions: str) -> contracts.Contract | None:
    return await contracts.discover(Discovery(set(versions)))


async def test_the_newest_version_that_is_served_is_used() -> None:
    newest, oldest = await found(*NEW), await found(*OLD)

    assert newest is not None
    assert oldest is not None
    assert (newest.version, newest.cluster_version) == ("v1beta2", "v1beta2")
    assert (oldest.version, oldest.cluster_version) == ("v1beta1", "v1beta1")


async def test_without_clusters_there_is_no_contract() -> None:
    assert await found("ipam.cluster.x-k8s.io/v1beta2") is None


async def test_owners_in_versions_that_are_not_served_are_known() -> None:
    contract = await found(*OLD)
    assert contract is not None

    kind = "IPAddressClaim"
    group = "ipam.cluster.x-k8s.io"
    assert contract.served(OwnerReference(api_version=f"{group}/v1beta1", kind=kind))
    assert not contract.served(OwnerReference(api_version=f"{group}/v1alpha1", kind=kind))


async def looked_at(monkeypatch: pytest.MonkeyPatch, *looks: set[str] | None) -> str:
    """Return why the work in a version ends, or how it went on until the last look."""
    api = Discovery(*looks)
    contract = await contracts.discover(api)
    assert contract is not None

    async def next_look(_seconds: float) -> None:
        api.now = next(api.looks)

    monkeypatch.setattr(contracts.asyncio, "sleep", next_look)
    try:
        await contracts.until_changed(api, contract)
    except ContractChangedError as error:
        return str(error)
    except RuntimeError:  # no look is left
        return "goes on"
    raise AssertionError


async def test_two_looks_that_agree_on_another_version_end_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await looked_at(monkeypatch, OLD, NEW, NEW) == (
        "Cluster API's IPAM types: v1beta1 was in use, v1beta2 is to be used now"
    )
    assert "none is to be used now" in await looked_at(monkeypatch, OLD, set(), set())


async def test_one_look_or_an_outage_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looked_at(monkeypatch, OLD, NEW, OLD, None, None, NEW, OLD) == "goes on"


# ---- an IPAddress that does not decode as a whole ----

POOL_REF = {"apiGroup": "ipam.cluster.x-k8s.io", "kind": "InClusterIPPool", "name": "blue"}
PREFIX_POOL_REF = POOL_REF | {"kind": "InClusterPrefixPool"}
WHOLE = {"poolRef": POOL_REF, "claimRef": {"name": "web"}, "address": "10.0.0.5", "prefix": 24}


def salvaged(spec: object) -> clusterapi.IPAddress:
    metadata = {"name": "web", "namespace": "default", "resourceVersion": "7"}
    found = clusterapi.IPAddress.salvage(json.dumps({"metadata": metadata, "spec": spec}).encode())
    assert found.metadata.revision == 7
    return found


@pytest.mark.parametrize(
    "bad", [{"gateway": 7}, {"gateway": None}, {"prefix": "24"}, {"prefix": None}, {"claimRef": []}]
)
def test_a_field_that_does_not_decide_what_an_ipaddress_has_may_be_bad(
    bad: dict[str, object],
) -> None:
    found = salvaged(WHOLE | bad)

    assert type(found) is clusterapi.IPAddress
    assert (found.spec.address, found.spec.pool_ref.name) == ("10.0.0.5", "blue")
    assert {"prefix", "claimRef"} & bad.keys() or found.spec.prefix == 24
    assert "claimRef" in bad or found.spec.claim_ref.name == "web"


@pytest.mark.parametrize(
    "spec", [None, {}, {"poolRef": None, "address": None}, WHOLE | {"poolRef": {"kind": None}}]
)
def test_what_is_null_is_absent(spec: object) -> None:
    found = salvaged(spec)

    assert type(found) is clusterapi.IPAddress
    assert found.pool is None


def test_an_address_that_is_null_is_none() -> None:
    found = salvaged(WHOLE | {"address": None})

    assert type(found) is clusterapi.IPAddress
    assert (found.spec.address, found.spec.pool_ref.name) == ("", "blue")


@pytest.mark.parametrize(
    ("spec", "field", "pool"),
    [
        (WHOLE | {"address": 7}, "spec.address: Expected `str", "blue"),
        (
            WHOLE | {"poolRef": PREFIX_POOL_REF, "prefix": "62"},
            "spec.prefix: Expected `int",
            "blue",
        ),
        (WHOLE | {"poolRef": "blue"}, "spec.poolRef: Expected `object", ""),
        (WHOLE | {"poolRef": {"kind": 7}}, "spec.poolRef: Expected `str", ""),
        ("broken", "spec: Expected `object", ""),
    ],
)
def test_an_ipaddress_of_which_nobody_knows_what_it_has_says_which_field_is_bad(
    spec: object, field: str, pool: str
) -> None:
    found = salvaged(spec)

    assert isinstance(found, clusterapi.UnreadableIPAddress)
    assert field in found.problem
    assert found.spec.pool_ref.name == pool


def test_what_is_whole_is_salvaged_whole() -> None:
    raw = json.dumps(
        {"metadata": {"name": "web"}, "spec": WHOLE | {"gateway": "10.0.0.1"}}
    ).encode()

    assert clusterapi.IPAddress.salvage(raw) == msgspec.json.decode(raw, type=clusterapi.IPAddress)
