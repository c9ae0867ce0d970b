# SPDX-License-Identifier: Apache-2.0
"""The lines of one screen of `top`, at each size."""

import pytest
from rich.console import Console

from cli.kubectl.pools import PoolReport
from cli.kubectl.top.changes import Changes
from cli.kubectl.top.page import COLUMNS, ORDERS, Page
from kube.deltas import Added, Deleted, Delta, Modified
from kube.meta import Object
from objects import clusterapi
from objects.metadata import Metadata
from objects.pools import Pool, PoolMeta
from objects.references import TypedReference

IP_POOL = "InClusterIPPool"
HEADER = (
    f"NAMESPACE  NAME      KIND             USAGE{' ' * 22}USED  FREE  TOTAL  WAITING  OVERLAPS  "
    "LAST CHANGE"
)
REST = "{:>6}    100        {}         0"
"""Of the line of a pool: what follows the number of used addresses."""


def pool(name: str, *, used: int = 0, waiting: int = 0, problem: str = "") -> PoolReport:
    """Return the report of a pool of 100 addresses."""
    free = 100 - used
    return PoolReport(IP_POOL, "team", name, 100, used, 0, free, 0, 0, waiting, (), problem)


POOLS = [
    pool("a-low", used=10),
    pool("b-paused", problem="is paused"),
    pool("c-high", used=90),
    pool("d-waits", used=20, waiting=1),
    pool("e-waits", used=95, waiting=2),
]


def drawn(pools: list[PoolReport], width: int = 120, height: int = 10, **more: str) -> list[str]:
    """Return the lines on a terminal of this size."""
    console = Console(width=width, height=height, highlight=False)
    page = Page("https://example.com", pools, Changes(), **more)
    with console.capture() as captured:
        console.print(page.lines(width, height))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("attention", "edbca"),
        ("usage", "ecdab"),
        ("free", "ecdab"),
        ("waiting", "edabc"),
        ("name", "abcde"),
    ],
)
def test_each_order(order: str, expected: str) -> None:
    assert "".join(each.name[0] for each in sorted(POOLS, key=ORDERS[order])) == expected


def test_a_screen_has_a_summary_a_line_for_each_pool_and_problems() -> None:
    assert drawn(POOLS[:2] + POOLS[3:4], failure="no route") == [
        "3 pools, 1 waiting claim   https://example.com   q: quit",
        "Not up to date: no route",
        "",
        HEADER,
        f"team       a-low     {IP_POOL}  ██{'░' * 18}  10%    10{REST.format(90, 0)}",
        f"team       b-paused  {IP_POOL}  {'░' * 20}   0%     0{REST.format(100, 0)}",
        f"team       d-waits   {IP_POOL}  ████{'░' * 16}  20%    20{REST.format(80, 1)}",
        "InClusterIPPool b-paused is paused",
    ]


@pytest.mark.parametrize(("height", "failure"), [(7, ""), (8, "no route")])
def test_what_does_not_fit_is_counted(height: int, failure: str) -> None:
    lines = drawn([pool(f"pool-{number}") for number in range(5)], height=height, failure=failure)

    assert len(lines) == height
    assert lines[-1] == "Not shown: 2 pools. Choose a namespace with --namespace."
    assert lines[-2].split()[1] == "pool-2"


def test_as_many_as_fit_are_shown() -> None:
    lines = drawn([pool(f"pool-{number}") for number in range(5)], height=8)

    assert (len(lines), lines[-1].split()[1]) == (8, "pool-4")


def test_problems_leave_room_for_pools() -> None:
    lines = drawn([pool(f"pool-{number}", problem="is paused") for number in range(9)])

    assert len(lines) == 10
    assert sum("is paused" in line for line in lines) == 3


def test_nothing_in_a_name_controls_the_terminal() -> None:
    lines = drawn([pool("a\x1b[31m", problem="is paused")])

    assert sum("a␛[31m" in line for line in lines) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("height", [1, 3, 4])
def test_a_small_terminal_is_no_error(height: int) -> None:
    assert drawn(POOLS, width=10, height=height)


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (111, ""),
        (110, "KIND"),
        (93, "KIND OVERLAPS"),
        (83, "KIND TOTAL OVERLAPS"),
        (76, "KIND TOTAL OVERLAPS LAST CHANGE"),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns(width: int, missing: str) -> None:
    lines = drawn(POOLS[:1], width=width)
    names = [column.name for column in COLUMNS if not column.wide]

    assert " ".join(name for name in names if name not in lines[2]) == missing
    assert max(map(len, lines)) <= width


def address(name: str, pool: str = "blue") -> clusterapi.IPAddress:
    reference = TypedReference("ipam.cluster.x-k8s.io", IP_POOL, pool)
    spec = clusterapi.AddressSpec(address=name, pool_ref=reference)
    return clusterapi.IPAddress(metadata=Metadata(namespace="team"), spec=spec)


@pytest.mark.parametrize(
    ("delta", "seconds", "expected"),
    [
        (Added(address("10.0.0.7")), 0, "+10.0.0.7 0s ago"),
        (Deleted(address("10.0.0.7")), 59.9, "-10.0.0.7 59s ago"),
        (Added(address("10.0.0.7")), 60, "+10.0.0.7 1m ago"),
        (Added(address("10.0.0.7")), 7_300, "+10.0.0.7 2h ago"),
        (Added(address("10.0.0.7")), 200_000, "+10.0.0.7 2d ago"),
        (Modified(address("10.0.0.7"), address("10.0.0.7")), 0, ""),
        (Added(address("10.0.0.7", "other")), 0, ""),
        (Added(clusterapi.IPAddressClaim(metadata=Metadata())), 0, ""),
    ],
)
def test_the_last_change(delta: Delta[Object], seconds: float, expected: str) -> None:
    now = 1000.0
    changes = Changes(lambda: now)
    changes.record(delta)

    now += seconds

    assert changes.text(pool("blue").key) == expected


def test_the_last_change_of_a_deleted_pool_is_forgotten() -> None:
    changes = Changes()
    changes.record(Added(address("10.0.0.7")))
    changes.record(Deleted(Pool(kind=IP_POOL, metadata=PoolMeta(namespace="team", name="blue"))))

    assert changes.text(pool("blue").key) == ""
