# SPDX-License-Identifier: Apache-2.0
"""The objects that an informer has, and its event handlers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic

import msgspec
import structlog

from .client import decode
from .deltas import Added, Deleted, Delta, Handler, Modified
from .interner import Interner
from .meta import Key, Object, T

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from .resources import ApiResource

log = structlog.get_logger(__name__)


class Store(Generic[T]):
    """Objects of one resource, by namespace and name.

    Guarantees:
        An older state of an object never replaces a newer one, and what our own request deleted
        never comes back.
    """

    def __init__(self, resource: ApiResource, kind: type[T]) -> None:
        self.resource = resource
        self.skipped = 0
        """Objects that could not be decoded; each counts once until it can be decoded again."""
        self.unreadable: set[Key] = set()
        """Objects that exist but cannot be decoded, so they are missing here."""
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._interner = Interner()
        self._handlers: list[Handler[T]] = []
        self._objects: dict[Key, T] = {}
        self._deleted: dict[str, int] = {}
        """uids deleted by our own requests, not yet reported by the watch; their last revisions."""
        self._newest = 0

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    @property
    def newest(self) -> int:
        """The highest resourceVersion of any object that it ever had, our own writes included."""
        return self._newest

    def get(self, key: Key) -> T | None:
        """Return the last known state of an object."""
        return self._objects.get(key)

    @contextmanager
    def event_handler(self, handle: Handler[T]) -> Generator[None]:
        """Call a handler with each difference while the block runs."""
        self._handlers.append(handle)
        try:
            yield
        finally:
            self._handlers.remove(handle)

    def _decode(self, raw: bytes | msgspec.Raw) -> T:
        """Decode an object, or the part of it that can be read, if its kind has a use for that.

        Raises:
            msgspec.DecodeError, ValueError: it cannot be read.
        """
        try:
            item = self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            if (part := self._kind.salvage(bytes(raw))) is None:
                raise
            log.warning("object read in part", resource=self.resource.plural, error=str(error))
            item = part
        item.intern(self._interner)
        return item

    def _decode_or_skip(self, raw: msgspec.Raw) -> T | Key:
        """Decode an object; count and log one that cannot be read, and return its key."""
        try:
            return self._decode(raw)
        except (msgspec.ValidationError, ValueError) as error:
            plural = self.resource.plural
            key = decode(raw, Object, plural).metadata.key
            if key not in self.unreadable:  # each proof of freshness lists it again
                self.skipped += 1
                log.warning("object skipped", resource=plural, object=str(key), error=str(error))
            return key

    def _put(self, item: T) -> None:
        """Keep an object, unless a newer state of it is known or it is deleted."""
        key = item.metadata.key
        if item.metadata.uid in self._deleted:
            return
        known = self._objects.get(key)
        if known and item.metadata.revision <= known.metadata.revision:
            return
        self._objects[key] = item
        self._newest = max(self._newest, item.metadata.revision)
        self._notify(Modified(known, item) if known else Added(item))

    def _remove(self, key: Key) -> None:
        self._notify(Deleted(self._objects.pop(key)))

    def _remove_deleted(self, item: T) -> None:
        """Remove an object that our own request deleted; the watch may still report old states."""
        known = self._objects.get(item.metadata.key)
        if known and known.metadata.uid == item.metadata.uid:
            self._deleted[item.metadata.uid] = item.metadata.revision
            self._remove(item.metadata.key)

    def _notify(self, delta: Delta[T]) -> None:
        for handle in self._handlers:
            handle(delta)
