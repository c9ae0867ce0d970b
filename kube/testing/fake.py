# SPDX-License-Identifier: Apache-2.0
"""An API server in memory, for tests of what uses `kube.client.Api`.

It keeps the rules that the runtime relies on:

* One revision grows with every write, and each object has a uid.
* A merge patch fails on another resourceVersion.  If it says nothing new, it changes nothing.
* Finalizers hold a deletion, and none can be added during one.
* A watch reports every change, and all pages of a list show one moment.

It has no schemas, no generations and no status subresource of its own (a patch of `status` goes to
the same object).
"""

from __future__ import annotations

import asyncio
import bisect
import copy
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kube.errors import (
    ApiError,
    ConflictError,
    GoneError,
    KubeError,
    NotFoundError,
    UnreachableError,
)
from kube.options import EVERYTHING, ListOptions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from kube.resources import ApiResource

Json = dict[str, Any]
_Place = tuple[str, str, str]  # plural, namespace, name
_Change = tuple[_Place, str, Json]  # with the type of its event


class Backup(NamedTuple):
    """What there was at one time."""

    objects: dict[_Place, Json]
    revision: int
    history: list[_Change]


class FakeApi:
    """Objects by resource, namespace and name.

    `writes` lists what was done, as `(verb, plural, name)`.  An error in `fail` is raised by the
    next write instead of doing it; one in `refusals`, by every write of an object of that name or
    plural.  `now` is what a deletion is stamped with.
    """

    now = "2026-01-01T00:00:01Z"

    def __init__(self) -> None:
        self.writes: list[tuple[str, str, str]] = []
        self.fail: KubeError | None = None
        self.refusals: dict[str, KubeError] = {}
        self._objects: dict[_Place, Json] = {}
        self._revision = 100
        self._pages: dict[str, tuple[str, list[Json]]] = {}  # revision and rest by `continue`
        self._history: list[_Change] = []  # with growing revisions
        self._changed = asyncio.Event()
        self._starts = self._compacted = 0

    def put(self, resource: ApiResource, body: Json) -> Json:
        """Store an object as somebody else would, and return it as it is then."""
        meta = body.setdefault("metadata", {})
        place = (resource.plural, meta.get("namespace", ""), meta["name"])
        body |= {"apiVersion": resource.api_version, "kind": resource.kind}
        meta.setdefault("uid", f"uid-{self._revision}-{meta['name']}")
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        return self._store(place, body)

    def remove(self, resource: ApiResource, namespace: str, name: str) -> None:
        """Take an object away, whatever finalizers it has."""
        place = (resource.plural, namespace, name)
        gone = {"deletionTimestamp": self.now, "finalizers": None}
        self._store(place, _merged(self._known(place), {"metadata": gone}))

    def read(self, resource: ApiResource, namespace: str, name: str) -> Json | None:
        """Return an object, or None."""
        return self._objects.get((resource.plural, namespace, name))

    def backup(self) -> Backup:
        """Return all that `restore` brings back."""
        return copy.deepcopy(Backup(self._objects, self._revision, self._history))

    def restore(self, backup: Backup, bump: int = 0) -> None:
        """Be as before, and end all watches, as a restart does.

        `bump` is added to the revision, and what was before is compacted away: with --bump-revision
        and --mark-compacted, `etcdutl snapshot restore` does so.
        """
        self._objects, revision, self._history = copy.deepcopy(backup)
        self._revision = revision + bump
        self._compacted = self._revision if bump else 0
        self._starts += 1
        self._wake()

    async def get(self, resource: ApiResource, namespace: str, name: str) -> bytes:
        """Read one object."""
        return json.dumps(self._known((resource.plural, namespace, name))).encode()

    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        """Read a page of a collection; of the selectors, `metadata.name=` is known."""
        if options.continue_:
            revision, items = self._pages[options.continue_]
        else:
            revision, namespace = str(self._revision), options.namespace
            selector = options.field_selector
            items = [
                item
                for (plural, where, name), item in self._objects.items()
                if plural == resource.plural
                and namespace in ("", where)
                and selector in ("", f"metadata.name={name}")
            ]
        size = options.limit or len(items)
        meta = {"resourceVersion": revision}
        if rest := items[size:]:
            meta["continue"] = f"page-{len(self._pages)}"
            self._pages[meta["continue"]] = (revision, rest)
        return json.dumps({"metadata": meta, "items": items[:size]}).encode()

    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        """Yield each change after a resourceVersion; ends where nothing comes for its time-out."""
        seen = int(options.resource_version or "0")
        if seen < self._compacted:
            raise GoneError(410, "Expired", "too old resource version", f"WATCH {resource.plural}")
        start = self._starts
        while True:
            changed = self._changed
            if self._starts != start:
                raise UnreachableError(f"WATCH {resource.plural}", "the API server was restarted")
            for event in tuple(self.changes(resource, options.namespace, seen)):
                yield event
            seen = self._revision
            try:
                await asyncio.wait_for(changed.wait(), options.timeout_seconds or None)
            except TimeoutError:
                return

    def changes(self, resource: ApiResource, namespace: str, seen: int) -> Iterator[bytes]:
        """Yield each change after a revision until now, as a watch does."""
        unseen = bisect.bisect_right(self._history, seen, key=_revision)
        for (plural, where, _), kind, item in self._history[unseen:]:
            if plural == resource.plural and namespace in ("", where):
                yield json.dumps({"type": kind, "object": item}).encode()

    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        """Write a new object."""
        item: Json = json.loads(body)
        name = item.get("metadata", {}).get("name", "")  # a review has none
        place = (resource.plural, namespace, name)
        self._write("create", place)
        if place in self._objects:
            raise ConflictError(409, "AlreadyExists", f"{place[2]} exists", f"POST {place}")
        return json.dumps(self.put(resource, item)).encode()

    async def patch(
        self,
        resource: ApiResource,
        namespace: str,
        name: str,
        body: bytes,
        subresource: str = "",
    ) -> bytes:
        """Apply a merge patch to the version it is meant for."""
        place = (resource.plural, namespace, name)
        self._write(f"patch {subresource}".strip(), place)
        known, changes = self._known(place), json.loads(body)
        version = changes["metadata"].pop("resourceVersion")
        if version != known["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", f"{name} has changed", f"PATCH {place}")
        merged = _merged(known, changes)
        if _finalizers(merged) - _finalizers(known) and known["metadata"].get("deletionTimestamp"):
            text = f"{name} is being deleted, so no finalizers can be added"
            raise ApiError(422, "Invalid", text, f"PATCH {place}")
        left = known if merged == known else self._store(place, merged)
        return json.dumps(left).encode()

    async def delete(self, resource: ApiResource, namespace: str, name: str, uid: str) -> bytes:
        """Delete an object; finalizers hold it."""
        place = (resource.plural, namespace, name)
        self._write("delete", place)
        known = self._known(place)
        if known["metadata"]["uid"] != uid:
            raise ConflictError(409, "Conflict", f"{name} has another uid", f"DELETE {place}")
        if known["metadata"].get("deletionTimestamp"):
            return json.dumps(known).encode()
        left = self._store(place, _merged(known, {"metadata": {"deletionTimestamp": self.now}}))
        return json.dumps(left if place in self._objects else {"kind": "Status"}).encode()

    async def discover(self, etag: str) -> tuple[bytes, str] | None:
        """Answer as an API server without aggregated discovery does."""
        del etag
        return b'{"kind":"APIGroupList"}', ""

    def _write(self, verb: str, place: _Place) -> None:
        if self.fail:
            error, self.fail = self.fail, None
            raise error
        for known in (place[0], place[2]):
            if known in self.refusals:
                raise self.refusals[known]
        self.writes.append((verb, place[0], place[2]))

    def _known(self, place: _Place) -> Json:
        if place not in self._objects:
            raise NotFoundError(404, "NotFound", f"{place[2]} not found", f"GET {place}")
        return self._objects[place]

    def _store(self, place: _Place, item: Json) -> Json:
        """Keep an object under a new revision, unless nothing holds its deletion any more."""
        self._revision += 1
        meta, last = item["metadata"], item
        kind = "MODIFIED" if place in self._objects else "ADDED"
        item = _merged(item, {"metadata": {"resourceVersion": str(self._revision)}})
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self._objects.pop(place, None)
            self._tell(place, "DELETED", item)
            return last  # with its old resourceVersion, as the real one answers
        self._objects[place] = item
        self._tell(place, kind, item)
        return item

    def _tell(self, place: _Place, kind: str, item: Json) -> None:
        """Tell the watches."""
        self._history.append((place, kind, item))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _revision(change: _Change) -> int:
    return int(change[2]["metadata"]["resourceVersion"])


def _finalizers(item: Json) -> set[str]:
    return set(item["metadata"].get("finalizers") or ())


def _merged(known: Json, changes: Json) -> Json:
    """Apply a JSON merge patch (RFC 7396)."""
    result = dict(known)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(result.get(name) or {}, cast("Json", value))
        else:
            result[name] = value
    return result
