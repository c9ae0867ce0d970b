# SPDX-License-Identifier: Apache-2.0
"""Events report to people what happens to an object.  No program depends on them.

Flow:
    `Recorder.record` keeps an Event without waiting -> two seconds later all kept Events are
    aggregated -> `flush` writes them, again if the API server does not answer.  Many Events of one
    reason in a group of objects become one Event.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

import msgspec
import structlog

from .config import pod_name
from .errors import ApiError, ConflictError, CredentialsError, KubeError, UnreachableError
from .resources import ApiResource

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from .client import Api
    from .meta import Meta

log = structlog.get_logger(__name__)

G = TypeVar("G", bound="Hashable")
"""What names a group of objects."""

EVENTS = ApiResource("events.k8s.io", "v1", "Event", "events")

_DEFAULT_NAMESPACE = "default"  # the only one for objects without a namespace
_COLLECT_SECONDS = 2.0  # long enough to see whether many objects have the same Event
_MOST_SINGLE = 5  # objects of one group and reason that get an Event each
_MOST_WRITTEN = 20  # Events of one flush: ten a second, beside hundreds of other writes
_RETRY_SECONDS = 10.0  # after a write without an answer, as in client-go's tools/record
_MOST_UNANSWERED = 12  # writes of one flush, as there of one Event: two minutes
_MOST_PENDING = 100_000  # kept Events; more are dropped
_REPEAT_SECONDS = 600.0  # in which the same Event of an object is not repeated
_MOST_RECENT = 4096  # Events that are remembered, to drop repetitions
_NAME_CHARACTERS = 200  # of the object's name in the Event's, which takes 253 in all
_NOTE_BYTES = 1000  # the API server takes 1,024
_MOST_NAMED = 3  # objects that an aggregated Event names
_UNANSWERED = (CredentialsError, UnreachableError)
"""The errors after which an Event is written again; any other is a refusal."""


@dataclass(frozen=True, slots=True)
class Event:
    """The content of an Event: two words in CamelCase for programs, and a sentence for people."""

    reason: str
    action: str
    note: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    resource: ApiResource
    meta: Meta


@dataclass(frozen=True, slots=True)
class _Recorded(Generic[G]):
    """An Event with its object, its time, and the group that it is aggregated in."""

    about: Subject
    event: Event
    group: G | None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Recorder(Generic[G]):
    """Writes Events in the background.

    `controller` is the `reportingController` of the Events.  `subject_of` returns the object that
    gets the aggregated Event of a group; `noun` is what that Event calls the members.

    Guarantees:
        `record` never waits and never fails; the API server gets at most ten Events a second.  If
        it does not answer, the same Event is written again for up to two minutes.

    Caveats:
        Events that are not written when the process ends are lost.
    """

    def __init__(
        self,
        api: Api,
        controller: str,
        subject_of: Callable[[G], Subject | None],
        noun: str = "objects",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._controller = controller
        self._subject_of = subject_of
        self._noun = noun
        self._clock = clock
        self._recorded: list[_Recorded[G]] = []
        self._unwritten = deque[_Recorded[G]]()
        self._unanswered = 0  # writes of them
        self._some = asyncio.Event()
        self._recent: OrderedDict[tuple[str, Event], float] = OrderedDict()  # until when it is old

    def record(
        self, resource: ApiResource, about: Meta, event: Event, group: G | None = None
    ) -> None:
        """Record an Event of an object; with a `group`, many of a reason become one."""
        if len(self._recorded) < _MOST_PENDING and not self._is_repeated((about.uid, event)):
            self._recorded.append(_Recorded(Subject(resource, about), event, group))
            self._some.set()

    async def run(self) -> NoReturn:
        """Write recorded Events, until cancelled.

        Raises:
            NotLeaderError: the lease is lost.
        """
        pause = _COLLECT_SECONDS
        while True:
            await self._some.wait()
            await asyncio.sleep(pause)
            pause = _COLLECT_SECONDS if await self.flush() else _RETRY_SECONDS

    async def flush(self) -> bool:
        """Write all Events that are recorded by now; return whether the API server answered.

        If it did not, the next flush first writes the Events that are left.

        Raises:
            NotLeaderError: the lease is lost.
        """
        if not self._unwritten:
            self._some.clear()
            self._unwritten.extend(self._next())
            self._unanswered = 0
        while self._unwritten:
            if not await self._is_done(self._unwritten[0]):
                self._some.set()
                return False
            self._unwritten.popleft()
        return True

    def _next(self) -> list[_Recorded[G]]:
        """Return the Events to write of all that are recorded by now."""
        items, self._recorded = self._recorded, []
        found = list(self._aggregate(items))
        if len(found) > _MOST_WRITTEN:
            log.debug("Events left out", events=len(found) - _MOST_WRITTEN)
        return found[:_MOST_WRITTEN]

    async def _is_done(self, item: _Recorded[G]) -> bool:
        """Write an Event; return False if it must be written again."""
        try:
            await _create(self._api, self._controller, item)
        except _UNANSWERED as error:
            self._unanswered += 1
            if self._unanswered < _MOST_UNANSWERED:
                return False
            _log_lost(item.event, error)
        return True

    def _is_repeated(self, what: tuple[str, Event]) -> bool:
        """Whether the same Event was recorded a short while ago; remember this one."""
        now = self._clock()
        if self._recent.get(what, 0.0) > now:
            return True
        self._recent[what] = now + _REPEAT_SECONDS
        self._recent.move_to_end(what)
        if len(self._recent) > _MOST_RECENT:
            self._recent.popitem(last=False)
        return False

    def _aggregate(self, items: Iterable[_Recorded[G]]) -> Iterator[_Recorded[G]]:
        """Yield the Events to write: warnings first, and many of a kind as one."""
        groups: defaultdict[tuple[G | None, str], list[_Recorded[G]]] = defaultdict(list)
        for item in sorted(items, key=lambda item: not item.event.warning):
            groups[item.group, item.event.reason].append(item)
        for (key, _), alike in groups.items():
            subject = None if key is None else self._subject_of(key)
            if subject is None or len(alike) <= _MOST_SINGLE:
                yield from alike
            else:
                yield self._aggregated(subject, alike)

    def _aggregated(self, subject: Subject, alike: list[_Recorded[G]]) -> _Recorded[G]:
        """Return the Events of many objects as one Event of their group."""
        first, last = alike[0], alike[-1]
        names = ", ".join(str(item.about.meta.key) for item in alike[:_MOST_NAMED])
        more = len(alike) - _MOST_NAMED
        members = f"{len(alike)} {self._noun}, {names} and {more} more"
        note = f"{members}; the first: {first.event.note}"
        event = Event(first.event.reason, first.event.action, note, first.event.warning)
        return _Recorded(subject, event, first.group, last.at)


async def write(api: Api, controller: str, about: Subject, event: Event) -> None:
    """Write an Event of an object in the name of a controller.

    Guarantees:
        The same content about the same state of an object is one Event.  If the API server refuses
        it or does not answer, only this Event is lost.

    Raises:
        NotLeaderError: the lease is lost.
    """
    item: _Recorded[Hashable] = _Recorded(about, event, None)
    try:
        await _create(api, controller, item)
    except _UNANSWERED as error:
        _log_lost(event, error)


async def _create(api: Api, controller: str, item: _Recorded[G]) -> None:
    """Create an Event, unless it exists or the API server refuses it.

    It exists if another leader wrote it, or an attempt without an answer.

    Raises:
        NotLeaderError: the lease is lost.
        CredentialsError, UnreachableError: there is no answer.
    """
    event, meta = item.event, item.about.meta
    namespace = meta.namespace or _DEFAULT_NAMESPACE
    body = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": _name(meta, event), "namespace": namespace},
        "regarding": _reference(item.about),
        "reason": event.reason,
        "action": event.action,
        "type": "Warning" if event.warning else "Normal",
        "note": event.note.encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "eventTime": item.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": controller,
        "reportingInstance": pod_name(),
    }
    try:
        await api.create(EVENTS, namespace, msgspec.json.encode(body))
    except ConflictError:
        pass
    except ApiError as error:
        _log_lost(event, error)


def _log_lost(event: Event, error: KubeError) -> None:
    log.warning("Event not written", reason=event.reason, error=str(error))


def _reference(about: Subject) -> dict[str, str]:
    resource, meta = about.resource, about.meta
    reference = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": meta.name,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
    }
    return reference | ({"namespace": meta.namespace} if meta.namespace else {})


def _name(about: Meta, event: Event) -> str:
    """Return a name that depends only on the content and on the state of the object."""
    state = f"{about.uid}\n{about.resource_version}\n{event.reason}\n{event.note}"
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    return f"{about.name[:_NAME_CHARACTERS].rstrip('-.')}.{digest}"
