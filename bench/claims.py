# SPDX-License-Identifier: Apache-2.0
"""How fast claims get their addresses, as a share of what the same API server can do at all.

usage: claims.py [--only NAME]... [--claims N] [--turns N]

Each part has a real API server of its own.  Everybody shares the machine, so where there is a bare
figure, only the ratio says something.  The Go provider takes part where GO_PROVIDER names its
binary (`conversion.py` says how to build it).  Prints a line per figure and whether it meets its
target.
"""

import argparse
from collections.abc import Callable, Iterator

import latency
import scale
import table
import throughput

Part = Callable[[int, int], Iterator[table.Figure]]


def _one_pool(count: int, turns: int) -> Iterator[table.Figure]:
    return throughput.allocate(f"{count} claims in one pool", count, turns)


def _many_pools(count: int, turns: int) -> Iterator[table.Figure]:
    return throughput.allocate(f"{count} claims in 100 pools", count, turns, pools=100)


def _cheap(count: int, turns: int) -> Iterator[table.Figure]:
    what = f"{count} claims, cheap API server"
    return throughput.allocate(what, count, turns, cheap=True, least=throughput.LEAST_OF_CHEAP)


PARTS: dict[str, tuple[Part, int, int]] = {
    "pool": (_one_pool, 2000, 3),
    "big-pool": (_one_pool, 10_000, 2),
    "pools": (_many_pools, 2000, 3),
    "cheap": (_cheap, 2000, 3),
    "latency": (latency.figures, 200, 1),
    "release": (throughput.release, 2000, 3),
    "restart": (scale.served, 10_000, 1),
    "large": (scale.generated, 100_000, 1),
}
"""What can be measured, with how many claims, and in how many turns (where there are turns)."""


def main() -> None:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(description="Measure how fast claims get their addresses.")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--claims", type=int, help="instead of each part's own number")
    parser.add_argument("--turns", type=int, help="instead of each part's own number")
    options = parser.parse_args()
    table.head()
    for name in options.only or PARTS:
        part, claims, turns = PARTS[name]
        for figure in part(options.claims or claims, options.turns or turns):
            table.show(figure)


if __name__ == "__main__":
    main()
