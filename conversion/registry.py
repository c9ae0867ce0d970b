# SPDX-License-Identifier: Apache-2.0
"""Kinds, their versions, and the way from any version to any other: through the hub.

A new version is a module like `pools.py` and one entry in `KINDS`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from api import resources
from ipam.texts import quoted

from . import pools, stash, values
from .errors import MissingPairError, UnknownKindError
from .values import MISSING, JsonObject


class Pair(Protocol):
    """How one version (the spoke) and the hub say the same; a module such as `pools` is one."""

    @property
    def SPOKE(self) -> values.Fields:  # noqa: N802 - a module's constant
        """The fields of the spoke's spec."""
        ...

    @property
    def HUB(self) -> values.Fields:  # noqa: N802 - a module's constant
        """The fields of the hub's spec."""
        ...

    def to_hub(self, old: JsonObject, /) -> JsonObject:
        """Say a spec of the spoke in the hub version, as far as that can."""
        ...

    def from_hub(self, hub: JsonObject, /) -> JsonObject:
        """Say a spec of the hub in the spoke's version, as far as that can."""
        ...

    def restore(self, saved: JsonObject, hub: JsonObject, /) -> JsonObject:
        """Say a spec of the hub as its user once wrote it, where that still says the same."""
        ...

    def extras(self, saved: JsonObject, /) -> JsonObject:
        """Return the saved fields that only the hub has, without misfits."""
        ...

    def strays(self, saved: JsonObject, /) -> JsonObject:
        """Return the saved fields that only the spoke has."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of our group: its hub version, and the other versions' pairs."""

    hub: str
    spokes: Mapping[str, Pair] = field(default_factory=dict[str, Pair])
    versions: Mapping[str, str] = field(init=False)
    """Those with a way to them and from them, by apiVersion."""

    def __post_init__(self) -> None:
        """Name the versions."""
        versions = {f"{resources.GROUP}/{name}": name for name in (*self.spokes, self.hub)}
        object.__setattr__(self, "versions", versions)


KINDS: Final[Mapping[str, Kind]] = {
    "GlobalInClusterIPPool": Kind("v1alpha2", {"v1alpha1": pools}),
    "GlobalInClusterPrefixPool": Kind("v1alpha2"),
    "InClusterIPPool": Kind("v1alpha2", {"v1alpha1": pools}),
    "InClusterPrefixPool": Kind("v1alpha2"),
}


_UNNAMED: Final = "v1alpha1"
"""The version of what an annotation keeps, where it names none: the only one that Go knows."""


def check(served: Iterable[tuple[str, str]], kinds: Mapping[str, Kind] | None = None) -> None:
    """Make sure that every served (kind, version) can be converted.

    Raises:
        MissingPairError: for the first that cannot.
    """
    kinds = KINDS if kinds is None else kinds
    for kind, version in served:
        if kind not in kinds or version not in kinds[kind].versions.values():
            raise MissingPairError(kind, version)


def convert(
    obj: JsonObject, api_version: str, kinds: Mapping[str, Kind] | None = None
) -> JsonObject:
    """Say an object in another version, `api_version` being such as `<group>/v1alpha1`.

    Guarantees:
        Total on objects whose JSON types fit.  `obj` is not changed.  Only apiVersion, spec and the
        one annotation differ; of the rest nothing is even looked at.

    Raises:
        FieldError: a JSON type is wrong.
        UnknownKindError: nothing is known of the kind in one of both versions.
    """
    kinds = KINDS if kinds is None else kinds
    present, name = obj.get("apiVersion"), obj.get("kind")
    kind, source = _find(present, name, kinds)
    _, target = _find(api_version, name, kinds)
    if present == api_version:
        return obj
    if source != kind.hub:
        obj = _up(kind.spokes[source], obj, source)
    if target != kind.hub:
        obj = _down(kind.spokes[target], obj, target)
    obj["apiVersion"] = api_version  # of a copy by now: one of both is not the hub
    return obj


