# SPDX-License-Identifier: Apache-2.0
"""Warn of addresses that several pools have: each pool hands them out, so they go out twice.

`compare` compares one pool with the others, `Index` compares many pools with each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain, islice
from typing import NamedTuple

from ipam import intersections, notation, ranges
from ipam.address_sets import AddressSet
from ipam.texts import shortened
from objects import pools


def compare(
    key: pools.PoolKey, mine: AddressSet, others: Mapping[pools.PoolKey, AddressSet]
) -> Iterator[str]:
    """Yield for each other pool its warning, or an empty text.

    Flow:
        Pools of the same namespace and global pools are named.  The writer may have no right to see
        other namespaces, so a last warning says only that they have such a pool.
        Pools can have 4096 entries, so a caller can yield to its event loop after each pool.
    """
    addresses, hidden = mine.ranges, ""
    for other, address_set in sorted(others.items()):
        if other == key or mine.family != address_set.family:
            yield ""
            continue
        text = _warning(key, mine.family, addresses, other, address_set.ranges)
        if other.namespace in ("", key.namespace):
            yield text
        else:
            hidden = hidden or text
            yield ""
    yield hidden


MOST_WARNINGS = 10
"""The most warnings of one response; the API server cuts them at 4096 characters together."""


class Overlaps(NamedTuple):
    """The pools that share addresses with one pool."""

    total: int
    """The number of warnings."""

    warnings: Iterable[str]
    """The warnings, those that name a pool first; each is computed on demand."""

    @property
    def first(self) -> tuple[str, ...]:
        """As many of the warnings as one response has."""
        return tuple(islice(self.warnings, MOST_WARNINGS))


NONE = Overlaps(0, ())


def few(own: Sequence[str], found: Overlaps = NONE) -> list[str]:
    """Return the first warnings about a pool, and the number of those left out."""
    return shortened(chain(own, found.warnings), len(own) + found.total, MOST_WARNINGS)


class Index:
    """Finds which of many pools share addresses, and which would after writes of some of them.

    Guarantees:
        Built in O(n log n), where n counts the ranges of all pools.  A warning costs no more than
        the ranges of both its pools.
    """

    def __init__(
        self,
        address_sets: Mapping[pools.PoolKey, AddressSet],
        writes: Sequence[tuple[pools.PoolKey, AddressSet]] = (),
    ) -> None:
        """Compare pools.

        Args:
            address_sets: The addresses of each pool.
            writes: What pools are changed to afterwards, one after another.
        """
        states = sorted((*address_sets.items(), *writes), key=lambda state: state[0])
        self._keys = [key for key, _ in states]
        self._families = [address_set.family for _, address_set in states]
        self._addresses = [address_set.ranges for _, address_set in states]
        self._met = [0] * len(states)
        self._within = defaultdict[str, int](int)
        self._numbers = defaultdict[pools.PoolKey, list[int]](list)
        for number, key in enumerate(self._keys):
            self._within[key.namespace] |= 1 << number
            self._numbers[key].append(number)
        later = {key: iter(found[key in address_sets :]) for key, found in self._numbers.items()}
        self._writes = [next(later[key]) for key, _ in writes]
        self._present = _bits(self._numbers[key][0] for key in address_sets)
        for family in set(self._families):
            self._compare(family)

    def overlaps(self, key: pools.PoolKey) -> Overlaps:
        """Return the warnings about a pool of the index, which are those of `compare`."""
        return self._overlaps(self._numbers[key][0], self._present)

    def of_writes(self) -> Iterator[Overlaps]:
        """Yield the warnings about each write: it is compared with the pools as they are then."""
        present = self._present
        for number in self._writes:
            others = present & ~_bits(self._numbers[self._keys[number]])
            yield self._overlaps(number, others)
            present = others | 1 << number

    def _overlaps(self, number: int, present: int) -> Overlaps:
        key = self._keys[number]
        met, visible = self._met[number] & present, self._within[""] | self._within[key.namespace]
        named = intersections.members(met & visible)
        hidden = islice(intersections.members(met & ~visible), 1)
        total = (met & visible).bit_count() + bool(met & ~visible)
        return Overlaps(
            total, (self._text(number, each) for part in (named, hidden) for each in part)
        )

    def _text(self, mine: int, other: int) -> str:
        one, two = self._addresses[mine], self._addresses[other]
        return _warning(self._keys[mine], self._families[mine], one, self._keys[other], two)

    def _compare(self, family: int) -> None:
        """Find the pools of an IP family that share addresses; other pools count as empty."""
        alike = [
            addresses if each == family else ()
            for each, addresses in zip(self._families, self._addresses, strict=True)
        ]
        for number, met in enumerate(intersections.intersecting(alike)):
            self._met[number] |= met


def _bits(numbers: Iterable[int]) -> int:
    return reduce(lambda bits, number: bits | 1 << number, numbers, 0)


def _warning(
    key: pools.PoolKey,
    family: int,
    mine: Sequence[ranges.Range],
    other: pools.PoolKey,
    theirs: Sequence[ranges.Range],
) -> str:
    """Return the warning to the writer of `key` about another pool; empty if they share nothing."""
    shared = list(islice(intersections.shared(mine, theirs), 2))
    if not shared:
        return ""
    field = "prefixes" if key.kind in pools.PREFIX_KINDS else "addresses"
    visible = other.namespace in ("", key.namespace)
    where = str(other) if visible else "a pool of another namespace"
    text = f"spec.{field}: {_described(family, shared)} also in {where}"
    return f"{text}: both pools may give them out"


def _described(family: int, shared: Sequence[ranges.Range]) -> str:
    """Return `10.0.0.5 is`, or `10.0.0.5-10.0.0.9 (and more) are`."""
    low, high = shared[0]
    more = " (and more)" if len(shared) > 1 else ""
    first = notation.format_address(family, low)
    if low == high:
        return f"{first}{more} {'are' if more else 'is'}"
    return f"{first}-{notation.format_address(family, high)}{more} are"
