# SPDX-License-Identifier: Apache-2.0
"""Kinds, their versions, and the way from any version to any other: through the hub.

A `Pair` says how one version, a spoke, and the hub express the same spec.  The registry adds what
is the same for all kinds: which way an object goes, and the annotation that keeps the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..models.resources import Resource
from . import annotation, values
from .errors import MissingPairError, UnknownKindError
from .values import MISSING, JsonObject


class Pair(Protocol):
    """How a spoke and the hub express the same spec; a module can be one."""

    @property
    def SPOKE_FIELDS(self) -> values.Fields:  # noqa: N802 - a module's constant
        """The fields of the spoke's spec."""
        ...

    @property
    def HUB_FIELDS(self) -> values.Fields:  # noqa: N802 - a module's constant
        """The fields of the hub's spec."""
        ...

    def to_hub(self, old: JsonObject, /) -> JsonObject:
        """Return what the hub version can express of a spec of the spoke."""
        ...

    def from_hub(self, hub: JsonObject, /) -> JsonObject:
        """Return what the spoke's version can express of a spec of the hub."""
        ...

    def restore(self, saved: JsonObject, hub: JsonObject, /) -> JsonObject:
        """Return a hub spec as its user once wrote it, if that still means the same."""
        ...

    def hub_only(self, saved: JsonObject, /) -> JsonObject:
        """Return the saved fields that only the hub has, without those of a wrong JSON type."""
        ...

    def spoke_only(self, saved: JsonObject, /) -> JsonObject:
        """Return the saved fields that only the spoke has."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, and the pair of each version but the hub.

    `unnamed` is the spoke that an annotation is about if it names none, as Go's do.
    """

    resource: Resource
    spokes: Mapping[str, Pair] = field(default_factory=dict[str, Pair])
    unnamed: str = ""
    hub: str = field(init=False)
    """That of the resource: the version that all others convert to and from."""
    versions: Mapping[str, str] = field(init=False)
    """Those with a way to them and from them, by apiVersion."""

    def __post_init__(self) -> None:
        """Name the versions."""
        object.__setattr__(self, "hub", self.resource.hub)
        names = (*self.spokes, self.hub)
        versions = {self.resource.api_version(name): name for name in names}
        object.__setattr__(self, "versions", versions)

    def hub_only(self, version: str) -> frozenset[str]:
        """Return the names of the hub's fields that a spoke lacks: the annotation keeps them."""
        pair = self.spokes[version]
        return frozenset(pair.HUB_FIELDS.keys() - pair.SPOKE_FIELDS.keys())


class Registry:
    """Converts objects of some kinds between their versions."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        by_name = {kind.resource.kind: kind for kind in kinds}
        self.kinds: Mapping[str, Kind] = dict(sorted(by_name.items()))

    def check(self) -> None:
        """Make sure that every served version can be converted.

        Raises:
            MissingPairError: for the first that cannot.
        """
        for name, kind in self.kinds.items():
            for version in kind.resource.versions:
                if version not in kind.versions.values():
                    raise MissingPairError(name, version)

    def convert(self, obj: JsonObject, api_version: str) -> JsonObject:
        """Return an object in another version, `api_version` being such as `<group>/v1alpha1`.

        Guarantees:
            Total on objects whose JSON types fit.  `obj` is not changed.  Only apiVersion, spec and
            the one annotation differ; of the rest nothing is even looked at.

        Raises:
            FieldTypeError: a JSON type is wrong.
            UnknownKindError: the kind is unknown in one of both versions.
        """
        present, name = obj.get("apiVersion"), obj.get("kind")
        kind, source = self._find(present, name)
        _, target = self._find(api_version, name)
        if present == api_version:
            return obj
        if source != kind.hub:
            obj = _up(kind, obj, source)
        if target != kind.hub:
            obj = _down(kind, obj, target)
        obj["apiVersion"] = api_version  # of a copy by now: one of both is not the hub
        return obj

    def dropped_hub_fields(self, obj: JsonObject, stored: JsonObject, version: str) -> JsonObject:
        """Return the hub-only fields that an old client dropped.

        Args:
            obj: The new object in the hub version.
            stored: The present one in the hub version.
            version: The one that the client wrote.

        Returns:
            Fields of the stored spec.  None of them if the client sent the annotation, because then
            it has sent all fields that it wants.
        """
        kind = self.kinds[str(obj.get("kind"))]
        pair = kind.spokes.get(version)
        new, old = (values.child(each, "spec", "spec") for each in (obj, stored))
        if pair is None:
            return {}
        names = kind.hub_only(version)
        if names & pair.hub_only(new).keys():
            return {}
        return {name: value for name, value in pair.hub_only(old).items() if name in names}

    def _find(self, api_version: object, name: object) -> tuple[Kind, str]:
        """Return a kind and the version that an apiVersion names."""
        if isinstance(api_version, str) and isinstance(name, str) and name in self.kinds:
            found = self.kinds[name]
            if version := found.versions.get(api_version):
                return found, version
        known = [f"{key} {'|'.join([*kind.spokes, kind.hub])}" for key, kind in self.kinds.items()]
        raise UnknownKindError(api_version, name, ", ".join(known))


def _up(kind: Kind, obj: JsonObject, version: str) -> JsonObject:
    """Return an object in the hub version; the annotation then keeps what the user wrote."""
    pair, old = kind.spokes[version], values.child(obj, "spec", "spec")
    values.check(old, pair.SPOKE_FIELDS)
    kept = annotation.read(obj)
    saved, spoke_only = kept.get("spec"), kept.get("strays")
    hub = pair.to_hub(old)
    if values.is_object(saved):
        hub = pair.hub_only(saved) | hub
    if values.is_object(spoke_only):
        hub |= pair.spoke_only(spoke_only)
    written = {} if version == kind.unnamed else {"version": version}
    if hub and obj.get("spec") is None:
        return _with(obj, hub, {"spec": None, **written})
    return _with(obj, hub, {"spec": old, **written} if pair.from_hub(hub) != old else {})


def _down(kind: Kind, obj: JsonObject, version: str) -> JsonObject:
    """Return a hub object in a spoke's version; the annotation keeps the fields that it lacks."""
    pair, hub = kind.spokes[version], values.child(obj, "spec", "spec")
    values.check(hub, pair.HUB_FIELDS)
    kept = annotation.read(obj)
    saved = kept.get("spec", MISSING) if kept.get("version", kind.unnamed) == version else MISSING
    original: object = saved if saved is not None else JsonObject()
    if values.is_object(original) and obj.get("spec") is not None:
        old = pair.restore(original, hub)
    else:
        old = pair.from_hub(hub)
    again = pair.to_hub(old)
    lost = {name: value for name, value in hub.items() if again.get(name, MISSING) != value}
    spoke_only = pair.spoke_only(lost)
    rest = {name: value for name, value in lost.items() if name not in spoke_only}
    parts = {"spec": rest, "strays": spoke_only}
    spoke = _with(obj, old, {name: part for name, part in parts.items() if part})
    if saved is None and lost and not old:  # its user wrote no spec
        spoke.pop("spec", None)
    return spoke


def _with(obj: JsonObject, spec: JsonObject, kept: JsonObject) -> JsonObject:
    """Return the object with another spec and annotation; do not add empty ones."""
    changed = dict(obj)
    if spec or obj.get("spec") is not None:
        changed["spec"] = spec
    if metadata := annotation.write(obj, kept):
        changed["metadata"] = metadata
    elif obj.get("metadata"):
        del changed["metadata"]  # it held nothing but the annotation
    return changed
