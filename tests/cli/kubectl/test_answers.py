# SPDX-License-Identifier: Apache-2.0
"""What commands answer, worked out from a snapshot, and how answers are written."""

import io
import json

import pytest
import yaml
from builders import BLUE
from rich.console import Console
from rich.text import Text
from snapshots import Objects

from cli.kubectl import free, lookup, pools, printing, selection
from cli.kubectl.errors import CliError
from cli.kubectl.printing import Answer, Column
from objects import metadata
from objects.pools import PoolKey

GREEN = PoolKey("GlobalInClusterIPPool", "", "green")


async def answers(objects: Objects, *queries: str) -> list[tuple[str, str, str]]:
    found = await lookup.everything(queries, await objects.usages(), objects.api)
    return [(each.state, each.pool, each.holder.claim if each.holder else "") for each in found]


@pytest.fixture
def objects() -> Objects:
    objects = Objects()
    objects.pool("10.0.0.0/28", gateway="10.0.0.1", excludedAddresses=["10.0.0.9"])
    objects.pool("10.0.0.8/29", name="green", kind="GlobalInClusterIPPool", gateway="10.0.0.254")
    objects.pool("2001:db8::/56", name="nets", kind="InClusterPrefixPool")
    objects.bound("web", "10.0.0.2")
    objects.claim("db", bound=True, labels={"cluster.x-k8s.io/cluster-name": "c1"})
    objects.address("db", "10.0.0.3")
    objects.bound("net", "2001:db8:0:5::", PoolKey("InClusterPrefixPool", "default", "nets"), 64)
    return objects


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("10.0.0.2", [("used", "blue", "web")]),
        ("010.0.0.2", [("unknown", "", "")]),
        ("2001:DB8:0:5::7", [("used", "nets", "net")]),
        ("2001:db8:0:6::7", [("free", "nets", "")]),
        ("10.0.0.1", [("gateway", "blue", "")]),
        ("10.0.0.254", [("gateway", "green", "")]),
        ("10.0.0.9", [("free", "green", ""), ("excluded", "blue", "")]),
        ("10.0.0.15", [("free", "green", ""), ("free", "blue", "")]),
        ("192.0.2.1", [("unknown", "", "")]),
        ("web", [("used", "blue", "web")]),
        ("c1", [("used", "blue", "db")]),
        ("nobody", [("unknown", "", "")]),
    ],
)
async def test_who_has(objects: Objects, query: str, expected: list[tuple[str, str, str]]) -> None:
    assert await answers(objects, query) == expected


@pytest.mark.parametrize("excluded", [None, ["ten"]])
async def test_a_prefix_has_its_holder_whatever_its_pool_is_like(
    objects: Objects, excluded: list[str] | None
) -> None:
    key = PoolKey("InClusterPrefixPool", "default", "lost")
    if excluded:
        objects.pool("2001:db8:9::/56", name="lost", kind=key.kind, excludedPrefixes=excluded)
    objects.bound("far", "2001:db8:9::", key, 64)

    (found,) = await lookup.everything(["2001:db8:9::7"], await objects.usages(), objects.api)

    assert found.holder is not None
    assert (found.holder.claim, found.holder.address) == ("far", "2001:db8:9::/64")


async def test_a_claim_without_an_address_waits(objects: Objects) -> None:
    objects.claim("late", labels={"cluster.x-k8s.io/cluster-name": "c2"})

    assert await answers(objects, "late") == [("waiting", "blue", "late")]
    assert await answers(objects, "c2") == [("waiting", "blue", "late")]


async def test_a_claim_that_was_just_given_an_address_is_reported_once(objects: Objects) -> None:
    finalizers = [metadata.RELEASE_FINALIZER]
    objects.claim(
        "new", finalizers=finalizers, annotations={metadata.ADDRESS_ANNOTATION: "10.0.0.6"}
    )

    assert await answers(objects, "new") == [("held", "blue", "new")]


async def test_answers_come_in_the_order_of_the_queries(objects: Objects) -> None:
    found = await answers(objects, "web", "10.0.0.1", "10.0.0.3")

    assert [state for state, _, _ in found] == ["used", "gateway", "used"]


async def test_an_address_that_two_have_is_reported_twice(objects: Objects) -> None:
    objects.bound("copy", "10.0.0.2")

    assert await answers(objects, "10.0.0.2") == [
        ("duplicate", "blue", "copy"),
        ("duplicate", "blue", "web"),
    ]


async def test_the_next_free_addresses_are_those_of_the_next_claims(objects: Objects) -> None:
    report = free.report_of((await objects.usages())[BLUE], 5, None)

    assert report.addresses == ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"]
    assert [(run.first, run.last, run.count) for run in report.longest] == [
        ("10.0.0.10", "10.0.0.15", 6),
        ("10.0.0.4", "10.0.0.8", 5),
    ]