def unsaid(obj: JsonObject, stored: JsonObject, version: str) -> JsonObject:
    """Return what an object written in an old version leaves out because that has no field for it.

    Args:
        obj: The new object in the hub version.
        stored: The present one in the hub version.
        version: The one that the client wrote.

    Returns:
        Fields of the stored spec.  Nothing where the client brought the annotation: it then has
        said all that it wanted.
    """
    pair = KINDS[str(obj.get("kind"))].spokes.get(version)
    new, old = (values.child(each, "spec", "spec") for each in (obj, stored))
    if pair is None:
        return {}
    unspoken = only_hub(pair)
    if unspoken & pair.extras(new).keys():
        return {}
    return {name: value for name, value in pair.extras(old).items() if name in unspoken}


def only_hub(pair: Pair) -> frozenset[str]:
    """Return the fields of the hub's spec that the spoke has none for: it keeps them aside."""
    return frozenset(pair.HUB.keys() - pair.SPOKE.keys())


def name_of(obj: object) -> str:
    """Return how a message calls an object: kind, namespace and name, as far as it has them."""
    if not values.is_object(obj):
        return quoted(obj)
    kind, metadata = obj.get("kind"), obj.get("metadata")
    parts = metadata if values.is_object(metadata) else {}
    name = "/".join(str(parts[key]) for key in ("namespace", "name") if parts.get(key))
    return f"{kind or 'object'} {name or '(without a name)'}"


def _find(api_version: object, kind: object, kinds: Mapping[str, Kind]) -> tuple[Kind, str]:
    """Return a kind and the version that an apiVersion of our group names."""
    if isinstance(api_version, str) and isinstance(kind, str) and kind in kinds:
        found = kinds[kind]
        if version := found.versions.get(api_version):
            return found, version
    known = [f"{name} {'|'.join([*entry.spokes, entry.hub])}" for name, entry in kinds.items()]
    raise UnknownKindError(api_version, kind, ", ".join(known))


def _up(pair: Pair, obj: JsonObject, version: str) -> JsonObject:
    """Say an object in the hub version; the annotation then keeps what the user wrote."""
    old = values.child(obj, "spec", "spec")
    values.check(old, pair.SPOKE)
    kept = stash.read(obj)
    saved, strays = kept.get("spec"), kept.get("strays")
    hub = pair.to_hub(old)
    if values.is_object(saved):
        hub = pair.extras(saved) | hub
    if values.is_object(strays):
        hub |= pair.strays(strays)
    written = {} if version == _UNNAMED else {"version": version}
    if hub and obj.get("spec") is None:
        return _with(obj, hub, {"spec": None, **written})
    return _with(obj, hub, {"spec": old, **written} if pair.from_hub(hub) != old else {})


def _down(pair: Pair, obj: JsonObject, version: str) -> JsonObject:
    """Say a hub object in another version; the annotation then keeps what that cannot say."""
    hub = values.child(obj, "spec", "spec")
    values.check(hub, pair.HUB)
    kept = stash.read(obj)
    saved = kept.get("spec", MISSING) if kept.get("version", _UNNAMED) == version else MISSING
    original: object = saved if saved is not None else JsonObject()
    if values.is_object(original) and obj.get("spec") is not None:
        old = pair.restore(original, hub)
    else:
        old = pair.from_hub(hub)
    again = pair.to_hub(old)
    lost = {name: value for name, value in hub.items() if again.get(name, MISSING) != value}
    strays = pair.strays(lost)
    parts = {"spec": {k: v for k, v in lost.items() if k not in strays}, "strays": strays}
    spoke = _with(obj, old, {name: part for name, part in parts.items() if part})
    if saved is None and lost and not old:  # its user wrote no spec
        spoke.pop("spec", None)
    return spoke


def _with(obj: JsonObject, spec: JsonObject, kept: JsonObject) -> JsonObject:
    """Return the object with another spec and another annotation; neither comes to be empty."""
    changed = dict(obj)
    if spec or obj.get("spec") is not None:
        changed["spec"] = spec
    if metadata := stash.write(obj, kept):
        changed["metadata"] = metadata
    elif obj.get("metadata"):
        del changed["metadata"]  # it held nothing but the annotation
    return changed
