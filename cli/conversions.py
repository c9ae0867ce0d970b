# SPDX-License-Identifier: Apache-2.0
"""Convert the pools of a document, and find the fields that get lost."""

from collections.abc import Iterator
from dataclasses import dataclass

from api import resources
from conversion import registry
from crdkit.conversion import annotation, values
from crdkit.conversion.registry import Pair

from . import pool_documents


@dataclass(frozen=True, slots=True)
class Target:
    """The version to convert to, such as `v1alpha2`.

    `annotation` says whether pools keep the annotation with conversion data.  By default it is
    dropped from pools that come to the hub version: that version has all fields that matter, and
    the annotation is out of date as soon as somebody edits the file.
    """

    version: str
    annotation: bool | None = None

    @property
    def api_version(self) -> str:
        """Group and version."""
        return f"{resources.GROUP}/{self.version}"

    def of(self, value: object) -> object:
        """Return a document with all its pools in this version; kinds without it stay.

        Raises:
            ConversionError: a pool cannot be converted.
        """
        return pool_documents.replaced(value, self.convert, self.api_version)

    def convert(self, obj: values.JsonObject) -> values.JsonObject:
        """Return a pool in this version.

        Raises:
            ConversionError: it cannot be converted.
        """
        if not pool_documents.has_version(values.text(obj, "kind"), self.version):
            return obj
        converted = registry.REGISTRY.convert(obj, self.api_version)
        return converted if self._keeps(obj) else _without_annotation(converted)

    def losses(self, obj: values.JsonObject) -> Iterator[str]:
        """Yield the fields of a pool's spec that this version has no field for.

        Raises:
            ConversionError: it cannot be converted.
        """
        if self._keeps(obj):
            return
        pair = self._pair(obj)
        if pair is None:
            return
        kept = annotation.read(registry.REGISTRY.convert(obj, self.api_version)).get("spec")
        spec = values.child(obj, "spec", "spec")
        if self._is_upgrade(obj):
            yield from _without_effect(pair, spec)
        else:
            yield from (name for name in spec if values.is_object(kept) and name in kept)

    def _keeps(self, obj: values.JsonObject) -> bool:
        """Whether the pool keeps the annotation."""
        return not self._is_upgrade(obj) if self.annotation is None else self.annotation

    def _is_upgrade(self, obj: values.JsonObject) -> bool:
        """Whether a pool comes to the hub version from another one."""
        hub = registry.REGISTRY.kinds[values.text(obj, "kind")].hub
        return self.version == hub != pool_documents.version_of(obj)

    def _pair(self, obj: values.JsonObject) -> Pair | None:
        """Return the conversion between the pool's version and this one; None if they are equal."""
        kind = registry.REGISTRY.kinds[values.text(obj, "kind")]
        if self.version == pool_documents.version_of(obj):
            return None
        return kind.spokes.get(self.version) or kind.spokes.get(pool_documents.version_of(obj))


def _without_effect(pair: Pair, spec: values.JsonObject) -> Iterator[str]:
    """Yield the fields of an old version if they have no effect in the hub version.

    An example is a `start` whose `end` and `subnet` are in another file.
    """
    spoke_only = pair.SPOKE_FIELDS.keys() - pair.HUB_FIELDS.keys()
    own = [name for name in spec if name in spoke_only and spec[name]]
    rest = {name: value for name, value in spec.items() if name not in own}
    if pair.to_hub(spec) == pair.to_hub(rest):
        yield from own


def _without_annotation(obj: values.JsonObject) -> values.JsonObject:
    metadata = annotation.write(obj, {})
    if metadata == obj.get("metadata", {}):
        return obj
    if metadata:
        return obj | {"metadata": metadata}
    return {name: value for name, value in obj.items() if name != "metadata"}
