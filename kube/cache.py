# SPDX-License-Identifier: Apache-2.0
"""A local copy of a collection, kept current by a watch: an informer, without its threads."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, NoReturn

import msgspec
import structlog

from .client import decode, pages
from .errors import (
    ApiError,
    GoneError,
    KubeError,
    NotFoundError,
    UnreachableError,
    from_response,
)
from .objects import Event, Key, Meta, Object, Same, Struct, T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .client import Api
    from .resources import GroupVersionResource

log = structlog.get_logger(__name__)

_SHORT_WATCH_SECONDS = 1.0  # a watch that ends sooner, though without an error, is none

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between attempts to reach the API server


class Cache(Generic[T]):
    """The objects of one resource, by namespace and name.

    Flow:
        `load` lists once; `follow` watches from there on for ever, and lists again where the watch
        lost history (410).  Each difference is told to `on_change(old, new)`, once, in order.

    Guarantees:
        `observe` takes over what a write of ours answered, so that whoever wrote reads at least
        that.  An older event or answer never replaces a newer object.

    Caveats:
        Otherwise it lags behind the API server; only a write with a resourceVersion is certain.
    """

    def __init__(
        self, api: Api, resource: GroupVersionResource, kind: type[T], namespace: str = ""
    ) -> None:
        self.resource = resource
        self.on_change: Callable[[T | None, T | None], None] = _ignore
        self.skipped = 0
        """Objects that could not be read, since the start."""
        self._api = api
        self._request = f"{resource.plural} {namespace}".rstrip()
        self._namespace = namespace
        self._decoder = msgspec.json.Decoder(kind)
        self._objects: dict[Key, T] = {}
        self._revision = 0  # up to where the watch has told us everything
        self._lost_history = False  # so only a list can tell what is gone
        self._gone: set[str] = set()  # uids of which we know that before the watch has told
        self._same = Same()

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def revision(self) -> int:
        """The resourceVersion up to which the watch has told everything."""
        return self._revision

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def get(self, key: Key) -> T | None:
        """Return an object as last heard of."""
        return self._objects.get(key)

    async def load(self) -> None:
        """Read the whole collection.

        Raises:
            KubeError: the API server refused or could not be reached.
        """
        found: dict[Key, T] = {}
        revision = 0
        listed = pages(self._api, self.resource, self._namespace, start_over=found.clear)
        async for page in listed:
            revision = int(page.metadata.resource_version)
            for raw in page.items or ():
                if (item := self._decode(raw)) is not None:
                    found[item.metadata.key] = item
        self._replace(found, revision)

    async def follow(self) -> NoReturn:
        """Keep the copy current until cancelled; outages are waited for.

        Raises:
            NotFoundError: the resource is not served any more.
        """
        failures = 0
        while True:
            try:
                if self._lost_history:
                    await self.load()
                began = asyncio.get_running_loop().time()
                await self._watch()
                if asyncio.get_running_loop().time() - began > _SHORT_WATCH_SECONDS:
                    failures = 0
                else:
                    failures = await _pause(failures)
            except GoneError:
                self._lost_history = True
                failures = await _pause(failures)
            except NotFoundError:
                raise
            except KubeError as error:
                log.warning("watch failed", resource=self.resource.plural, error=str(error))
                failures = await _pause(failures)

    def observe(self, answer: bytes) -> T:
        """Take over the object that a write of ours answered, and return it."""
        try:
            item = self._decoder.decode(answer)
        except (msgspec.DecodeError, ValueError) as error:
            problem = f"an answer that cannot be read: {error}"
            raise UnreachableError(self._request, problem) from error
        item.share(self._same)
        if item.metadata.gone:
            self._forget(item)
        elif item.metadata.revision > self._revision:
            self._put(item)
        return item

    async def patch(
        self, api: Api, known: T, changes: Mapping[str, object], subresource: str = ""
    ) -> T:
        """Merge changes into the version of an object that we know, and observe the answer.

        Raises:
            ConflictError: the object has another resourceVersion by now.
            KubeError: the write failed otherwise.
        """
        meta = known.metadata
        metadata = changes.get("metadata", {})
        assert isinstance(metadata, dict)
        version = {"resourceVersion": meta.resource_version}
        body = msgspec.json.encode({**changes, "metadata": {**metadata, **version}})
        answer = await api.patch(self.resource, meta.namespace, meta.name, body, subresource)
        return self.observe(answer)

    async def delete(self, api: Api, known: T) -> T | None:
        """Delete an object if it still is the one we know; None where nothing holds it back.

        Raises:
            NotFoundError: it is gone already.
            KubeError: the deletion failed otherwise.
        """
        meta = known.metadata
        answer = await api.delete(self.resource, meta.namespace, meta.name, meta.uid)
        if _is_object(answer, meta.uid):
            return self.observe(answer)
        self._forget(known)
        return None

    async def fetch(self, api: Api, key: Key) -> T | None:
        """Read an object from the API server itself; None is one that does not exist."""
        try:
            return self.observe(await api.get(self.resource, key.namespace, key.name))
        except NotFoundError:
            return None

    async def _watch(self) -> None:
        params = {"resourceVersion": str(self._revision), "allowWatchBookmarks": "true"}
        lines = self._api.watch(self.resource, self._namespace, params)
        async with aclosing(lines) as events:
            async for line in events:
                self._apply(line)

    def _apply(self, line: bytes) -> None:
        event = decode(line, Event, self._request)
        if event.type == "ERROR":
            raise _error_in(event, self.resource.plural)
        header = decode(event.object, Object, self._request).metadata
        if event.type == "DELETED":
            self._gone.discard(header.uid)
            if (known := self.get(header.key)) and known.metadata.revision <= header.revision:
                self._drop(header.key)
        elif event.type != "BOOKMARK" and (item := self._decode(event.object)) is not None:
            self._put(item)
        self._revision = max(self._revision, header.revision)

    def _decode(self, raw: msgspec.Raw) -> T | None:
        """Read an object; one that cannot be read is skipped, counted and reported."""
        try:
            item = self._decoder.decode(raw)
        except (msgspec.ValidationError, ValueError) as error:
            self.skipped += 1
            log.warning("object skipped", resource=self.resource.plural, error=str(error))
            return None
        item.share(self._same)
        return item

    def _replace(self, found: dict[Key, T], revision: int) -> None:
        """Make the copy equal a list, but for what a write of ours has answered since."""
        self._revision, self._lost_history = revision, False
        self._gone.clear()
        for key, known in tuple(self._objects.items()):
            if key not in found and known.metadata.revision <= revision:
                self._drop(key)
        for item in found.values():
            self._put(item)

    def _put(self, item: T) -> None:
        key = item.metadata.key
        if item.metadata.uid in self._gone:
            return
        known = self._objects.get(key)
        if known and item.metadata.revision <= known.metadata.revision:
            return
        self._objects[key] = item
        self.on_change(known, item)

    def _forget(self, item: T) -> None:
        """Drop an object that is gone; the watch may still tell of its last days."""
        known = self._objects.get(item.metadata.key)
        if known and known.metadata.uid == item.metadata.uid:
            self._gone.add(item.metadata.uid)
            self._drop(item.metadata.key)

    def _drop(self, key: Key) -> None:
        self.on_change(self._objects.pop(key), None)


async def _pause(failures: int) -> int:
    """Wait longer after each failure; returns how many there are now."""
    await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
    return failures + 1


def _is_object(answer: bytes, uid: str) -> bool:
    """Tell an object that still exists from a Status that says it does not."""
    return msgspec.json.decode(answer, type=_Deleted).metadata.uid == uid


class _Deleted(Struct, frozen=True):
    """An object, or a Status."""

    metadata: Meta = Meta()


def _ignore(_old: object, _new: object) -> None:
    """Stand in until somebody wants to know of changes."""


class _Code(msgspec.Struct):
    code: int = 500


def _error_in(event: Event, plural: str) -> KubeError:
    code = msgspec.json.decode(event.object, type=_Code).code
    error = from_response(code, bytes(event.object), f"WATCH {plural}")
    expired = isinstance(error, ApiError) and error.reason == "Expired"
    return GoneError(code, "Expired", str(error), f"WATCH {plural}") if expired else error
