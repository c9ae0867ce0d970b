# SPDX-License-Identifier: Apache-2.0
"""Recognise pools among objects, misspelled ones too, and the items of Lists."""

import difflib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import cast

from api import resources
from conversion import registry
from crdkit.conversion import values

_CLOSE = 0.85
"""The similarity above which a kind of our group counts as a misspelled one of ours (the ratio of
difflib, without case).  InClusterPool has 0.93.  Of other providers' kinds, GlobalInfobloxIPPool is
nearest with 0.73.
"""

_LIST = "List"

_REMEMBERED = 1024  # kinds; the objects of a file have few different ones


def group_of(obj: values.JsonObject) -> str:
    """Return the API group; empty for the core group."""
    return values.text(obj, "apiVersion").rpartition("/")[0]


def version_of(obj: values.JsonObject) -> str:
    """Return the version; empty if apiVersion has no version."""
    return values.text(obj, "apiVersion").rpartition("/")[2]


def has_version(kind: str, version: str) -> bool:
    """Whether one of our kinds has a version; a kind that is not ours has none."""
    return (
        kind in registry.REGISTRY.kinds
        and version in registry.REGISTRY.kinds[kind].versions.values()
    )


def intended_kind(obj: object) -> str | None:
    """Return the kind of a pool, misspelled or not; None for every other object."""
    if not values.is_object(obj) or group_of(obj) != resources.GROUP or is_list(obj):
        return None
    return _like(values.text(obj, "kind"))


def is_list(obj: object) -> bool:
    """Whether an object is a List: kubectl's own, or one of pools."""
    return values.is_object(obj) and (obj.get("kind") == _LIST or _element(obj) is not None)


def items_of(obj: object) -> list[object] | None:
    """Return the items of a List, each with its apiVersion and kind; None for everything else."""
    if not is_list(obj) or not values.is_object(obj):
        return None
    items = obj.get("items")
    if not isinstance(items, list):
        return None
    return [_complete(obj, item) for item in cast("list[object]", items)]


def objects_in(obj: object) -> Iterator[object]:
    """Yield the objects in Lists, however deep, and any other object by itself."""
    items = items_of(obj)
    if items is None:
        yield obj
    for item in items or ():
        yield from objects_in(item)


def replaced(obj: object, change: Callable[[values.JsonObject], object], version: str) -> object:
    """Return an object with all its pools changed; the same object if none changes.

    A list of pools gets the apiVersion `version`, unless its kind does not have that.
    """
    items = items_of(obj)
    if items is not None and values.is_object(obj):
        changed = [replaced(item, change, version) for item in items]
        own = has_version(_element(obj) or "", version.rpartition("/")[2])
        return (
            obj
            if changed == items
            else obj | ({"apiVersion": version} if own else {}) | {"items": changed}
        )
    if values.is_object(obj) and intended_kind(obj):
        return change(obj)
    return obj


def _complete(whole: values.JsonObject, item: object) -> object:
    """Return an item with the apiVersion and kind that it may leave to its list."""
    kind = _element(whole)
    if kind is None or not values.is_object(item):
        return item
    return {"apiVersion": whole.get("apiVersion"), "kind": kind} | item


def _element(obj: values.JsonObject) -> str | None:
    """Return the kind of a list's items, from the list's kind; None if they are not pools."""
    kind = values.text(obj, "kind")
    element = kind.removesuffix(_LIST)
    if element == kind or group_of(obj) != resources.GROUP or _like(element) is None:
        return None
    return element


@lru_cache(_REMEMBERED)
def _like(kind: str) -> str | None:
    known = {each.lower(): each for each in registry.REGISTRY.kinds}
    close = difflib.get_close_matches(kind.lower(), known, n=1, cutoff=_CLOSE)
    return known[close[0]] if close else None
