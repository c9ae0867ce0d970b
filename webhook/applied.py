# SPDX-License-Identifier: Apache-2.0
"""What server-side apply gets wrong when a manager's manifest changes between versions or fields.

The API server prunes what a manifest no longer says in the version in which it was said before, and
tells by the paths of fields what others still own.  But `subnet` in v1alpha1 and `addresses` in the
hub version are the same thing at two paths.  So it takes away what the new manifest says in other
words, or brings back what nobody says any more; managedFields tell which.

Source: sigs.k8s.io/structured-merge-diff, merge/update.go
"""

import msgspec

from api import resources
from conversion import registry, values
from kube import pools

from .pool import Pool

_APPLY = "Apply"
_FIELD = "f:"
_ADDRESSING = frozenset(("addresses", "prefix"))  # all that subnet, start and end have a say in


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


def mended(new: Pool, old: Pool, version: str) -> values.JsonObject:
    """Return the new object as its managers mean it; itself, where nothing is wrong.

    Args:
        new: The object after the API server's own pruning.
        old: The stored one.
        version: The one in which the client writes.
    """
    if version == pools.HUB:
        lost = _lost(new, old)
        return {**new.obj, "spec": {**new.spec, **lost}} if lost else new.obj
    if not (left := _left_over(new, old, version)):
        return new.obj
    written = registry.convert(new.obj, f"{resources.GROUP}/{version}")
    spec = values.child(written, "spec", "spec")
    kept = {name: value for name, value in spec.items() if name not in left}
    if kept == spec:
        return new.obj
    return registry.convert({**written, "spec": kept}, f"{resources.GROUP}/{pools.HUB}")


def _lost(new: Pool, old: Pool) -> values.JsonObject:
    """Return what is applied in the hub version as it was, but was pruned in another."""
    if new.spec.keys() >= old.spec.keys():
        return {}
    applied = [e.fields for e in _entries(new) if e.applies and e.version == pools.HUB]
    gone = frozenset[str]().union(*applied) - new.spec.keys()
    return {name: value for name, value in old.spec.items() if name in gone}


def _left_over(new: Pool, old: Pool, version: str) -> frozenset[str]:
    """Return the fields that a manifest has said and no longer says, and that nobody else owns."""
    entries = _entries(new)
    before = {each.manager: each.fields for each in _entries(old) if each.applies}
    owned = frozenset[str]().union(*(each.fields for each in entries))
    given_up = frozenset[str]()
    for each in entries:
        if each.applies and each.version == version:
            given_up |= before.get(each.manager, frozenset()) - owned
        elif each.version == pools.HUB and each.fields & _ADDRESSING:
            return frozenset()  # another manager owns what some of these fields give
    return given_up


def _entries(pool: Pool) -> list[_Entry]:
    raw = pool.metadata.get("managedFields")
    if not isinstance(raw, msgspec.Raw):
        return []
    try:
        return msgspec.json.decode(raw, type=list[_Entry])
    except msgspec.DecodeError:  # the API server writes no such thing
        return []
