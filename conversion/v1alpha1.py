# SPDX-License-Identifier: Apache-2.0
"""Pool specs between v1alpha1 and v1alpha2, the hub.

    v1alpha1             v1alpha2
    addresses            addresses
    subnet, start, end   one more entry of addresses: `start-end`
    subnet, prefix       prefix
    gateway              gateway
    (none)               allocateReservedIPAddresses, excludedAddresses,
                         addressReuseGracePeriodSeconds

Empty strings and prefix 0 in v1alpha1 mean unset.  A field that neither version knows passes; one
that only the other version knows does not, so that it never comes to mean something.
"""

from functools import lru_cache
from typing import NamedTuple

from crdkit.conversion import values
from crdkit.conversion.values import MISSING, JsonObject
from ipam import errors as ipam_errors
from ipam import notation

_SHARED = {
    "addresses": values.STRINGS,
    "prefix": values.INTEGER,
    "gateway": values.STRING,
}
_SPOKE_ONLY = {"subnet": values.STRING, "start": values.STRING, "end": values.STRING}
_HUB_ONLY = {
    "allocateReservedIPAddresses": values.BOOLEAN,
    "excludedAddresses": values.STRINGS,
    "addressReuseGracePeriodSeconds": values.INTEGER,
}
_OF_ONE_VERSION = _SPOKE_ONLY | _HUB_ONLY
ADDRESSING = frozenset(("addresses", "prefix"))  # all that subnet, start and end have a say in

SPOKE_FIELDS: values.Fields = _SHARED | _SPOKE_ONLY
HUB_FIELDS: values.Fields = _SHARED | _HUB_ONLY

_SAVED_HUB: values.Fields = {
    **HUB_FIELDS,
    "addressReuseGracePeriodSeconds": values.integer_in(0, 2**31 - 1),  # the schema's int32
}
"""What an annotation may say: all that the schema admits, and lists and texts of any length.  Those
may have been stored before the schema bounded them, and must not get lost on the way.
"""


class Bounds(NamedTuple):
    """What subnet, start and end of a v1alpha1 spec mean together; empty and None: nothing."""

    start: str
    end: str
    length: int | None
    computed: bool = False
    """Whether both are the network's own, which needs no proof."""

    @property
    def entry(self) -> str:
        """The entry of `addresses` in the hub version; empty if it would not parse."""
        if not self.start or not self.end:  # mostly; an exception would cost more than all the rest
            return ""
        entry = f"{self.start}-{self.end}"
        if self.computed:
            return entry
        try:
            notation.parse_entry(entry)
        except ipam_errors.NotationError:
            return ""
        return entry


_NO_BOUNDS = Bounds("", "", None)


def to_hub(old: JsonObject) -> JsonObject:
    """Return a v1alpha1 spec in the hub version.

    Guarantees:
        Total and pure.  What does not parse gives no addresses and no prefix.  `addresses` stay as
        they are written, good or bad.
    """
    hub = {name: value for name, value in old.items() if name not in _OF_ONE_VERSION}
    bounds = read_bounds(old)
    if entry := bounds.entry:
        hub["addresses"] = [*values.strings(old, "addresses"), entry]
    prefix = old.get("prefix") or bounds.length
    if prefix is not None:
        hub["prefix"] = prefix
    elif old.get("prefix") == 0:
        del hub["prefix"]  # 0 is a length in the hub version
    return hub


def from_hub(hub: JsonObject) -> JsonObject:
    """Return a hub spec in v1alpha1, without what v1alpha1 has no field for."""
    return {name: value for name, value in hub.items() if name not in _OF_ONE_VERSION}


def restore(saved: JsonObject, hub: JsonObject) -> JsonObject:
    """Return a hub spec in v1alpha1 as its user once wrote it, where that still means the same.

    Guarantees:
        Total, whatever stands in `saved`.  A change of the hub's addresses or prefix shows: then
        `saved` does not count.  Gateway and unknown fields are always the hub's.
    """
    original = dict(values.fitting(saved, SPOKE_FIELDS))
    again = to_hub(original)
    if again.get("addresses", MISSING) != hub.get("addresses", MISSING):
        return from_hub(hub)
    if not _same_prefix(again, hub):
        return from_hub(hub)
    old = {name: value for name, value in from_hub(hub).items() if name not in ADDRESSING}
    ours = ADDRESSING | _OF_ONE_VERSION.keys()
    return old | {name: value for name, value in original.items() if name in ours}


def hub_only(saved: JsonObject) -> JsonObject:
    """Return those saved fields of a hub spec that v1alpha1 cannot say, without misfits."""
    kept = {name: value for name, value in values.fitting(saved, _SAVED_HUB) if name in _HUB_ONLY}
    prefix = saved.get("prefix", MISSING)
    if prefix is None or (values.is_integer(prefix) and prefix == 0):
        kept["prefix"] = prefix  # in v1alpha1 it means unset
    return kept


def spoke_only(saved: JsonObject) -> JsonObject:
    """Return those saved fields that the hub version does not know, but v1alpha1 does."""
    return {name: value for name, value in saved.items() if name in _SPOKE_ONLY}


def read_bounds(old: JsonObject) -> Bounds:
    """Read subnet, start and end of a v1alpha1 spec; start and end as they are written."""
    if _SPOKE_ONLY.keys().isdisjoint(old):
        return _NO_BOUNDS
    start, end = values.text(old, "start"), values.text(old, "end")
    subnet = values.text(old, "subnet")
    if not subnet:
        return Bounds(start, end, None)
    try:
        whole = _subnet_bounds(subnet)
    except ipam_errors.NotationError:
        return Bounds(start, end, None)
    if not (start or end):
        return whole
    return Bounds(start or whole.start, end or whole.end, whole.length)


@lru_cache(4096)
def _subnet_bounds(subnet: str) -> Bounds:
    """Return what a subnet means alone; each read of a pool by an old client asks for it again.

    Raises:
        NotationError: it is not a CIDR.
    """
    network = notation.parse_network(subnet)
    first, last = network.bounds
    inner = 1 if last - first > 1 else 0  # a /31 or /32 has no ends to spare
    return Bounds(
        notation.format_address(network.family, first + inner),
        notation.format_address(network.family, last - inner),
        network.length,
        computed=True,
    )


def _same_prefix(again: JsonObject, hub: JsonObject) -> bool:
    """Return whether a prefix is the hub's; in v1alpha1, 0 and unset look the same."""
    if "prefix" not in again:
        return not hub.get("prefix")
    return again["prefix"] == hub.get("prefix", MISSING)
