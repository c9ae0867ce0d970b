# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from ipam import offer
from kube import client, errors, objects, pools, resources
from webhook import inuse, live

GROUP = "ipam.cluster.x-k8s.io"
BLUE = objects.PoolKey("InClusterIPPool", "default", "blue")
WIDE = objects.PoolKey("GlobalInClusterIPPool", "", "wide")


def address(text: str, kind: str, pool: str, group: str = GROUP) -> dict[str, object]:
    reference = {"apiGroup": group, "kind": kind, "name": pool}
    return {
        "metadata": {"name": text, "namespace": "default"},
        "spec": {"address": text, "poolRef": reference},
    }


STORED = [
    address("10.0.0.1", BLUE.kind, BLUE.name),
    address("10.0.0.2", BLUE.kind, "red"),
    address("10.0.0.3", WIDE.kind, WIDE.name),
    address("10.0.0.4", BLUE.kind, BLUE.name, group="example.com"),
    address("10.0.0.5", BLUE.kind, BLUE.name),
]


class Pages:
    """An API server that serves CAPI in one version, and lists two objects a page."""

    def __init__(self, version: str = "v1beta2") -> None:
        self.version = version
        self.asked: list[str] = []
        self.broken = False
        self.page: bytes | None = None

    async def list(
        self,
        resource: resources.GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        if self.broken:
            raise errors.UnreachableError("GET", "cut off")
        if resource.version != self.version:
            raise errors.NotFoundError(404, "NotFound", "no such version", "GET")
        if not resource.plural:
            if "ipam" not in resource.group:
                raise errors.NotFoundError(404, "NotFound", "no clusters here", "GET")
            kinds = ("IPAddressClaim", "IPAddress")
            return json.dumps({"resources": [{"kind": kind} for kind in kinds]}).encode()
        self.asked.append(resource.path(namespace))
        start = int((params or {}).get("continue", "0"))
        following = str(start + 2) if start + 2 < len(STORED) else ""
        if self.page is not None:
            return self.page
        page = {"items": STORED[start : start + 2], "metadata": {"continue": following}}
        return json.dumps(page).encode()


def live_on(pages: Pages) -> live.Live:
    return live.Live(cast("client.Api", pages))  # lists are all that it asks for


async def test_the_addresses_of_a_pool_are_gathered_from_all_pages() -> None:
    pages = Pages()

    assert await live_on(pages).addresses_of(BLUE) == ["10.0.0.1", "10.0.0.5"]
    assert pages.asked == [f"/apis/{GROUP}/v1beta2/namespaces/default/ipaddresses"] * 3


async def test_those_of_a_global_pool_come_from_all_namespaces() -> None:
    pages = Pages()

    assert await live_on(pages).addresses_of(WIDE) == ["10.0.0.3"]
    assert pages.asked[0] == f"/apis/{GROUP}/v1beta2/ipaddresses"


async def test_an_upgrade_of_cluster_api_is_noticed() -> None:
    pages = Pages("v1beta1")
    asked = live_on(pages)
    await asked.addresses_of(BLUE)

    pages.version = "v1beta2"

    assert await asked.addresses_of(BLUE) == ["10.0.0.1", "10.0.0.5"]


async def test_without_cluster_api_nothing_is_in_use() -> None:
    assert await live_on(Pages("none")).addresses_of(BLUE) == []


async def test_an_api_server_that_does_not_answer_is_no_empty_list() -> None:
    pages = Pages()
    pages.broken = True

    with pytest.raises(inuse.InUseError, match=r"^the IPAddresses of InClusterIPPool default/blue"):
        await live_on(pages).addresses_of(BLUE)


@pytest.mark.parametrize(
    "page",
    [
        b"<html>a proxy's page</html>",
        b'{"items": "none", "metadata": {}}',
        b'{"items": [{"metadata": {"name": "without-a-pool"}, "spec": {}}], "metadata": {}}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_empty_list(page: bytes) -> None:
    pages = Pages()
    pages.page = page

    with pytest.raises(inuse.InUseError, match="cannot be read"):
        await live_on(pages).addresses_of(BLUE)


async def test_what_is_wrong_elsewhere_in_an_address_does_not_free_it() -> None:
    pages = Pages()
    item = address("10.0.0.1", BLUE.kind, BLUE.name)
    item["spec"] = {**cast("dict[str, object]", item["spec"]), "prefix": "a text"}
    pages.page = json.dumps({"items": [item], "metadata": {}}).encode()

    assert await live_on(pages).addresses_of(BLUE) == ["10.0.0.1"]


IP_SPEC = {"addresses": ["10.0.0.1-10.0.0.9"], "prefix": 24}
PREFIX_SPEC = {"prefixes": ["2001:db8::/48"]}


class Pools:
    """An API server with pools by kind and name, each in a namespace where its kind has one."""

    def __init__(self, specs: Mapping[str, Mapping[str, object]]) -> None:
        self.specs = {kind: dict(found) for kind, found in specs.items()}
        self.asked: list[Mapping[str, str] | None] = []
        self.answers: Callable[[], Awaitable[None]] = noop
        self.now = self.most = 0

    async def list(
        self,
        resource: resources.GroupVersionResource,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> bytes:
        assert not namespace
        self.asked.append(params)
        self.now += 1
        self.most = max(self.now, self.most)
        await self.answers()
        self.now -= 1
        where = {"namespace": "default"} if resource.namespaced else {}
        items = [
            {"metadata": {"name": name, **where}, "spec": spec}
            for name, spec in self.specs.get(resource.kind, {}).items()
        ]
        return json.dumps({"metadata": {}, "items": items}).encode()


async def noop() -> None:
    """Answer at once."""


async def pause() -> None:
    """Answer when everybody else has had a turn."""
    await asyncio.sleep(0)


async def never() -> None:
    await asyncio.Event().wait()


async def cut_off() -> None:
    raise errors.UnreachableError("LIST", "cut off")


def live_with(api: Pools) -> live.Live:
    return live.Live(cast("client.Api", api))  # lists are all that it asks for


def offered(spec: Mapping[str, Any], kind: str) -> offer.Offer:
    if kind in pools.PREFIX_KINDS:
        return offer.prefix_pool(spec["prefixes"], 64, "", ())
    return offer.ip_pool(spec["addresses"], spec["prefix"], "", (), allocate_reserved=False)


async def test_what_the_pools_of_all_kinds_offer_is_told_from_the_cache() -> None:
    specs = {kind: PREFIX_SPEC if kind in pools.PREFIX_KINDS else IP_SPEC for kind in pools.KINDS}
    api = Pools({kind: {"blue": spec} for kind, spec in specs.items()})

    assert await live_with(api).offers() == {
        objects.PoolKey(kind, "default" if pools.KINDS[kind].namespaced else "", "blue"): offered(
            spec, kind
        )
        for kind, spec in specs.items()
    }
    assert api.asked == [{"resourceVersion": "0"}] * 4


async def test_an_offer_is_worked_out_again_only_for_another_spec() -> None:
    api = Pools({BLUE.kind: {"blue": IP_SPEC, "red": IP_SPEC, "gone": IP_SPEC}})
    asked = live_with(api)
    red = objects.PoolKey(BLUE.kind, "default", "red")
    before = await asked.offers()

    api.specs[BLUE.kind] = {"blue": IP_SPEC, "red": {**IP_SPEC, "gateway": "10.0.0.5"}}
    after = await asked.offers()

    assert after[BLUE] is before[BLUE]
    assert (before[red].total, after[red].total) == (9, 8)
    assert after.keys() == {BLUE, red} == asked._offers.keys()


@pytest.mark.parametrize("answers", [never, cut_off])
async def test_a_warning_is_no_reason_to_wait_or_to_fail(
    answers: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_OFFERS_SECONDS", 0.0)
    api = Pools({BLUE.kind: {"blue": IP_SPEC}})
    api.answers = answers

    async with asyncio.timeout(10):
        assert await live_with(api).offers() == {}


async def test_pools_that_cannot_be_read_are_no_reason_to_fail() -> None:
    assert await live_with(Pools({BLUE.kind: {"blue": "no spec"}})).offers() == {}


async def test_what_was_worked_out_in_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Pools({BLUE.kind: {"blue": IP_SPEC, "red": IP_SPEC}})
    asked = live_with(api)

    def late(pool: pools.Pool) -> offer.Offer:
        if pool.metadata.name == "red":
            raise TimeoutError
        return offered(IP_SPEC, pool.kind)

    monkeypatch.setattr(pools, "offer_of", late)

    assert (await asked.offers()).keys() == {BLUE}


async def test_others_have_their_turn_between_the_pools_that_are_read() -> None:
    api = Pools({BLUE.kind: {f"blue-{number}": IP_SPEC for number in range(50)}})
    task, turns = asyncio.create_task(live_with(api).offers()), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1

    assert len(await task) == 50
    assert turns > 2 * 50  # one to decode it, one to work out its offer


def ask_for_addresses(asked: live.Live) -> Awaitable[object]:
    return asked.addresses_of(WIDE)


@pytest.mark.parametrize("question", [live.Live.offers, ask_for_addresses])
async def test_only_a_few_lists_are_asked_for_at_a_time(
    question: Callable[[live.Live], Awaitable[object]],
) -> None:
    api = Pools({})
    api.answers = pause
    asked = live_with(api)
    asked._resource = pools.KINDS[WIDE.kind]  # nothing to discover

    await asyncio.gather(*(question(asked) for _ in range(12)))

    assert api.most == 4
