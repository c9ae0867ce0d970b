# SPDX-License-Identifier: Apache-2.0
"""A local copy of a collection, kept current by a watch: client-go's informer, in asyncio."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Generic, NoReturn

import msgspec
import structlog

from .client import decode, pages
from .deltas import Added, Deleted, Delta, Handler, Modified
from .errors import (
    ApiError,
    GoneError,
    KubeError,
    NotFoundError,
    RevisionError,
    UnreachableError,
    from_response,
)
from .interner import Interner
from .liveness import Heartbeat
from .meta import Key, Meta, Object, RawList, T, WatchEvent
from .options import ListOptions
from .structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from .client import Api
    from .resources import ApiResource

log = structlog.get_logger(__name__)

_SHORT_WATCH_SECONDS = 1.0  # a watch that ends sooner, though without an error, is none

_LIVED_SECONDS = 15.0
"""A watch that ends by an error after this time did work: one that cannot be opened fails within
the 10 s of a request."""

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # between attempts to reach the API server

_PAGE = 500
"""Objects.  A collection of at most so many is listed in about the time of one small request."""

_AT_ONCE = 100  # objects decoded, in 5 ms, before others have their turn

_GRACE_SECONDS = 0.1  # on a busy resource the watch passes any revision within that time

_SHORT_SECONDS = 3
"""For such a watch the API server sends its closing bookmark within 2 s (measured: 1.6 s).  It
sends bookmarks two seconds before the end of a watch, so a shorter one gets none.
Source: k8s.io/apiserver, pkg/storage/cacher/cache_watcher.go, nextBookmarkTime
"""


class _Listed:
    """What a list has shown so far.

    `gone` has the uids that our requests have deleted since: the watch still has to report them.
    """

    def __init__(self, ended: Iterable[str]) -> None:
        self.ended = frozenset(ended)
        """Uids of objects that had ended before it began."""
        self.clear()

    def clear(self) -> None:
        """Begin anew: the list does."""
        self.keys: set[Key] = set()
        self.unreadable: set[Key] = set()
        self.gone: set[str] = set()
        self.revision = 0


class Informer(Generic[T]):
    """The objects of one resource, by namespace and name.

    Flow:
        `sync` lists once.  `run` watches from there on and never ends; where the watch lost history
        (410), it lists again.  Each event handler gets each difference, once, in order.

    Guarantees:
        `apply_response` applies what the API server answered to a write of ours, so the writer
        reads at least that.  An older event or response never replaces a newer object.

        Where etcd was restored from a backup, the informer ends (`until_rollback`), because a watch
        from a revision that is still to come gets no events.  Proof is a consistent read, or the
        response to a write, with an older revision than one known before.  Each response is
        compared, and there is a read before a watch is opened again.  A restart of the API server
        ends all watches.

    Caveats:
        In a collection of more than a page, a restore stays unseen if the revisions pass the known
        one before the watch is opened again.  That takes a backup of the last few seconds.

        Otherwise it lags behind the API server.  After `catch_up` it has everything that was
        written before that call.
    """

    def __init__(self, api: Api, resource: ApiResource, kind: type[T], namespace: str = "") -> None:
        self.resource = resource
        self.skipped = 0
        """Objects that could not be read, each once until it can be read again."""
        self.unreadable: set[Key] = set()
        """Objects that exist and of which nothing can be read, so the copy lacks them."""
        self.heartbeat = Heartbeat(f"the watch of {resource.plural}")
        """Of `run`."""
        self._handlers: list[Handler[T]] = []
        self._api = api
        self._request = f"{resource.plural} {namespace}".rstrip()
        self.namespace = namespace
        """The only one that it has a copy of; empty: all."""
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._objects: dict[Key, T] = {}
        self._revision = 0  # up to where the watch has told us everything
        self._newest = 0
        self._lost_history = False  # so only a list can tell what is gone
        self._gone: dict[str, int] = {}
        """Uids deleted by our requests, not yet reported by the watch, and their last revisions."""
        self._interner = Interner()
        self._passing: list[tuple[int, asyncio.Future[None]]] = []  # waits for a revision
        self._patience: asyncio.Timeout | None = None  # of the watch that runs now
        self._short = False  # whether that is one for a proof of freshness
        self._back: RevisionError | None = None
        self._went_back = asyncio.Event()
        self._turn = asyncio.Lock()  # one proof of freshness at a time
        self._asked = 0  # calls of `catch_up` so far
        self._proven = 0  # how many of them are served

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def revision(self) -> int:
        """The resourceVersion up to which the watch has told everything."""
        return self._revision

    @property
    def newest(self) -> int:
        """The highest resourceVersion of any object that it ever had, our own writes included."""
        return self._newest

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def get(self, key: Key) -> T | None:
        """Return an object as last heard of."""
        return self._objects.get(key)

    async def sync(self) -> None:
        """Read the whole collection.

        Raises:
            KubeError: the API server refused or could not be reached.
        """
        listed, known = _Listed(self._gone), self._revision
        found = pages(self._api, self.resource, self.namespace, start_over=listed.clear)
        async for page in found:
            self.heartbeat.beat()
            self._compare(int(page.metadata.resource_version), known)
            if not await self._read(page, listed):
                return
        self._drop_unlisted(listed)

    async def catch_up(self) -> None:
        """Return when the copy has everything that was written before this call.

        Flow:
            A consistent LIST gives the present revision.  Where one page is the whole collection,
            the copy is made equal to it.  Otherwise the watch has to pass that revision: if it does
            not at once, `run` opens it again for so short a time that the API server soon sends
            a bookmark.  Calls that come meanwhile share the next proof.

        Guarantees:
            Waits for about two seconds where the API server is well, after a proof under way.

        Caveats:
            `run` has to be running.  The caller bounds the time: it waits through outages.

        Raises:
            KubeError: the LIST failed.
        """
        self._asked += 1
        ticket = self._asked
        async with self._turn:
            if self._proven >= ticket:
                return
            served = self._asked
            await self._catch_up()
            self._proven = served

    async def catch_up_with(self, newest: int) -> None:
        """Wait until the cache has everything up to `newest` of another cache.

        Flow:
            As a rule, the watch has reported all that already.  A consistent LIST proves that
            revisions did not go back.

        Raises:
            KubeError: the LIST failed.
        """
        present = await self._look()
        await self._passed(min(newest, present))

    async def _catch_up(self) -> None:
        await self._passed(await self._look())

    async def _look(self) -> int:
        """Read the present revision, and where one page is the whole collection, all of it."""
        limit = 1 if len(self._objects) > _PAGE else _PAGE
        listed, known = _Listed(self._gone), self._revision
        answer = await self._api.list(self.resource, ListOptions(self.namespace, limit=limit))
        page = decode(answer, RawList, f"LIST {self._request}")
        self._compare(int(page.metadata.resource_version), known)
        if not page.metadata.continue_ and await self._read(page, listed):
            self._drop_unlisted(listed)
        return int(page.metadata.resource_version)

    async def _passed(self, revision: int) -> None:
        """Wait until the watch has passed a revision."""
        if self._revision >= revision:
            return
        waiting = (revision, asyncio.get_running_loop().create_future())
        self._passing.append(waiting)
        if not self._short:
            self._cut_watch(_GRACE_SECONDS)
        try:
            await waiting[1]
        finally:
            if waiting in self._passing:
                self._passing.remove(waiting)

    def _cut_watch(self, seconds: float | None) -> None:
        """End the watch that runs now, in so many seconds; None: let it go on."""
        if self._patience is not None and not self._patience.expired():
            now = asyncio.get_running_loop().time()
            self._patience.reschedule(None if seconds is None else now + seconds)

    @contextmanager
    def event_handler(self, handle: Handler[T]) -> Generator[None]:
        """Call a handler with each difference while the block runs."""
        self._handlers.append(handle)
        try:
            yield
        finally:
            self._handlers.remove(handle)

    async def run(self) -> NoReturn:
        """Watch until cancelled; wait while the API server is out of reach.

        Raises:
            NotFoundError: the resource is not served any more.
            RevisionError: revisions went back.
        """
        failures, reopened = 0, False  # reopened: after an end that may be of the API server
        while True:
            self.heartbeat.beat()
            began = math.inf  # a list that takes long and fails is no watch that has lived
            try:
                if self._lost_history:
                    await self.sync()
                elif reopened:
                    await self._look()
                reopened = True
                began = asyncio.get_running_loop().time()
                cut_short = await self._watch()
                reopened = not cut_short
                if cut_short or asyncio.get_running_loop().time() - began > _SHORT_WATCH_SECONDS:
                    failures = 0
                else:
                    failures = await _pause(failures)
            except GoneError:
                self._lost_history = True
                failures = await _pause(_failures_in_a_row(failures, began))
            except (NotFoundError, RevisionError):
                raise
            except KubeError as error:
                failures = _failures_in_a_row(failures, began)
                level = log.warning if failures else log.info  # each watch ends some time
                level("watch failed", resource=self.resource.plural, error=str(error))
                failures = await _pause(failures)

    async def until_rollback(self) -> NoReturn:
        """Wait until a response shows that revisions went back.

        Raises:
            RevisionError: they went back.
        """
        await self._went_back.wait()
        assert self._back is not None
        raise self._back

    def _compare(self, shown: int, known: int) -> None:
        """End the copy where the API server shows an older revision than was known before.

        Raises:
            RevisionError: so it is.
        """
        if shown < known:
            self._back = RevisionError(self._request, shown, known)
            self._went_back.set()
            raise self._back

    def apply_response(self, answer: bytes) -> T:
        """Apply the object in the response to a write of ours, and return it."""
        try:
            item = self._whole_or_part(answer)
        except (msgspec.DecodeError, ValueError) as error:
            problem = f"an answer that cannot be read: {error}"
            raise UnreachableError(self._request, problem) from error
        item.intern(self._interner)
        if item.metadata.gone:
            self._forget(item)
        elif item.metadata.revision > self._revision:
            self._put(item)
        return item

    async def create(self, api: Api, namespace: str, body: bytes) -> T:
        """Write a new object, and apply the response.

        Raises:
            RevisionError: revisions went back; the object exists.
            KubeError: the write failed.
        """
        before = self._revision
        item = self.apply_response(await api.create(self.resource, namespace, body))
        self._compare(item.metadata.revision, before)
        return item

    async def patch(
        self, api: Api, known: T, changes: Mapping[str, object], subresource: str = ""
    ) -> T:
        """Merge changes into the known version of an object, and apply the response.

        Raises:
            ConflictError: the object has another resourceVersion by now.
            RevisionError: revisions went back; the patch is applied.
            KubeError: the write failed otherwise.
        """
        meta = known.metadata
        metadata = changes.get("metadata", {})
        assert isinstance(metadata, dict)
        version = {"resourceVersion": meta.resource_version}
        body = msgspec.json.encode({**changes, "metadata": {**metadata, **version}})
        before = self._revision
        answer = await api.patch(self.resource, meta.namespace, meta.name, body, subresource)
        item = self.apply_response(answer)
        if item.metadata.revision != meta.revision:  # that is one which changed nothing
            self._compare(item.metadata.revision, before)
        return item

    async def delete(self, api: Api, known: T) -> T | None:
        """Delete the object with the known uid; return None if no finalizer holds it.

        Raises:
            NotFoundError: it is gone already.
            KubeError: the deletion failed otherwise.
        """
        meta = known.metadata
        answer = await api.delete(self.resource, meta.namespace, meta.name, meta.uid)
        if _is_object(answer, meta.uid):
            item = self.apply_response(answer)
            self._compare(item.metadata.revision, meta.revision)
            return item
        self._forget(known)
        return None

    async def get_live(self, api: Api, key: Key) -> T | None:
        """Read an object from the API server itself; return None if it does not exist.

        Raises:
            RevisionError: revisions went back.
            KubeError: the request failed.
        """
        known = self.get(key)
        try:
            item = self.apply_response(await api.get(self.resource, key.namespace, key.name))
        except NotFoundError:
            return None
        if known is not None:
            self._compare(item.metadata.revision, known.metadata.revision)
        return item

    async def _watch(self) -> bool:
        """Watch until the server ends it, or a proof of freshness does: then return True."""
        self._short = bool(self._passing)
        options = ListOptions(
            self.namespace,
            resource_version=str(self._revision),
            timeout_seconds=_SHORT_SECONDS if self._short else 0,
            allow_watch_bookmarks=True,
        )
        lines = self._api.watch(self.resource, options)
        try:
            async with asyncio.timeout(None) as patience, aclosing(lines) as events:
                self._patience = patience
                async for line in events:
                    self._apply(line)
        except TimeoutError:
            return True
        finally:
            self._patience = None
        return False

    def _apply(self, line: bytes) -> None:
        event = decode(line, WatchEvent, self._request)
        if event.type == "ERROR":
            raise _error_in(event, self.resource.plural)
        header = decode(event.object, Object, self._request).metadata
        if event.type == "DELETED":
            self._gone.pop(header.uid, None)
        if header.revision <= self._revision:
            return  # a list has told more than that
        if event.type == "DELETED":
            self.unreadable.discard(header.key)
            if (known := self.get(header.key)) and known.metadata.revision <= header.revision:
                self._drop(header.key)
        elif event.type != "BOOKMARK":
            self._take(self._decode(event.object))
        self._progress(header.revision)

    def _take(self, item: T | Key) -> None:
        """Take over what the watch has told of an object."""
        if isinstance(item, Key):
            self.unreadable.add(item)
        else:
            self.unreadable.discard(item.metadata.key)
            self._put(item)

    def _progress(self, revision: int) -> None:
        """Remember up to where everything is known, and wake who waits for that."""
        self._revision = max(self._revision, revision)
        waiting, self._passing = self._passing, []
        for wanted, passed in waiting:
            if wanted > self._revision:
                self._passing.append((wanted, passed))
            elif not passed.done():
                passed.set_result(None)
        if waiting and not self._passing:
            self._cut_watch(0 if self._short else None)  # a short one would not soon help again

    def _overtakes(self, page: RawList) -> bool:
        """Whether a list is newer than the cache."""
        return self._lost_history or int(page.metadata.resource_version) > self._revision

    async def _read(self, page: RawList, listed: _Listed) -> bool:
        """Take over a page of a list, but for what a write of ours has answered since.

        Returns:
            False where the copy has come to be newer than the list.
        """
        listed.revision = int(page.metadata.resource_version)
        for number, raw in enumerate(page.items or ()):
            if number and number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if number % _AT_ONCE == 0 and not self._overtakes(page):
                return False
            item = self._decode(raw)
            if isinstance(item, Key):
                listed.unreadable.add(item)
                continue
            listed.keys.add(item.metadata.key)
            self._compare_listed(item, listed)
            if item.metadata.uid in self._gone:
                listed.gone.add(item.metadata.uid)
            self._put(item)
        return self._overtakes(page)

    def _compare_listed(self, item: T, listed: _Listed) -> None:
        """Compare an object in a list with the newest that the list must show."""
        revision, known = item.metadata.revision, self.get(item.metadata.key)
        if known and known.metadata.revision <= listed.revision:
            self._compare(revision, known.metadata.revision)
        if item.metadata.uid in listed.ended:
            self._compare(revision, listed.revision + 1)  # it has come back to life

    def _drop_unlisted(self, listed: _Listed) -> None:
        """Let go of what a list did not show; from then on the copy is as new as the list."""
        self._lost_history = False
        self._gone = {
            uid: revision
            for uid, revision in self._gone.items()
            if uid in listed.gone or revision > listed.revision
        }
        self.unreadable = listed.unreadable
        gone = self._objects.keys() - listed.keys - listed.unreadable
        for key in gone:
            if self._objects[key].metadata.revision <= listed.revision:
                self._drop(key)
        self._progress(listed.revision)

    def _decode(self, raw: msgspec.Raw) -> T | Key:
        """Read an object; of one that cannot be read, counted and reported, return the name."""
        try:
            item = self._whole_or_part(raw)
        except (msgspec.ValidationError, ValueError) as error:
            key = decode(raw, Object, self._request).metadata.key
            if key not in self.unreadable:  # each proof of freshness lists it again
                self.skipped += 1
                plural = self.resource.plural
                log.warning("object skipped", resource=plural, object=str(key), error=str(error))
            return key
        item.intern(self._interner)
        return item

    def _whole_or_part(self, raw: bytes | msgspec.Raw) -> T:
        """Decode an object, or what can be read of it where that is of use."""
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            if (part := self._kind.salvage(bytes(raw))) is None:
                raise
            log.warning("object read in part", resource=self.resource.plural, error=str(error))
            return part

    def _put(self, item: T) -> None:
        key = item.metadata.key
        if item.metadata.uid in self._gone:
            return
        known = self._objects.get(key)
        if known and item.metadata.revision <= known.metadata.revision:
            return
        self._objects[key] = item
        self._newest = max(self._newest, item.metadata.revision)
        self._notify(Modified(known, item) if known else Added(item))

    def _forget(self, item: T) -> None:
        """Drop an object that is gone; the watch may still tell of its last days."""
        known = self._objects.get(item.metadata.key)
        if known and known.metadata.uid == item.metadata.uid:
            self._gone[item.metadata.uid] = item.metadata.revision
            self._drop(item.metadata.key)

    def _drop(self, key: Key) -> None:
        self._notify(Deleted(self._objects.pop(key)))

    def _notify(self, delta: Delta[T]) -> None:
        for handle in self._handlers:
            handle(delta)


def _failures_in_a_row(failures: int, began: float) -> int:
    """Return how many failures came before one that ends now: none where the watch has lived."""
    lived = asyncio.get_running_loop().time() - began > _LIVED_SECONDS
    return 0 if lived else failures


async def _pause(failures: int) -> int:
    """Wait longer after each failure; returns how many there are now."""
    await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
    return failures + 1


def _is_object(answer: bytes, uid: str) -> bool:
    """Tell an object that still exists from a Status that says it does not."""
    return msgspec.json.decode(answer, type=_Deleted).metadata.uid == uid


@prepared
class _Deleted(Struct, frozen=True):
    """An object, or a Status."""

    metadata: Meta = Meta()


@prepared
class _Code(msgspec.Struct):
    code: int = 500


def _error_in(event: WatchEvent, plural: str) -> KubeError:
    code = msgspec.json.decode(event.object, type=_Code).code
    error = from_response(code, bytes(event.object), f"WATCH {plural}")
    expired = isinstance(error, ApiError) and error.reason == "Expired"
    return GoneError(code, "Expired", str(error), f"WATCH {plural}") if expired else error
