# SPDX-License-Identifier: Apache-2.0
"""Allocations per second, ours against a plain scan for the first address that is not taken.

Pools of 2**20 IPv4 addresses and of an IPv6 /32, of which 0 %, 50 % (every other one) or 99 % (of
the IPv6 pool: as many as of the IPv4 one) are taken.  A plain scan looks at one address after the
other, so the more is taken, the longer each of its allocations takes.
"""

import random
import time
from collections.abc import Callable

from ipam.allocator import Allocator
from ipam.ranges import RangeSet

SIZE = 1 << 20
SECONDS = 1.0  # per measurement
ROUND = 10  # allocations between looks at the clock

POOLS = {"IPv4, 2^20 addresses": (10 << 24, SIZE), "IPv6, a /32": (0x20010DB8 << 96, 1 << 96)}


def rate(allocate: Callable[[], object], most: int) -> float:
    """Return allocations per second; at most `most` are made, so that the pool never ends."""
    began, made = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS and made + ROUND <= most:
        for _ in range(ROUND):
            allocate()
        made += ROUND
    return made / (time.perf_counter() - began)


def ours(first: int, size: int, taken: set[int]) -> Callable[[], object]:
    """Return how the provider allocates: look up the lowest, then mark it."""
    offered = RangeSet(((first, first + size - 1),))
    allocator = Allocator(offered, ((slot, slot) for slot in taken))

    def allocate() -> None:
        slot = allocator.lowest()
        allocator.take(slot, slot)

    return allocate


def scan(first: int, size: int, taken: set[int]) -> Callable[[], object]:
    """Return the plain way: look at each address from the first on."""
    used = set(taken)

    def allocate() -> None:
        used.add(next(item for item in range(first, first + size) if item not in used))

    return allocate


def main() -> None:
    """Print one line per pool and share."""
    print(f"{'pool':22} {'taken':>6} {'ours/s':>10} {'scan/s':>10} {'ratio':>8}")
    for name, (first, size) in POOLS.items():
        for percent in (0, 50, 99):
            count = SIZE * percent // 100
            numbers = range(0, SIZE, 2) if percent == 50 else _random(count)  # noqa: PLR2004 - half of them: every second
            taken = {first + number for number in numbers}
            left = SIZE - count
            fast = rate(ours(first, size, taken), left)
            slow = rate(scan(first, size, taken), left)
            print(f"{name:22} {percent:5}% {fast:10.0f} {slow:10.0f} {fast / slow:8.1f}")


def _random(count: int) -> list[int]:
    return random.Random(1).sample(range(SIZE), count)  # noqa: S311 - the same numbers each time


if __name__ == "__main__":
    main()
