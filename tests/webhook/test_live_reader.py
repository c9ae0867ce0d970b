# SPDX-License-Identifier: Apache-2.0
import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, cast

import builders
import pytest
from builders import BLUE, CONTRACT
from typing_extensions import override

from ipam import pool_specs
from ipam.address_sets import AddressSet
from kube import client, errors, resources
from kube.options import EVERYTHING, ListOptions
from kube.testing.fake import Json
from objects import pools
from objects.informers import Informers, Scope
from webhook import cluster_reader, live_reader

GROUP = "ipam.cluster.x-k8s.io"
WIDE = pools.PoolKey("GlobalInClusterIPPool", "", "wide")


def address(text: str, pool: str = "blue", **more: Any) -> Json:
    return builders.address(text, text, pool, **more)


FOREIGN = address("10.0.0.4")
FOREIGN["spec"]["poolRef"]["apiGroup"] = "example.com"
STORED = [
    address("10.0.0.1"),
    address("10.0.0.2", "red"),
    address("10.0.0.3", WIDE.name, kind=WIDE.kind),
    FOREIGN,
    address("10.0.0.5"),
]


ANY = pool_specs.ip_pool(["10.0.0.0/24"], 24, "", (), allocate_reserved=True)


class Pages:
    """An API server that serves CAPI in one version, and lists two objects a page."""

    def __init__(self, version: str = "v1beta2") -> None:
        self.version = version
        self.asked: list[str] = []
        self.refusal: errors.KubeError | None = None
        self.page: bytes | None = None

    async def list(
        self, resource: resources.ApiResource, options: ListOptions = EVERYTHING
    ) -> bytes:
        if self.refusal:
            raise self.refusal
        if resource.version != self.version:
            raise errors.NotFoundError(404, "NotFound", "no such version", "GET")
        if not resource.plural:
            if "ipam" not in resource.group:
                raise errors.NotFoundError(404, "NotFound", "no clusters here", "GET")
            kinds = ("IPAddressClaim", "IPAddress")
            return json.dumps({"resources": [{"kind": kind} for kind in kinds]}).encode()
        self.asked.append(resource.path(options.namespace))
        start = int(options.continue_ or "0")
        following = str(start + 2) if start + 2 < len(STORED) else ""
        if self.page is not None:
            return self.page
        page = {"items": STORED[start : start + 2], "metadata": {"continue": following}}
        return json.dumps(page).encode()


def live_on(pages: Pages) -> live_reader.LiveReader:
    return live_reader.LiveReader(cast("client.Api", pages))  # lists are all that it asks for


async def found(
    asked: live_reader.LiveReader, pool: pools.PoolKey, among: AddressSet | None = None
) -> list[str]:
    return [holder.address for holder in (await asked.find(pool, among)).few]


async def test_the_addresses_of_a_pool_are_gathered_from_all_pages() -> None:
    pages = Pages()

    assert await found(live_on(pages), BLUE, ANY) == ["10.0.0.1", "10.0.0.5"]
    assert pages.asked == [f"/apis/{GROUP}/v1beta2/namespaces/default/ipaddresses"] * 3


async def test_those_of_a_global_pool_come_from_all_namespaces() -> None:
    pages = Pages()

    assert await found(live_on(pages), WIDE) == ["10.0.0.3"]
    assert pages.asked[0] == f"/apis/{GROUP}/v1beta2/ipaddresses"


async def test_an_upgrade_of_cluster_api_is_noticed() -> None:
    pages = Pages("v1beta1")
    asked = live_on(pages)
    await found(asked, BLUE)

    pages.version = "v1beta2"

    assert await found(asked, BLUE, ANY) == ["10.0.0.1", "10.0.0.5"]


async def test_without_cluster_api_nothing_is_in_use() -> None:
    assert await found(live_on(Pages("none")), BLUE) == []


