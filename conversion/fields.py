# SPDX-License-Identifier: Apache-2.0
"""The words of v1alpha1 for what is wrong with a pool.

Rules are stated on the hub version, once for all.  A user who wrote v1alpha1 must hear of the
fields that stand in the manifest: `spec.subnet`, not `spec.addresses[2]`.
"""

from collections.abc import Iterator
from typing import cast

from ipam import errors as ipam_errors
from ipam import notation, offer

from . import pools, values
from .values import JsonObject

_COMPUTED = frozenset(("addresses", "prefix"))  # that subnet, start and end may have given


def problems_of(old: JsonObject) -> Iterator[offer.Problem]:
    """Yield what is wrong with subnet, start and end of a v1alpha1 spec.

    Guarantees:
        Total.  Tells exactly what gives no addresses or no prefix in the hub version, where nothing
        shows of it.
    """
    start, end = values.text(old, "start"), values.text(old, "end")
    bad = [
        *_unparsed_subnet(values.text(old, "subnet")),
        *_unparsed_address("start", start),
        *_unparsed_address("end", end),
    ]
    yield from bad
    bounds = pools.read_bounds(old)
    if bad or bounds.entry:
        return
    if not bounds.start and bounds.end:
        yield offer.Problem("start", start, "is required where end is set and subnet is not")
    elif bounds.start and not bounds.end:
        yield offer.Problem("end", end, "is required where start is set and subnet is not")
    elif bounds.start:
        yield from _bad_range(bounds, "end" if end else "start")


def as_written(old: JsonObject, problem: offer.Problem) -> offer.Problem:
    """Say a problem of the hub spec about the v1alpha1 field that gave the value."""
    for name in _givers(old, problem.path):
        if text := values.text(old, name):
            return offer.Problem(name, text, problem.text)
    return problem


def counted(old: JsonObject, problem: offer.Problem) -> offer.Problem:
    """Add to a problem of the whole list that subnet, start and end are an entry of it, too."""
    if problem.path != "addresses" or not pools.read_bounds(old).entry:
        return problem
    text = f"{problem.text}; subnet, start and end together are one more"
    return offer.Problem(problem.path, problem.value, text)


def told(old: JsonObject, problems: tuple[offer.Problem, ...]) -> list[offer.Problem]:
    """Return all problems of a v1alpha1 spec, given those of the hub spec that it becomes.

    Guarantees:
        What is missing in the hub spec only because of an unreadable field is not told twice.
    """
    own = list(problems_of(old))
    rest = [p for p in problems if not (own and p.path in _COMPUTED)]
    return own + [as_written(old, problem) for problem in rest]


def _givers(old: JsonObject, path: str) -> tuple[str, ...]:
    """Return the v1alpha1 fields that can have given a value of the hub spec, likeliest first."""
    addresses = old.get("addresses")
    given = len(cast("list[object]", addresses)) if isinstance(addresses, list) else 0
    if path == f"addresses[{given}]":  # the entry after the last that was written
        return ("end", "subnet", "start")  # what is not inside the network lies above it
    if path == "prefix" and not old.get("prefix"):
        return ("subnet",)
    return ()


def _unparsed_subnet(text: str) -> Iterator[offer.Problem]:
    try:
        if text:
            notation.parse_network(text)
    except ipam_errors.NotationError as error:
        yield offer.Problem("subnet", text, error.problem)


def _unparsed_address(name: str, text: str) -> Iterator[offer.Problem]:
    try:
        if text:
            notation.parse_address(text)
    except ipam_errors.NotationError as error:
        yield offer.Problem(name, text, error.problem)


def _bad_range(bounds: pools.Bounds, blamed: str) -> Iterator[offer.Problem]:
    """Yield why start and end, each an address, are no range together."""
    try:
        notation.parse_entry(f"{bounds.start}-{bounds.end}")
    except ipam_errors.NotationError as error:
        yield offer.Problem(blamed, error.value, error.problem)
