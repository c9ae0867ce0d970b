# SPDX-License-Identifier: Apache-2.0
"""The pages: what they say, how they are searched, and that they need nothing else."""

import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser

import pytest
from builders import BLUE, CONTRACT
from snapshots import Objects
from typing_extensions import override

from cli.kubectl import owners, snapshot
from cli.kubectl.map import layout, model, pages, views
from cli.kubectl.map.query import EVERYTHING, Query
from kube.meta import Key
from objects import clusterapi
from objects.pools import PoolKey

LIVE = pages.Links("/token")
PREFIX_POOL = "InClusterPrefixPool"


class Tags(HTMLParser):
    """Remembers elements with their attributes, and that each is closed."""

    VOID = frozenset({"meta", "link", "input", "col", "rect", "option"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.opened: list[str] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.opened.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.opened.pop() == tag

    def cells(self) -> dict[str, dict[str, str | None]]:
        """Return the attributes of each cell, by its addresses."""
        labels = [
            (attrs.get("aria-label") or "", attrs) for tag, attrs in self.found if tag == "td"
        ]
        return {label.partition(",")[0]: attrs for label, attrs in labels if label}


async def model_of(objects: Objects) -> model.Model:
    reader = model.Reader(objects.api, "https://example.com", "")
    return await reader.model(await objects.snapshot())


def page(
    found: model.Model, key: PoolKey = BLUE, query: Query = EVERYTHING, block: str = ""
) -> Tags:
    window = views.window_of(found, key, block) if block else None
    text = pages.pool(found, LIVE, query, views.pool(found, key, query, window))
    tags = Tags(text)
    assert tags.opened == []
    return tags


@pytest.mark.parametrize(("others", "rest"), [(10, ""), (11, "1 more pool"), (12, "2 more pools")])
async def test_overlaps_of_many_pools_are_counted_and_the_first_are_named(
    others: int, rest: str
) -> None:
    objects = Objects()
    key = objects.pool("10.0.0.1")
    for number in range(others):
        objects.pool("10.0.0.1", name=f"p{number}")
    found = await model_of(objects)

    of_pool = pages.pool(found, LIVE, EVERYTHING, views.pool(found, key, EVERYTHING))

    texts = re.findall(r"Overlap: (.*)\.<", of_pool)
    assert len(texts) == 10 + bool(rest)
    assert texts[10:] == ([f"with {rest}"] if rest else [])
    of_all = pages.overview(found, LIVE, EVERYTHING)
    assert of_all.count(f'<td class="number bad">{others}</td>') == others + 1


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.pool("10.0.0.0/24", gateway="10.0.0.1", excludedAddresses=["10.0.0.9"])
    found.pool("10.0.0.128-10.0.0.130", name="green")
    found.bound("web", "10.0.0.2")
    found.address("old", "10.0.0.5")
    found.address("stray", "10.0.7.7")
    found.claim("late")
    return found


async def test_each_cell_has_the_class_of_its_state_and_says_what_it_is(objects: Objects) -> None:
    cells = page(await model_of(objects)).cells()

    assert {address: cells[address]["class"] for address in (
        "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.9", "10.0.0.128",
        "10.0.7.7",
    )} == {
        "10.0.0.0": "reserved",
        "10.0.0.1": "gateway",
        "10.0.0.2": "used",
        "10.0.0.3": "free",
        "10.0.0.5": "held",
        "10.0.0.9": "excluded",
        "10.0.0.128": "free overlap",
        "10.0.7.7": "outside",
    }  # fmt: skip
    assert cells["10.0.0.2"]["aria-label"] == "10.0.0.2, used, claim default/web"
    assert cells["10.0.0.128"]["aria-label"] == "10.0.0.128, free, also in another pool"


async def test_a_cell_leads_from_the_claim_to_machine_and_cluster(objects: Objects) -> None:
    owner = {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Machine", "name": "m-1", "uid": "u"}
    labels = {"cluster.x-k8s.io/cluster-name": "prod"}
    objects.claim("web", bound=True, ownerReferences=[owner], labels=labels)

    cells = page(await model_of(objects)).cells()

    label = "10.0.0.2, used, claim default/web → Machine m-1 → Cluster prod"
    assert cells["10.0.0.2"]["aria-label"] == label


async def test_a_waiting_claim_stands_below_the_map(objects: Objects) -> None:
    found = await model_of(objects)

    text = pages.pool(found, LIVE, EVERYTHING, views.pool(found, BLUE, EVERYTHING))

    assert "default/late" in text
    assert "no controller has looked at the claim yet" in text


async def test_what_does_not_match_is_dim(objects: Objects) -> None:
    found = await model_of(objects)

    for query in (Query("web"), Query("default/web"), Query("10.0.0.2")):
        cells = page(found, query=query).cells()
        assert cells["10.0.0.2"]["class"] == "used", query
        assert cells["10.0.0.3"]["class"] == "free dim", query
        assert cells["10.0.0.5"]["class"] == "held dim", query
    assert page(found, query=Query(namespace="other")).cells()["10.0.0.2"]["class"] == "used dim"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("10.0.0.2"), [(BLUE, "used")]),
        (Query("10.0.0.3"), [(BLUE, "free")]),
        (Query("10.0.0.1"), [(BLUE, "gateway")]),
        (Query("10.0.0.129"), [(BLUE, "free"), (PoolKey(*BLUE[:2], "green"), "free")]),
        (Query("old"), [(BLUE, "held")]),
        (Query("10.9.9.9"), []),
        (Query(cluster="nobody"), []),
    ],
)
async def test_the_search_finds_holders_and_what_an_address_is(
    objects: Objects, query: Query, expected: list[tuple[PoolKey, str]]
) -> None:
    found = views.overview(await model_of(objects), query)

    assert [(match.key, match.state) for match in found.matches] == expected


