# SPDX-License-Identifier: Apache-2.0
"""A pool under review, in the hub version and in the version of its client."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from api import resources
from conversion import fields, registry
from crdkit.conversion import annotation, values
from ipam.address_sets import AddressSet, FieldError
from objects import pools

from . import schema, statuses

_ANNOTATIONS_BYTES = 256 * 1024
"""The bytes of all annotations of an object; the API server cannot return an object with more."""


@dataclass(frozen=True, slots=True)
class Overlong:
    """Annotations that are too long in one version, so that the API server cannot return them."""

    version: str
    size: int

    def __str__(self) -> str:
        return (
            f"in {self.version}, the pool's annotations would have {self.size} bytes, "
            f"and {_ANNOTATIONS_BYTES} are allowed"
        )


@dataclass(frozen=True)
class ReviewedPool:
    """An object of one of our kinds, in the hub version.

    Guarantees:
        Its address set, and its form in each other version, are computed once.
    """

    obj: values.JsonObject
    _versions: dict[str, "ReviewedPool"] = field(
        default_factory=dict[str, "ReviewedPool"], repr=False
    )
    _address_sets: list[AddressSet] = field(default_factory=list[AddressSet], repr=False)
    """Empty, or the computed one.  Before Python 3.12, `functools.cached_property` holds one lock
    for all instances while it computes, so the event loop would wait for threads.
    """

    @classmethod
    def read(cls, obj: values.JsonObject) -> "ReviewedPool":
        """Read an object in any version.

        Raises:
            ConversionError: its kind, version or a JSON type is wrong.
        """
        return cls(registry.REGISTRY.convert(obj, f"{resources.GROUP}/{pools.HUB}"))

    @property
    def spec(self) -> values.JsonObject:
        """The spec; empty if the object has none."""
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
        """Whether it is deleted, and waits for its finalizers."""
        return bool(self.metadata.get("deletionTimestamp"))

    @property
    def address_set(self) -> AddressSet:
        """The addresses that it may hand out; empty if the spec does not decode."""
        if not self._address_sets:
            self._address_sets.append(self._address_set_of_spec())
        return self._address_sets[0]

    def _address_set_of_spec(self) -> AddressSet:
        given = {name: value for name, value in self.spec.items() if value is not None}
        try:
            spec = msgspec.convert(given, pools.PoolSpec)
        except msgspec.ValidationError:
            return AddressSet()
        metadata = pools.PoolMeta(name=self.key.name, namespace=self.key.namespace)
        return pools.address_set_of(pools.Pool(kind=self.key.kind, metadata=metadata, spec=spec))

    def errors(self, version: str, stored: "ReviewedPool | None") -> list[FieldError]:
        """Return the errors of the spec, with the field names of the client's version."""
        before = stored.spec if stored else {}
        if misfits := list(schema.errors_of(self.key.kind, self.spec, before)):
            return misfits if version == pools.HUB else self._with_hints(version, misfits)
        problems = self._as_written(version, self.address_set.errors)
        return problems or list(self._annotation_errors())

    def warnings(self, version: str) -> list[str]:
        """Return what is valid, but perhaps not intended."""
        warnings = self.address_set.warnings
        if version != pools.HUB:
            warnings = tuple(fields.warnings(self.spec_in(version), warnings))
        return [str(warning) for warning in warnings]

    def overlong(self) -> "Overlong | None":
        """Return the first version in which the annotations are too long; None if there is none."""
        for version in (pools.HUB, *registry.REGISTRY.kinds[self.key.kind].spokes):
            size = sum(_sizes(self.in_version(version).annotations).values())
            if size > _ANNOTATIONS_BYTES:
                return Overlong(version, size)
        return None

    def _annotation_errors(self) -> Iterator[FieldError]:
        """Yield the field that makes the annotations too long in another version.

        Flow:
            The error is about the user's own annotations if they take more than conversion data.
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

    def _as_written(self, version: str, problems: tuple[FieldError, ...]) -> list[FieldError]:
        if version == pools.HUB:
            return list(problems)
        return fields.as_v1alpha1_errors(self.spec_in(version), problems)

    def _with_hints(self, version: str, misfits: list[FieldError]) -> list[FieldError]:
        """Explain that subnet, start and end add one entry to a list that is too long."""
        return [fields.hint_computed_entry(self.spec_in(version), misfit) for misfit in misfits]

    def spec_in(self, version: str) -> values.JsonObject:
        """Return the spec in a version."""
        return self.in_version(version).spec

    def in_version(self, version: str) -> "ReviewedPool":
        """Return the same object in another version."""
        if version == pools.HUB:
            return self
        if version not in self._versions:
            obj = registry.REGISTRY.convert(self.obj, f"{resources.GROUP}/{version}")
            self._versions[version] = ReviewedPool(obj)
        return self._versions[version]


def _sizes(annotations: values.JsonObject) -> dict[str, int]:
    """Return the size of each annotation in bytes."""
    return {name: len(f"{name}{text}".encode()) for name, text in annotations.items()}


def with_fields(obj: values.JsonObject, fields: values.JsonObject) -> values.JsonObject:
    """Return an object with more fields in its spec; the same object if there are none."""
    return {**obj, "spec": {**values.child(obj, "spec", "spec"), **fields}} if fields else obj


def removed(before: AddressSet, after: AddressSet) -> AddressSet | None:
    """Return the blocks that a change removes from an address set; None if it removes none."""
    left = before.indexes
    if (before.family, before.block_size) == (after.family, after.block_size):
        left = before.indexes - after.indexes
    return AddressSet(before.family, before.block_size, left) if left else None
