# SPDX-License-Identifier: Apache-2.0
"""A local copy of a collection, kept current by a watch: client-go's informer, in asyncio."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from .client import decode, pages
from .errors import (
    ApiError,
    GoneError,
    KubeError,
    NotFoundError,
    RevisionError,
    UnreachableError,
    from_response,
)
from .liveness import Heartbeat
from .meta import Key, Meta, Object, RawList, T, WatchEvent
from .options import ListOptions
from .store import Store
from .structs import Struct, prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .client import Api
    from .resources import ApiResource

log = structlog.get_logger(__name__)

_SHORT_WATCH_SECONDS = 1.0  # a watch that ends sooner counts as a failure, even without an error

_LIVED_SECONDS = 15.0
"""A watch that fails after this time did work: one that cannot be opened fails within the 10 s of
a request."""

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
    """The result of the pages of a list so far."""

    def __init__(self, deleted: Iterable[str]) -> None:
        self.deleted = frozenset(deleted)
        """uids that our requests had deleted before the list began."""
        self.clear()

    def clear(self) -> None:
        """Drop everything, because the list starts over."""
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # by namespace
        self.unreadable: set[Key] = set()
        self.deleted_since: set[str] = set()
        """uids that it shows although our requests have deleted them since."""
        self.revision = 0

    def add(self, meta: Meta) -> None:
        """Remember a name.  It takes no memory of its own if `meta` is that of a kept object."""
        self._names[meta.namespace].add(meta.name)

    def __contains__(self, key: Key) -> bool:
        return key.name in self._names[key.namespace] or key in self.unreadable


class Informer(Store[T]):
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
        super().__init__(resource, kind)
        self.namespace = namespace
        """The only namespace that it watches; empty: all."""
        self.heartbeat = Heartbeat(f"the watch of {resource.plural}")
        """Of `run`."""
        self.failure: KubeError | None = None
        """Why `run` cannot list or watch at present; None if it can."""
        self._api = api
        self._request = f"{resource.plural} {namespace}".rstrip()
        self._revision = 0
        self._lost_history = False  # so only a list shows what is deleted
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []  # for a revision
        self._watch_timeout: asyncio.Timeout | None = None  # of the watch that runs now
        self._short_watch = False  # whether that is one for a proof of freshness
        self._rollback: RevisionError | None = None
        self._rolled_back = asyncio.Event()
        self._proof_lock = asyncio.Lock()  # one proof of freshness at a time
        self._proofs_requested = 0  # calls of `catch_up` so far
        self._proofs_served = 0

    @property
    def revision(self) -> int:
        """The resourceVersion up to which the watch has reported everything."""
        return self._revision

    async def sync(self) -> None:
        """List the whole collection.

        Raises:
            KubeError: the API server refused or could not be reached.
        """
        listed, known = _Listed(self._deleted), self._revision
        found = pages(self._api, self.resource, self.namespace, start_over=listed.clear)
        async for page in found:
            self.heartbeat.beat()
            self._check_revision(int(page.metadata.resource_version), known)
            if not await self._apply_page(page, listed):
                return
        self._remove_unlisted(listed)

    async def catch_up(self) -> None:
        """Wait until the copy has everything that was written before this call.

        Flow:
            A consistent LIST gives the present revision.  If one page is the whole collection, the
            copy becomes equal to it.  Otherwise the watch has to pass that revision.  If it does
            not at once, `run` opens a watch so short that the API server soon sends a bookmark.
            Calls that come meanwhile share the next proof.

        Guarantees:
            While the API server is healthy, it waits for about two seconds, after a proof that is
            under way.

        Caveats:
            `run` has to be running.  The caller bounds the time: it waits through outages.

        Raises:
            KubeError: the LIST failed.
        """
        self._proofs_requested += 1
        ticket = self._proofs_requested
        async with self._proof_lock:
            if self._proofs_served >= ticket:
                return
            served = self._proofs_requested
            await self._catch_up()
            self._proofs_served = served

    async def catch_up_with(self, newest: int) -> None:
        """Wait until the copy has everything up to `newest` of another informer.

        Flow:
            As a rule, the watch has reported all of it already.  A consistent LIST proves that
            revisions did not go back.

        Raises:
            KubeError: the LIST failed.
        """
        present = await self._list_now()
        await self._wait_for_revision(min(newest, present))

    async def _catch_up(self) -> None:
        await self._wait_for_revision(await self._list_now())

    async def _list_now(self) -> int:
        """Return the present revision; if one page is the whole collection, apply it."""
        limit = 1 if len(self._objects) > _PAGE else _PAGE
        listed, known = _Listed(self._deleted), self._revision
        answer = await self._api.list(self.resource, ListOptions(self.namespace, limit=limit))
        page = decode(answer, RawList, f"LIST {self._request}")
        self._check_revision(int(page.metadata.resource_version), known)
        if not page.metadata.continue_ and await self._apply_page(page, listed):
            self._remove_unlisted(listed)
        return int(page.metadata.resource_version)

    async def _wait_for_revision(self, revision: int) -> None:
        """Wait until the watch has passed a revision."""
        if self._revision >= revision:
            return
        waiting = (revision, asyncio.get_running_loop().create_future())
        self._waiters.append(waiting)
        if not self._short_watch:
            self._cut_watch(_GRACE_SECONDS)
        try:
            await waiting[1]
        finally:
            if waiting in self._waiters:
                self._waiters.remove(waiting)

    def _cut_watch(self, seconds: float | None) -> None:
        """End the present watch after so many seconds; None lets it go on."""
        if self._watch_timeout is not None and not self._watch_timeout.expired():
            now = asyncio.get_running_loop().time()
            self._watch_timeout.reschedule(None if seconds is None else now + seconds)

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
                    await self._list_now()
                reopened, self.failure = True, None
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
                self.failure = error
                failures = _failures_in_a_row(failures, began)
                level = log.warning if failures else log.info  # each watch ends some time
                level("watch failed", resource=self.resource.plural, error=str(error))
                failures = await _pause(failures)

    async def until_rollback(self) -> NoReturn:
        """Wait until a response shows that revisions went back.

        Raises:
            RevisionError: they went back.
        """
        await self._rolled_back.wait()
        assert self._rollback is not None
        raise self._rollback

    def _check_revision(self, shown: int, known: int) -> None:
        """End the informer if the API server shows an older revision than one known before.

        Raises:
            RevisionError: it does.
        """
        if shown < known:
            self._rollback = RevisionError(self._request, shown, known)
            self._rolled_back.set()
            raise self._rollback

    def apply_response(self, answer: bytes) -> T:
        """Apply the object in the response to a write of ours, and return it."""
        try:
            item = self._decode(answer)
        except (msgspec.DecodeError, ValueError) as error:
            problem = f"an answer that cannot be read: {error}"
            raise UnreachableError(self._request, problem) from error
        if item.metadata.gone:
            self._remove_deleted(item)
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
        self._check_revision(item.metadata.revision, before)
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
            self._check_revision(item.metadata.revision, before)
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
            self._check_revision(item.metadata.revision, meta.revision)
            return item
        self._remove_deleted(known)
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
            self._check_revision(item.metadata.revision, known.metadata.revision)
        return item

    async def _watch(self) -> bool:
        """Watch until the server ends it; return whether a proof of freshness ended it instead."""
        self._short_watch = bool(self._waiters)
        options = ListOptions(
            self.namespace,
            resource_version=str(self._revision),
            timeout_seconds=_SHORT_SECONDS if self._short_watch else 0,
            allow_watch_bookmarks=True,
        )
        lines = self._api.watch(self.resource, options)
        try:
            async with asyncio.timeout(None) as patience, aclosing(lines) as events:
                self._watch_timeout = patience
                async for line in events:
                    self._apply_event(line)
        except TimeoutError:
            return True
        finally:
            self._watch_timeout = None
        return False

    def _apply_event(self, line: bytes) -> None:
        event = decode(line, WatchEvent, self._request)
        if event.type == "ERROR":
            raise _error_in(event, self.resource.plural)
        header = decode(event.object, Object, self._request).metadata
        if event.type == "DELETED":
            self._deleted.pop(header.uid, None)
        if header.revision <= self._revision:
            return  # a list has shown a later state
        if event.type == "DELETED":
            self.unreadable.discard(header.key)
            if (known := self.get(header.key)) and known.metadata.revision <= header.revision:
                self._remove(header.key)
        elif event.type != "BOOKMARK":
            self._apply_object(event.object, header)
        self._advance(header.revision)

    def _apply_object(self, raw: msgspec.Raw, header: Meta) -> None:
        """Apply what the watch reports of an object, unless the copy has it from our own write."""
        known = self.get(header.key)
        if known is None or known.metadata.revision < header.revision:
            item = self._decode_or_skip(raw)
            if isinstance(item, Key):
                self.unreadable.add(item)
                return
            self._put(item)
        self.unreadable.discard(header.key)

    def _advance(self, revision: int) -> None:
        """Set the revision up to which everything is known, and wake those who wait for it."""
        self._revision = max(self._revision, revision)
        waiting, self._waiters = self._waiters, []
        for wanted, passed in waiting:
            if wanted > self._revision:
                self._waiters.append((wanted, passed))
            elif not passed.done():
                passed.set_result(None)
        if waiting and not self._waiters:
            self._cut_watch(0 if self._short_watch else None)  # the next proof needs a new one

    def _is_newer(self, page: RawList) -> bool:
        """Whether a list is newer than the copy."""
        return self._lost_history or int(page.metadata.resource_version) > self._revision

    async def _apply_page(self, page: RawList, listed: _Listed) -> bool:
        """Apply a page of a list, except objects that are newer in the copy.

        Returns:
            False if the copy has become newer than the list.
        """
        listed.revision = int(page.metadata.resource_version)
        for number, raw in enumerate(page.items or ()):
            if number and number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if number % _AT_ONCE == 0 and not self._is_newer(page):
                return False
            item = self._decode_or_skip(raw)
            if isinstance(item, Key):
                listed.unreadable.add(item)
                continue
            self._check_listed(item, listed)
            if item.metadata.uid in self._deleted:
                listed.deleted_since.add(item.metadata.uid)
            self._put(item)
            listed.add((self.get(item.metadata.key) or item).metadata)
        return self._is_newer(page)

    def _check_listed(self, item: T, listed: _Listed) -> None:
        """Compare an object in a list with the state that the list must show at least."""
        revision, known = item.metadata.revision, self.get(item.metadata.key)
        if known and known.metadata.revision <= listed.revision:
            self._check_revision(revision, known.metadata.revision)
        if item.metadata.uid in listed.deleted:
            self._check_revision(revision, listed.revision + 1)  # it was deleted, and is back

    def _remove_unlisted(self, listed: _Listed) -> None:
        """Remove what a list did not show; then the copy is as new as the list."""
        self._lost_history = False
        self._deleted = {
            uid: revision
            for uid, revision in self._deleted.items()
            if uid in listed.deleted_since or revision > listed.revision
        }
        self.unreadable = listed.unreadable
        for key in [key for key in self._objects if key not in listed]:
            if self._objects[key].metadata.revision <= listed.revision:
                self._remove(key)
        self._advance(listed.revision)


def _failures_in_a_row(failures: int, began: float) -> int:
    """Return how many failures preceded this one in a row: 0 if the watch worked in between."""
    lived = asyncio.get_running_loop().time() - began > _LIVED_SECONDS
    return 0 if lived else failures


async def _pause(failures: int) -> int:
    """Wait, longer after each failure, and return how many there are now."""
    await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
    return failures + 1


def _is_object(answer: bytes, uid: str) -> bool:
    """Whether the response to a deletion is the object, because finalizers hold it."""
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