async def test_the_search_finds_waiting_claims(objects: Objects) -> None:
    found = views.overview(await model_of(objects), Query("late"))

    assert [claim.claim for _, claim in found.waiting] == ["late"]


async def test_links_keep_the_filters_and_name_the_block() -> None:
    objects = Objects()
    pool = objects.pool("10.0.0.0/16", prefix=16)
    objects.bound("web", "10.0.3.2")
    found, query = await model_of(objects), Query("web", cluster="a b")

    links = [attrs["href"] for tag, attrs in page(found, pool, query).found if tag == "a"]

    path = "/token/pools/InClusterIPPool/default/blue?block=10.0.3.0/24&q=web&cluster=a+b"
    assert path in links
    inner = page(found, pool, query, "10.0.3.0/24").cells()
    assert len(inner) == 256
    assert inner["10.0.3.2"]["class"] == "used dim"  # of another Cluster


async def test_the_holder_of_a_prefix_is_found_by_an_address_in_it() -> None:
    objects = Objects()
    nets = objects.pool("2001:db8::/48", name="nets", kind=PREFIX_POOL)
    objects.bound("net", "2001:db8:0:7::", nets, 64)

    found = views.overview(await model_of(objects), Query("2001:db8:0:7::9"))

    assert [match.address for match in found.matches] == ["2001:db8:0:7::/64"]


@pytest.mark.parametrize("block", ["nonsense", "2001:db8::/64", ""])
async def test_a_block_that_is_none_has_no_window(objects: Objects, block: str) -> None:
    assert views.window_of(await model_of(objects), BLUE, block) is None


async def test_names_are_no_markup(objects: Objects) -> None:
    objects.claim('"><script>alert(1)</script>')
    found, query = await model_of(objects), Query('"><script>alert(1)</script>')

    for text in (
        pages.overview(found, LIVE, query),
        pages.pool(found, LIVE, query, views.pool(found, BLUE, query)),
        pages.export(found),
    ):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


async def test_a_pool_that_does_not_exist_has_a_page(objects: Objects) -> None:
    ghost = PoolKey("InClusterIPPool", "default", "ghost")
    objects.claim("lost", ghost)
    objects.address("gone", "10.0.0.2", ghost)
    found = await model_of(objects)

    text = pages.pool(found, LIVE, EVERYTHING, views.pool(found, ghost, EVERYTHING))

    assert "The pool does not exist." in text
    assert "default/gone" in text


async def test_a_long_table_has_pages(monkeypatch: pytest.MonkeyPatch, objects: Objects) -> None:
    monkeypatch.setattr(views, "MOST_ROWS", 2)
    found = await model_of(objects)

    first, second = (views.pool(found, BLUE, EVERYTHING, page=number) for number in (1, 2))

    assert (first.page, first.pages, len(first.holders), len(second.holders)) == (1, 2, 2, 1)
    assert len(views.pool(found, BLUE, EVERYTHING, page=0).holders) == 3
    assert views.pool(found, BLUE, EVERYTHING, page=9).page == 2


async def test_a_file_has_all_pools_and_needs_nothing_else(objects: Objects) -> None:
    tags = Tags(pages.export(await model_of(objects)))

    ids = [attrs["id"] for _, attrs in tags.found if "id" in attrs]
    assert tags.opened == []
    assert {"InClusterIPPool/default/blue", "InClusterIPPool/default/green"} < set(ids)
    assert len(ids) == len(set(ids))
    assert "InClusterIPPool/default/blue/10.0.0.2" in ids
    for _, attrs in tags.found:
        assert "src" not in attrs
        assert (attrs.get("href") or "#").startswith(("#", pages.ICON))
    (policy,) = (it["content"] for _, it in tags.found if it.get("http-equiv"))
    assert policy is not None
    assert re.findall(r"sha256-", policy) == ["sha256-"] * 2
    assert "unsafe" not in policy


async def test_no_page_has_styles_of_its_own(objects: Objects) -> None:
    found = await model_of(objects)

    for tag, attrs in Tags(pages.overview(found, LIVE, EVERYTHING)).found + page(found).found:
        assert tag != "style"
        assert not {"style", "onclick", "onload"} & attrs.keys()


async def test_owners_are_read_once_for_each_state_of_a_claim(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[list[str]]()
    read = owners.Owners.chains

    async def chains(
        self: owners.Owners, claims: Iterable[clusterapi.IPAddressClaim]
    ) -> Mapping[Key, owners.Chain]:
        found = list(claims)
        asked.append(sorted(claim.metadata.name for claim in found))
        return await read(self, found)

    monkeypatch.setattr(owners.Owners, "chains", chains)
    reader = model.Reader(objects.api, "", "")
    informers = snapshot.Informers(objects.api, CONTRACT, "")
    await informers.sync()

    first = await reader.model(informers.snapshot())
    second = await reader.model(informers.snapshot())
    objects.claim("new")
    await informers.sync()
    await reader.model(informers.snapshot())

    assert asked == [["late", "web"], [], ["new"]]
    assert second.chains == first.chains
    assert second.generation > first.generation


async def test_the_script_is_small() -> None:
    assert len(pages.static("map.js").splitlines()) < 300
    assert layout.MOST_CELLS == 4096


async def test_a_large_count_is_the_nearest_power_of_two() -> None:
    objects = Objects()
    objects.pool("fd00::/64", prefix=64)  # without its first address

    assert "about 2^64" in pages.export(await model_of(objects))