async def test_an_api_server_that_does_not_answer_is_no_empty_list() -> None:
    pages = Pages()
    pages.refusal = errors.UnreachableError("GET", "cut off")

    with pytest.raises(
        cluster_reader.ClusterReadError, match=r"^the IPAddresses of InClusterIPPool default/blue"
    ):
        await found(live_on(pages), BLUE)


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

    with pytest.raises(cluster_reader.ClusterReadError, match="cannot be read"):
        await found(live_on(pages), BLUE)


async def test_what_is_wrong_elsewhere_in_an_address_does_not_free_it() -> None:
    pages = Pages()
    item = address("10.0.0.1")
    item["spec"]["prefix"] = "a text"
    pages.page = json.dumps({"items": [item], "metadata": {}}).encode()

    assert await found(live_on(pages), BLUE) == ["10.0.0.1"]


async def test_a_delete_reads_no_page_more_than_it_takes_to_refuse() -> None:
    pages = Pages()

    answer = await live_on(pages).find(BLUE, None)

    assert ([str(holder) for holder in answer.few], answer.more) == (
        ["default/10.0.0.1 (10.0.0.1)"],
        True,
    )
    assert len(pages.asked) == 1


async def test_an_update_reads_on_until_it_can_name_enough() -> None:
    pages = Pages()

    answer = await live_on(pages).find(BLUE, ANY)

    assert ([holder.address for holder in answer.few], answer.more) == (
        ["10.0.0.1", "10.0.0.5"],
        False,
    )
    assert len(pages.asked) == 3


async def test_only_addresses_that_are_asked_for_are_found() -> None:
    four = pool_specs.ip_pool(["10.0.0.4-10.0.0.9"], 24, "", (), allocate_reserved=False)

    assert await found(live_on(Pages()), BLUE, four) == ["10.0.0.5"]


@pytest.mark.parametrize(
    ("pool", "where"), [(BLUE, "in namespace default"), (WIDE, "in all namespaces")]
)
async def test_a_missing_right_is_reported_as_a_problem_of_the_installation(
    pool: pools.PoolKey, where: str
) -> None:
    pages = Pages()
    pages.refusal = errors.ApiError(403, "Forbidden", "no", "LIST")

    with pytest.raises(cluster_reader.NotAllowedError) as caught:
        await live_on(pages).find(pool, None)

    assert f"may not list ipaddresses.{GROUP} {where}" in str(caught.value)
    assert "try again" not in str(caught.value)


IP_SPEC = {"addresses": ["10.0.0.1-10.0.0.9"], "prefix": 24}
PREFIX_SPEC = {"prefixes": ["2001:db8::/48"]}