async def test_a_run_has_no_gap(objects: Objects) -> None:
    report = free.report_of((await objects.usages())[BLUE], 10, 6)

    assert report.addresses == [f"10.0.0.{number}" for number in range(10, 16)]


async def test_prefixes_are_listed_with_their_length(objects: Objects) -> None:
    nets = (await objects.usages())[PoolKey("InClusterPrefixPool", "default", "nets")]

    assert free.report_of(nets, 2, None).addresses == ["2001:db8::/64", "2001:db8:0:1::/64"]


async def test_a_pool_without_such_a_run_says_so(objects: Objects) -> None:
    usage = (await objects.usages())[BLUE]
    report = free.report_of(usage, 10, 7)

    assert report.addresses == []
    assert free.answer(usage, report).empty == (
        "InClusterIPPool default/blue has 11 free addresses, but not as many without a gap."
    )


async def test_pools_that_share_addresses_are_counted(objects: Objects) -> None:
    reports = pools.reports(await objects.usages(), "default")

    assert {each.name: each.overlapping for each in reports} == {"green": 1, "blue": 1, "nets": 0}


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "░░░░░░░░░░░░░░░░░░░░   0%"),
        (1e-18, "█░░░░░░░░░░░░░░░░░░░  <1%"),
        (0.5, "██████████░░░░░░░░░░  50%"),
        (0.999, "███████████████████░  99%"),
        (1.0, "████████████████████ 100%"),
    ],
)
def test_a_bar_is_empty_or_full_only_if_the_pool_is(share: float, shown: str) -> None:
    assert pools.bar(share).plain == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (1 << 39, "549755813888"),
        (1 << 64, "2^64"),
        ((1 << 64) - 1, "~2^64"),
        ((1 << 64) + 1, "~2^64"),
    ],
)
def test_large_counts_are_powers_of_two(number: int, shown: str) -> None:
    assert printing.count(number) == shown


@pytest.mark.parametrize(
    "text",
    ["green", "GlobalInClusterIPPool/green", "globalinclusterippools/green",
     "globalinclusterippool.ipam.cluster.x-k8s.io/green"],
)  # fmt: skip
def test_a_pool_is_named_as_kubectl_takes_it(text: str) -> None:
    assert selection.pool([BLUE, GREEN], text, "default") == GREEN


def test_a_pool_of_another_namespace_is_named_with_it() -> None:
    assert selection.pool([BLUE, GREEN], "default/blue", "team") == BLUE


def test_a_name_of_two_pools_lists_them() -> None:
    with pytest.raises(CliError) as caught:
        selection.pool([BLUE, GREEN, GREEN._replace(name="blue")], "blue", "default")

    assert str(caught.value) == (
        "more than one pool is called blue; choose one of: "
        "inclusterippool.ipam.cluster.x-k8s.io/blue -n default, "
        "globalinclusterippool.ipam.cluster.x-k8s.io/blue"
    )


def test_an_unknown_pool_is_reported_with_a_remedy() -> None:
    with pytest.raises(CliError) as caught:
        selection.pool([BLUE], "blue", "team")

    assert str(caught.value) == (
        "there is no pool blue in namespace team; kubectl ipam pools -A lists all pools"
    )


ANSWER = Answer(
    data={"size": 1 << 70},
    columns=(Column("NAME"), Column("SIZE", number=True), Column("MORE", wide=True)),
    rows=[("a", 1, "x"), (Text("bbb", "red"), 1 << 70, "")],
    names=["thing/a"],
)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("table", "NAME  SIZE\na        1\nbbb   2^70\n"),
        ("wide", "NAME  SIZE  MORE\na        1  x\nbbb   2^70\n"),
        ("name", "thing/a\n"),
    ],
)
def test_tables_have_no_colours_and_no_spaces_at_the_ends_of_lines(
    output: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printing.show(ANSWER, output)

    assert capsys.readouterr().out == expected


def test_json_and_yaml_have_exact_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show(ANSWER, "json")
    assert json.loads(capsys.readouterr().out) == {"size": 1 << 70}
    printing.show(ANSWER, "yaml")
    assert yaml.safe_load(capsys.readouterr().out) == {"size": 1 << 70}


def test_nothing_in_a_table_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;b\x07\x9b1m\x7f\tc"
    line = Text(evil, "red")
    shown = Answer({}, [Column("NAME")], [(evil,), (line,)], above=[line], notes=[line])

    printing.show(shown, "table")
    piped = capsys.readouterr().out
    drawn = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    drawn.print(printing.table(shown))

    assert isinstance(drawn.file, io.StringIO)
    assert {each for each in piped + drawn.file.getvalue() if not each.isprintable()} == {
        "\n",
        "\t",
    }
    assert piped.count("a␛]0;b") == 4
