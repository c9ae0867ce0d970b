# SPDX-License-Identifier: Apache-2.0
"""The words of v1alpha1 for what is wrong with a pool.

Rules are stated on the hub version, once for all.  A user who wrote v1alpha1 must hear of the
fields that stand in the manifest: `spec.subnet`, not `spec.addresses[2]`.
"""

from collections.abc import Iterable, Iterator
from typing import cast

from crdkit.conversion import values
from crdkit.conversion.values import JsonObject
from ipam import errors as ipam_errors
from ipam import notation
from ipam.address_sets import FieldError

from . import v1alpha1

_COMPUTED = frozenset(("addresses", "prefix"))  # that subnet, start and end may have given
_BY_PREFIX, _BY_SUBNET = "(its lowest address / prefix)", "(its lowest address / length of subnet)"
_HUB_ONLY = tuple(name for name in v1alpha1.HUB_FIELDS if name not in v1alpha1.SPOKE_FIELDS)


def errors_of(old: JsonObject) -> Iterator[FieldError]:
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
    bounds = v1alpha1.read_bounds(old)
    if bad or bounds.entry:
        return
    if not bounds.start and bounds.end:
        yield FieldError("start", start, "is required where end is set and subnet is not")
    elif bounds.start and not bounds.end:
        yield FieldError("end", end, "is required where start is set and subnet is not")
    elif bounds.start:
        yield _bad_range(old, bounds)


def warnings(old: JsonObject, of_hub: Iterable[FieldError]) -> Iterator[FieldError]:
    """Yield all warnings about a v1alpha1 spec, given those on the hub spec that it becomes."""
    yield from _outside_subnet(old)
    yield from map(AsWritten(old), of_hub)


class AsWritten:
    """Says problems of the hub spec about the v1alpha1 fields that gave the values.

    Guarantees:
        Neither the path, nor the value, nor the text has an entry that only conversion wrote.
    """

    def __init__(self, old: JsonObject) -> None:
        addresses = old.get("addresses")
        given = len(cast("list[object]", addresses)) if isinstance(addresses, list) else 0
        self._old = old
        self._computed = f"addresses[{given}]"
        """The path of the entry that subnet, start and end give: after the last written one."""
        entry = v1alpha1.read_bounds(old).entry
        self._another = f"another entry of addresses: {entry}" if entry else ""

    def __call__(self, problem: FieldError) -> FieldError:
        """Return the problem as its user should read it."""
        text = self._text(problem)
        for name in self._givers(problem.path):
            if value := values.text(self._old, name):
                return FieldError(name, value, text)
        written = self._old.get(problem.path, problem.value)  # of lists, what conversion left out
        return FieldError(problem.path, written, text)

    def _givers(self, path: str) -> tuple[str, ...]:
        """Return the v1alpha1 fields that can have given a value, likeliest first."""
        if path == self._computed:
            return ("end", "subnet", "start")  # what is not inside the network lies above it
        if path == "addresses" and not self._old.get("addresses"):
            return ("subnet", "start", "end")
        if path == "prefix" and not self._old.get("prefix"):
            return ("subnet",)
        return ()

    def _text(self, problem: FieldError) -> str:
        text = _with_version(problem)
        if problem.path == "prefix" and problem.value is None:
            return f"{text} where subnet is not set; 0 means not set"
        if problem.path == "addresses" and not problem.value:
            return f"{text}: by addresses, by subnet, or by start and end"
        if self._another and problem.path != self._computed:
            text = text.replace(self._another, _bounds_as_written(self._old))
        return text if self._old.get("prefix") else text.replace(_BY_PREFIX, _BY_SUBNET)


def hint_computed_entry(old: JsonObject, problem: FieldError) -> FieldError:
    """Explain that subnet, start and end add one entry to a list that is too long."""
    text = _with_version(problem)
    if problem.path == "addresses" and v1alpha1.read_bounds(old).entry:
        text = f"{text}; subnet, start and end together are one more"
    return FieldError(problem.path, problem.value, text)


def as_v1alpha1_errors(old: JsonObject, problems: tuple[FieldError, ...]) -> list[FieldError]:
    """Return all problems of a v1alpha1 spec, given those of the hub spec that it becomes.

    Guarantees:
        What is missing in the hub spec only because of an unreadable field is not reported twice.
    """
    own = list(errors_of(old))
    rest = [p for p in problems if not (own and p.path in _COMPUTED)]
    return own + list(map(AsWritten(old), rest))


def _bounds_as_written(old: JsonObject) -> str:
    fields = ((name, values.text(old, name)) for name in ("subnet", "start", "end"))
    return " and ".join(f"{name} {value}" for name, value in fields if value)


def _with_version(problem: FieldError) -> str:
    """Return the text of a problem; it says so where a field is not one of v1alpha1."""
    words = f"{problem.path} {problem.text}"
    names = [f"{name} is a field of v1alpha2" for name in _HUB_ONLY if name in words]
    return "; ".join((problem.text, *names))


def _outside_subnet(old: JsonObject) -> Iterator[FieldError]:
    """Note start and end that are not in the subnet beside them: they count, it does not."""
    subnet = values.text(old, "subnet")
    try:
        network = notation.parse_network(subnet)
        for name in ("start", "end"):
            text = values.text(old, name)
            if text and not _within(network, notation.parse_address(text)):
                yield FieldError(name, text, f"is outside subnet {subnet}")
    except ipam_errors.NotationError:
        return  # reported as an error


def _within(network: notation.Network, address: notation.Address) -> bool:
    return network.family == address.family and network.first <= address.value <= network.last


def _unparsed_subnet(text: str) -> Iterator[FieldError]:
    try:
        if text:
            notation.parse_network(text)
    except ipam_errors.NotationError as error:
        yield FieldError("subnet", text, error.problem)


def _unparsed_address(name: str, text: str) -> Iterator[FieldError]:
    try:
        if text:
            notation.parse_address(text)
    except ipam_errors.NotationError as error:
        yield FieldError(name, text, error.problem)


def _bad_range(old: JsonObject, bounds: v1alpha1.Bounds) -> FieldError:
    """Return why start and end, each an address, are no range together.

    One that was not written is the subnet's own.
    """
    start, end = values.text(old, "start"), values.text(old, "end")
    name, value, other = ("end", end, bounds.start) if end else ("start", start, bounds.end)
    rest = f"start {start}" if start and end else f"{other} of subnet {values.text(old, 'subnet')}"
    if notation.parse_address(value).family != notation.parse_address(other).family:
        return FieldError(name, value, f"is not of the IP family of {rest}")
    return FieldError(name, value, f"is {'below' if end else 'above'} {rest}")
