# SPDX-License-Identifier: Apache-2.0
"""What server-side apply gets wrong when a manager's manifest changes between versions or fields.

The API server prunes what a manifest no longer says in the version in which it was said before, and
tells by the paths of fields what others still own.  But `subnet` in v1alpha1 and `addresses` in the
hub version are the same thing at two paths.  So it takes away what the new manifest says in other
words, or leaves what nobody says any more; managedFields tell which.

An object may have lost its managedFields: Kubernetes before 1.37 writes it without any while the
conversion webhook is unavailable.  The next apply adds a manager that owns all present fields.

Source: sigs.k8s.io/structured-merge-diff, merge/update.go;
k8s.io/apimachinery, pkg/util/managedfields/internal/skipnonapplied.go;
https://github.com/kubernetes/kubernetes/issues/136919
"""

import msgspec

from api import resources
from conversion import registry, v1alpha1
from crdkit.conversion import values
from kube.structs import prepared
from objects import pools

from .reviewed_pool import ReviewedPool, with_fields

_APPLY = "Apply"
_FIELD = "f:"
_BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager that the API server adds: it never gives a field up, so its fields would stay."""


@prepared
class _Entry(msgspec.Struct, rename="camel"):
    """What one manager owns, in the version in which it wrote."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    subresource: str = ""
    fields_v1: dict[str, object] = msgspec.field(default_factory=dict[str, object], name="fieldsV1")

    @property
    def version(self) -> str:
        """The version without its group."""
        return self.api_version.rpartition("/")[2]

    @property
    def applies(self) -> bool:
        """Whether it says all that its manager's manifest says."""
        return self.operation == _APPLY and not self.subresource

    @property
    def fields(self) -> frozenset[str]:
        """The names of the spec's fields in it."""
        spec = self.fields_v1.get("f:spec")
        names = spec if values.is_object(spec) else {}
        return frozenset(name.removeprefix(_FIELD) for name in names if name.startswith(_FIELD))


def corrected(
    new: ReviewedPool, old: ReviewedPool, version: str, manager: str
) -> values.JsonObject:
    """Return the new object as its managers mean it; itself, where nothing is wrong.

    Args:
        new: The object after the API server's own pruning.
        old: The stored one.
        version: The one in which the client writes.
        manager: Who writes; empty where that is not known.
    """
    entries = _managers(new)
    given_up = _given_up(entries, old, version, manager)
    if version == pools.HUB:
        obj = with_fields(new.obj, _lost(entries, new, old))
        return _without(obj, given_up & (_only_hub(new) | _unattributed(new)))
    if not given_up or _addressed_in_the_hub(entries):
        return new.obj
    written = registry.REGISTRY.convert(new.obj, f"{resources.GROUP}/{version}")
    kept = _without(written, given_up)
    if kept is written:
        return new.obj
    return registry.REGISTRY.convert(kept, f"{resources.GROUP}/{pools.HUB}")


def unowned(new: ReviewedPool, old: ReviewedPool) -> frozenset[str]:
    """Return the fields that the first apply after a loss of managedFields keeps.

    Their owner is not known, so they stay although the manifest does not have them.
    """
    if _entries(old):
        return frozenset()
    return _unattributed(new).difference(*(e.fields for e in _managers(new)))


def _lost(entries: list[_Entry], new: ReviewedPool, old: ReviewedPool) -> values.JsonObject:
    """Return what is applied in the hub version as it was, but was pruned in another."""
    applied = [e.fields for e in entries if e.applies and e.version == pools.HUB]
    gone = frozenset[str]().union(*applied) - new.spec.keys()
    return {name: value for name, value in old.spec.items() if name in gone}


def _given_up(
    entries: list[_Entry], old: ReviewedPool, version: str, manager: str
) -> frozenset[str]:
    """Return the fields that the manifest now applied no longer has, and that nobody else owns."""
    if not any(e.applies and (e.manager, e.version) == (manager, version) for e in entries):
        return frozenset()
    before = [e.fields for e in _managers(old) if e.applies and e.manager == manager]
    return frozenset[str]().union(*before).difference(*(e.fields for e in entries))


def _addressed_in_the_hub(entries: list[_Entry]) -> bool:
    """Tell whether somebody owns in the hub version what several fields of the spoke may give."""
    return any(e.version == pools.HUB and e.fields & v1alpha1.ADDRESSING for e in entries)


def _only_hub(pool: ReviewedPool) -> frozenset[str]:
    """Return the fields that are together in one annotation in other versions."""
    kind = registry.REGISTRY.kinds[pool.key.kind]
    return frozenset[str]().union(*map(kind.hub_only, kind.spokes))


def _without(obj: values.JsonObject, names: frozenset[str]) -> values.JsonObject:
    """Return the object without some fields of its spec; itself, where it has none of them."""
    spec = values.child(obj, "spec", "spec")
    if not names & spec.keys():
        return obj
    return {**obj, "spec": {name: value for name, value in spec.items() if name not in names}}


def _managers(pool: ReviewedPool) -> list[_Entry]:
    """Return the entries of real managers."""
    return [entry for entry in _entries(pool) if entry.manager != _BEFORE_FIRST_APPLY]


def _unattributed(pool: ReviewedPool) -> frozenset[str]:
    """Return the fields of `before-first-apply`."""
    lapsed = (entry.fields for entry in _entries(pool) if entry.manager == _BEFORE_FIRST_APPLY)
    return frozenset[str]().union(*lapsed)


def _entries(pool: ReviewedPool) -> list[_Entry]:
    raw = pool.metadata.get("managedFields")
    if not isinstance(raw, msgspec.Raw):
        return []
    try:
        return msgspec.json.decode(raw, type=list[_Entry])
    except msgspec.DecodeError:  # the API server writes no such thing
        return []
