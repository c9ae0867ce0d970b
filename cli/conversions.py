# SPDX-License-Identifier: Apache-2.0
"""What `convert` makes of a document, and what gets lost on the way."""

from collections.abc import Iterator
from dataclasses import dataclass

from api import resources
from conversion import registry
from crdkit.conversion import annotation, values
from crdkit.conversion.registry import Pair

from . import pools


@dataclass(frozen=True, slots=True)
class Target:
    """The version to convert to, such as `v1alpha2`.

    `annotation` says whether pools keep the annotation with what the version cannot say.  Without
    a choice, it goes where a pool comes to the hub version: that version says all that counts, and
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
        return pools.replaced(value, self.convert, self.api_version)

    def convert(self, obj: values.JsonObject) -> values.JsonObject:
        """Return a pool in this version.

        Raises:
            ConversionError: it cannot be converted.
        """
        if not pools.has_version(values.text(obj, "kind"), self.version):
            return obj
        converted = registry.REGISTRY.convert(obj, self.api_version)
        return converted if self._keeps(obj) else _without_annotation(converted)

    def losses(self, obj: values.JsonObject) -> Iterator[str]:
        """Yield the fields of a pool's spec that this version cannot say.

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
        if self._is_up(obj):
            yield from _meaningless(pair, spec)
        else:
            yield from (name for name in spec if values.is_object(kept) and name in kept)

    def _keeps(self, obj: values.JsonObject) -> bool:
        """Whether the pool keeps the annotation."""
        return not self._is_up(obj) if self.annotation is None else self.annotation

    def _is_up(self, obj: values.JsonObject) -> bool:
        """Whether a pool comes to the hub version from another one."""
        hub = registry.REGISTRY.kinds[values.text(obj, "kind")].hub
        return self.version == hub != pools.version_of(obj)

    def _pair(self, obj: values.JsonObject) -> Pair | None:
        """Return how the pool's version and this one differ; None if they are the same."""
        kind = registry.REGISTRY.kinds[values.text(obj, "kind")]
        if self.version == pools.version_of(obj):
            return None
        return kind.spokes.get(self.version) or kind.spokes.get(pools.version_of(obj))


def _meaningless(pair: Pair, spec: values.JsonObject) -> Iterator[str]:
    """Yield the fields of an old version if they say nothing in the hub version.

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