class Counting(builders.Api):
    """A fake API server that says what was listed."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[tuple[str, int]] = []
        self.under_way = self.most = 0
        self.answers: Callable[[], Awaitable[None]] = noop

    @override
    async def list(
        self, resource: resources.ApiResource, options: ListOptions = EVERYTHING
    ) -> bytes:
        self.listed.append((resource.plural, options.limit))
        self.under_way += 1
        self.most = max(self.under_way, self.most)
        await self.answers()
        self.under_way -= 1
        return await super().list(resource, options)

    def take(self, text: str, number: int, pool: pools.PoolKey = BLUE, **spec: Any) -> None:
        """Store an IPAddress of a pool."""
        self.address(f"a-{number}", text, pool.name, kind=pool.kind, **spec)

    def offer(self, kind: str, name: str, **spec: Any) -> None:
        """Store a pool."""
        self.pool(name=name, kind=kind, **spec)


async def noop() -> None:
    """Answer at once."""


async def pause() -> None:
    """Answer when everybody else has had a turn."""
    await asyncio.sleep(0)


async def never() -> None:
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def at_work(api: Counting) -> AsyncGenerator[live_reader.LiveReader]:
    """Give admission the caches of a replica that follows the API server."""
    informers = Informers(api, CONTRACT, Scope())
    await informers.sync()
    api.listed.clear()
    asked = live_reader.LiveReader(api)
    asked._resource = CONTRACT.addresses  # nothing to discover
    following = [asyncio.create_task(informer.run()) for informer in informers.all]
    await asyncio.sleep(0)
    try:
        async with asked.using(informers):
            yield asked
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def test_a_replica_answers_from_its_cache_when_that_has_caught_up() -> None:
    api = Counting()
    for number in range(700):
        api.take(f"10.0.{number // 256}.{number % 256}", number)
    async with at_work(api) as asked:
        api.take("10.0.9.9", 900)
        api.take("10.0.9.9", 901, WIDE)

        assert await found(asked, BLUE, pool_specs.ip_pool(
            ["10.0.9.0/24"], 24, "", (), allocate_reserved=False
        )) == ["10.0.9.9"]  # fmt: skip
        assert api.listed == [("ipaddresses", 1)]


async def test_the_cache_counts_all_of_a_pool_as_far_as_anybody_needs_to_know() -> None:
    api = Counting()
    for number in range(1200):
        api.take(f"10.0.{number // 256}.{number % 256}", number, BLUE if number < 1100 else WIDE)
    async with at_work(api) as asked:
        many, few = await asked.find(BLUE, None), await asked.find(WIDE, None)

    assert (len(many.few), many.count, many.more) == (10, 1000, True)
    assert (len(few.few), few.count, few.more) == (10, 100, False)


async def test_what_is_released_or_moved_to_another_pool_is_found_no_more() -> None:
    api = Counting()
    api.take("10.0.0.1", 1)
    api.take("10.0.0.2", 2)
    api.take("not an address", 3)
    async with at_work(api) as asked:
        api.remove(CONTRACT.addresses, "default", "a-1")
        api.take("10.0.0.2", 2, WIDE)

        assert await found(asked, BLUE) == ["not an address"]
        assert await found(asked, BLUE, ANY) == []
        assert await found(asked, WIDE, ANY) == ["10.0.0.2"]


async def test_an_address_is_found_by_the_prefixes_that_begin_with_it() -> None:
    api = Counting()
    key = pools.PoolKey("InClusterPrefixPool", "default", "racks")
    for number, text in enumerate(("2001:db8:0:5::", "2001:db8:0:6::1", "2001:db8:0:7::")):
        api.take(text, number, key)
    removed = pool_specs.prefix_pool(["2001:db8:0:4::/63", "2001:db8:0:6::/64"], 64, "", ())
    async with at_work(api) as asked:
        assert await found(asked, key, removed) == ["2001:db8:0:5::"]


async def test_an_address_that_the_cache_cannot_read_is_looked_for_at_the_api_server() -> None:
    api = Counting()
    api.take("10.0.0.1", 1, prefix="a text")
    async with at_work(api) as asked:
        assert await found(asked, BLUE) == ["10.0.0.1"]


async def test_a_cache_that_does_not_catch_up_in_time_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_reader, "_CATCH_UP_SECONDS", 0.01)
    api = Counting()
    api.take("10.0.0.1", 1)
    async with at_work(api) as asked:
        assert asked._present
        monkeypatch.setattr(asked._present.informers.addresses, "catch_up", never)
        api.take("10.0.0.2", 2)
        assert await found(asked, BLUE) == ["10.0.0.1", "10.0.0.2"]


async def test_pools_of_other_namespaces_than_the_cache_has_are_listed() -> None:
    api = Counting()
    api.take("10.0.0.1", 1)
    async with at_work(api) as asked:
        assert asked._present
        asked._present.informers.addresses.namespace = "elsewhere"

        assert await found(asked, BLUE) == ["10.0.0.1"]
        assert await found(asked, WIDE) == []


def offered(spec: Mapping[str, Any], kind: str) -> AddressSet:
    if kind in pools.PREFIX_KINDS:
        return pool_specs.prefix_pool(spec["prefixes"], 64, "", ())
    return pool_specs.ip_pool(spec["addresses"], spec["prefix"], "", (), allocate_reserved=False)


async def test_the_address_sets_of_all_kinds_come_from_the_cache() -> None:
    specs = {
        kind: PREFIX_SPEC if kind in pools.PREFIX_KINDS else IP_SPEC for kind in pools.RESOURCES
    }
    api = Counting()
    for kind, spec in specs.items():
        api.offer(kind, "blue", **spec)

    async with at_work(api) as asked:
        assert await asked.address_sets() == {
            pools.PoolKey(
                kind, "default" if pools.RESOURCES[kind].namespaced else "", "blue"
            ): offered(spec, kind)
            for kind, spec in specs.items()
        }
        assert api.listed == []


async def test_before_there_are_caches_other_pools_are_unknown() -> None:
    assert await live_reader.LiveReader(Counting()).address_sets() == {}


async def test_an_address_set_is_computed_again_only_for_another_spec() -> None:
    api = Counting()
    for name in ("blue", "red", "gone"):
        api.offer(BLUE.kind, name, **IP_SPEC)
    red = pools.PoolKey(BLUE.kind, "default", "red")
    async with at_work(api) as asked:
        before = await asked.address_sets()

        api.offer(BLUE.kind, "red", **IP_SPEC, gateway="10.0.0.5")
        api.remove(pools.RESOURCES[BLUE.kind], "default", "gone")
        await asyncio.sleep(0.01)
        after = await asked.address_sets()

        assert after[BLUE] is before[BLUE]
        assert (before[red].total, after[red].total) == (9, 8)
        assert after.keys() == {BLUE, red}


async def test_a_warning_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reader, "_ADDRESS_SETS_SECONDS", 0.0)
    api = Counting()
    api.offer(BLUE.kind, "blue", addresses=[f"10.0.0.{number}" for number in range(250)] * 3)
    async with at_work(api) as asked, asyncio.timeout(10):
        assert asked._present
        async with asked._present.informers.address_sets._one:
            assert await asked.address_sets() == {}


async def test_what_was_computed_in_time_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Counting()
    api.offer(BLUE.kind, "blue", **IP_SPEC)
    api.offer(BLUE.kind, "red", **IP_SPEC)

    def late(pool: pools.Pool) -> AddressSet:
        if pool.metadata.name == "red":
            raise TimeoutError
        return offered(IP_SPEC, pool.kind)

    monkeypatch.setattr(pools, "address_set_of", late)
    async with at_work(api) as asked:
        assert (await asked.address_sets()).keys() == {BLUE}


async def test_large_pools_leave_the_event_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        live_reader, "_ADDRESS_SETS_SECONDS", 60.0
    )  # whatever else the machine does
    api = Counting()
    for number in range(5):
        entries = [f"10.{number}.{entry // 256}.{entry % 256}" for entry in range(4096)]
        api.offer(BLUE.kind, f"blue-{number}", addresses=entries, prefix=8)
    async with at_work(api) as asked:
        task, turns = asyncio.create_task(asked.address_sets()), 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1

        assert len(await task) == 5
        assert turns > 5


async def test_only_a_few_lists_are_asked_for_at_a_time() -> None:
    api = Counting()
    api.answers = pause
    asked = live_reader.LiveReader(api)
    asked._resource = CONTRACT.addresses  # nothing to discover

    await asyncio.gather(*(asked.find(WIDE, None) for _ in range(12)))

    assert api.most == 4


async def test_caches_that_are_replaced_during_the_question_do_not_answer_it() -> None:
    api = Counting()
    api.take("10.0.0.1", 1, WIDE)
    informers = Informers(api, CONTRACT, Scope())
    await informers.sync()
    asked = live_reader.LiveReader(api)
    asked._resource = CONTRACT.addresses
    held = asyncio.Event()

    async def when_told() -> None:
        await held.wait()

    api.answers = when_told
    using = asked.using(informers)
    await using.__aenter__()
    question = asyncio.create_task(asked.find(BLUE, None))
    await asyncio.sleep(0)
    await using.__aexit__(None, None, None)
    api.take("10.0.0.2", 2)
    held.set()

    assert [holder.address for holder in (await question).few] == ["10.0.0.2"]
