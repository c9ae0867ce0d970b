# SPDX-License-Identifier: Apache-2.0
"""Correct server-side apply when a manager's manifest changes its version or its fields.

The API server prunes a field that a manifest no longer has, in the version of the former manifest.
The paths in managedFields say which fields other managers own.  But `subnet` in v1alpha1 and
`addresses` in the hub version are the same addresses at two paths.  So the API server may remove
addresses that the new manifest has, or keep addresses that no manifest has.

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
"""The manager that the API server adds.  It never applies again, so its fields would stay."""


@prepared
class _Entry(msgspec.Struct, rename="camel"):
    """The fields of one manager, in the version in which it wrote."""

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
        """Whether it lists all fields of its manager's manifest."""
        return self.operation == _APPLY and not self.subresource

    @property
    def fields(self) -> frozenset[str]:
        """The names of its fields in the spec."""
        spec = self.fields_v1.get("f:spec")
        names = spec if values.is_object(spec) else {}
        return frozenset(name.removeprefix(_FIELD) for name in names if name.startswith(_FIELD))


def corrected(
    new: ReviewedPool, old: ReviewedPool, version: str, manager: str
) -> values.JsonObject:
    """Return the new object with the fields that its managers intend; the same if it is right.

    Args:
        new: The object after the API server's own pruning.
        old: The stored object.
        version: The version in which the client writes.
        manager: The name of the client; empty if unknown.
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
    """Return the fields that are applied in the hub version, but were pruned in another."""
    applied = [e.fields for e in entries if e.applies and e.version == pools.HUB]
    gone = frozenset[str]().union(*applied) - new.spec.keys()
    return {name: value for name, value in old.spec.items() if name in gone}


def _given_up(
    entries: list[_Entry], old: ReviewedPool, version: str, manager: str
) -> frozenset[str]:
    """Return the fields that the applied manifest no longer has, and no other manager owns."""
    if not any(e.applies and (e.manager, e.version) == (manager, version) for e in entries):
        return frozenset()
    before = [e.fields for e in _managers(old) if e.applies and e.manager == manager]
    return frozenset[str]().union(*before).difference(*(e.fields for e in entries))


def _addressed_in_the_hub(entries: list[_Entry]) -> bool:
    """Whether a manager owns, in the hub version, a field that several spoke fields give."""
    return any(e.version == pools.HUB and e.fields & v1alpha1.ADDRESSING for e in entries)


def _only_hub(pool: ReviewedPool) -> frozenset[str]:
    """Return the hub-only fields, which other versions keep in one annotation."""
    kind = registry.REGISTRY.kinds[pool.key.kind]
    return frozenset[str]().union(*map(kind.hub_only, kind.spokes))


def _without(obj: values.JsonObject, names: frozenset[str]) -> values.JsonObject:
    """Return the object without some fields of its spec; the same if it has none of them."""
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
    except msgspec.DecodeError:  # the API server never writes this
        return []
