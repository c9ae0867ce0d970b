# SPDX-License-Identifier: Apache-2.0
"""Addresses that another pool offers, too: each pool alone never gives one out twice, both do."""

from collections.abc import Iterator, Mapping

from ipam import notation, offer
from ipam.ranges import RangeSet
from kube import objects, pools


def warnings_of(
    key: objects.PoolKey, mine: offer.Offer, others: Mapping[objects.PoolKey, offer.Offer]
) -> Iterator[str]:
    """Yield one warning per other pool, those with names first.

    Flow:
        Pools of the same namespace and global ones are named.  Of other namespaces, which the
        writer may not be allowed to see, it is only said that there is one.
    """
    return (text for text in one_by_one(key, mine, others) if text)


def one_by_one(
    key: objects.PoolKey, mine: offer.Offer, others: Mapping[objects.PoolKey, offer.Offer]
) -> Iterator[str]:
    """Yield after each other pool: its warning, or an empty text.

    Flow:
        Pools can have 4096 entries, so whoever shares an event loop lets it go on in between.
    """
    field = "prefixes" if key.kind in pools.PREFIX_KINDS else "addresses"
    hidden = ""
    for other, offered in sorted(others.items()):
        if other == key or not (shared := _shared(mine, offered)):
            yield ""
            continue
        text = f"spec.{field}: {_described(mine.family, shared)}"
        if other.namespace in ("", key.namespace):
            yield f"{text} also in {other}: both pools may give them out"
        else:
            hidden = f"{text} also in a pool of another namespace: both pools may give them out"
            yield ""
    yield hidden


def _shared(one: offer.Offer, other: offer.Offer) -> RangeSet:
    """Return the addresses that both offer."""
    if one.family != other.family:
        return RangeSet()
    return _addresses(one) & _addresses(other)


def _addresses(what: offer.Offer) -> RangeSet:
    if what.step == 1:
        return what.slots
    step = what.step
    return RangeSet.of((low * step, high * step + step - 1) for low, high in what.slots.ranges)


def _described(family: int, shared: RangeSet) -> str:
    """Return `10.0.0.5 is`, or `10.0.0.5-10.0.0.9 (and more) are`."""
    low, high = shared.ranges[0]
    more = " (and more)" if len(shared.ranges) > 1 else ""
    first = notation.format_address(family, low)
    if low == high:
        return f"{first}{more} {'are' if more else 'is'}"
    return f"{first}-{notation.format_address(family, high)}{more} are"
