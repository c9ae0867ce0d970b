# SPDX-License-Identifier: Apache-2.0
"""A pool under review: its spec in the hub version, and in the words of who wrote it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from api import resources
from conversion import fields, registry
from crdkit.conversion import annotation, values
from ipam.address_sets import AddressSet, FieldError
from objects import pools

from . import shape, statuses

_ANNOTATIONS_BYTES = 256 * 1024
"""Of all annotations of an object; the API server fails the read of one with more."""


@dataclass(frozen=True, slots=True)
class Overlong:
    """Annotations that the API server would not let anybody read, in one version."""

    version: str
    size: int

    def __str__(self) -> str:
        return (
            f"in {self.version}, the pool's annotations would have {self.size} bytes, "
            f"and {_ANNOTATIONS_BYTES} are allowed"
        )


@dataclass(frozen=True)
class Pool:
    """An object of one of our kinds, in the hub version.

    Guarantees:
        What it offers, and what it is in another version, is worked out once.
    """

    obj: values.JsonObject
    _versions: dict[str, "Pool"] = field(default_factory=dict[str, "Pool"], repr=False)
    _offers: list[AddressSet] = field(default_factory=list[AddressSet], repr=False)
    """None yet, or the one.  `functools.cached_property` would not do: before Python 3.12 one lock
    of all instances is held while any of them is worked out, so the event loop waits for threads.
    """

    @classmethod
    def read(cls, obj: values.JsonObject) -> "Pool":
        """Take an object in any version.

        Raises:
            ConversionError: its kind, version or a JSON type is wrong.
        """
        return cls(registry.REGISTRY.convert(obj, f"{resources.GROUP}/{pools.HUB}"))

    @property
    def spec(self) -> values.JsonObject:
        """The spec; an empty one where there is none."""
        return values.child(self.obj, "spec", "spec")

    @property
    def metadata(self) -> values.JsonObject:
        """The metadata, as far as it is decoded."""
        return values.child(self.obj, "metadata", "metadata")

    @property
    def annotations(self) -> values.JsonObject:
        """The annotations."""
        return values.child(self.metadata, "annotations", "metadata.annotations")

    @property
    def key(self) -> pools.PoolKey:
        """Kind, namespace and name."""
        namespace, name = (values.text(self.metadata, part) for part in ("namespace", "name"))
        return pools.PoolKey(values.text(self.obj, "kind"), namespace, name)

    @property
    def deleting(self) -> bool:
        """Whether it is only waiting for its finalizers."""
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def offered(self) -> AddressSet:
        """What it offers; nothing, if it has not even the shape of a pool."""
        if not self._offers:
            self._offers.append(self._work_out())
        return self._offers[0]

    def _work_out(self) -> AddressSet:
        given = {name: value for name, value in self.spec.items() if value is not None}
        try:
            spec = msgspec.convert(given, pools.PoolSpec)
        except msgspec.ValidationError:
            return AddressSet()
        metadata = pools.PoolMeta(name=self.key.name, namespace=self.key.namespace)
        return pools.address_set_of(pools.Pool(kind=self.key.kind, metadata=metadata, spec=spec))

    def errors(self, version: str, stored: "Pool | None") -> list[FieldError]:
        """Return what is wrong, in the words of the version that its user wrote."""
        before = stored.spec if stored else {}
        if misfits := list(shape.problems_of(self.key.kind, self.spec, before)):
            return misfits if version == pools.HUB else self._counted(version, misfits)
        problems = self._said(version, self.offered.errors)
        return problems or list(self._too_long())

    def warnings(self, version: str) -> list[str]:
        """Return what is not wrong, but perhaps not meant either."""
        warnings = self.offered.warnings
        if version != pools.HUB:
            warnings = tuple(fields.warnings(self.written(version), warnings))
        return [str(warning) for warning in warnings]

    def overlong(self) -> "Overlong | None":
        """Return in which version the annotations would be too long to be read, if in any."""
        for version in (pools.HUB, *registry.REGISTRY.kinds[self.key.kind].spokes):
            size = sum(_sizes(self.said_in(version).annotations).values())
            if size > _ANNOTATIONS_BYTES:
                return Overlong(version, size)
        return None

    def _too_long(self) -> Iterator[FieldError]:
        """Yield the list that no annotation could hold: a client of another version reads it.

        Flow:
            Blames the user's own annotations where they take more than what conversion keeps.
        """
        if (found := self.overlong()) is None:
            return
        sizes = _sizes(self.annotations)
        sizes.pop(annotation.NAME, None)
        if 2 * sum(sizes.values()) > found.size:
            largest = max(sizes, key=sizes.__getitem__)
            text = f"has {sizes[largest]} bytes: {found}; keep less in it"
            yield FieldError(statuses.ANNOTATIONS, largest, text)
            return
        field = "addresses" if found.version == pools.HUB else "excludedAddresses"
        text = f"is too long: {found}; write ranges, or two pools"
        yield FieldError(field, self.spec.get(field), text)

    def _said(self, version: str, problems: tuple[FieldError, ...]) -> list[FieldError]:
        if version == pools.HUB:
            return list(problems)
        return fields.as_v1alpha1_errors(self.written(version), problems)

    def _counted(self, version: str, misfits: list[FieldError]) -> list[FieldError]:
        """Say of a list that is too long what else than its own entries counts."""
        return [fields.hint_computed_entry(self.written(version), misfit) for misfit in misfits]

    def written(self, version: str) -> values.JsonObject:
        """Return the spec as its user wrote it in an old version."""
        return self.said_in(version).spec

    def said_in(self, version: str) -> "Pool":
        """Return the same object in another version."""
        if version == pools.HUB:
            return self
        if version not in self._versions:
            obj = registry.REGISTRY.convert(self.obj, f"{resources.GROUP}/{version}")
            self._versions[version] = Pool(obj)
        return self._versions[version]


def _sizes(annotations: values.JsonObject) -> dict[str, int]:
    """Return how many bytes each annotation takes."""
    return {name: len(f"{name}{text}".encode()) for name, text in annotations.items()}


def adding(obj: values.JsonObject, fields: values.JsonObject) -> values.JsonObject:
    """Return an object with more fields in its spec; itself, where there are none to add."""
    return {**obj, "spec": {**values.child(obj, "spec", "spec"), **fields}} if fields else obj


def lost(before: AddressSet, after: AddressSet) -> AddressSet | None:
    """Return the allocations that a change takes out of the offer; None: none at all."""
    left = before.indexes
    if (before.family, before.block_size) == (after.family, after.block_size):
        left = before.indexes - after.indexes
    return AddressSet(before.family, before.block_size, left) if left else None
