# SPDX-License-Identifier: Apache-2.0
"""Events: news about an object, for people.  Nothing depends on them.

Flow:
    `Recorder.tell` takes news without waiting -> those of two seconds are gathered -> `write`.  Few
    news about the claims of a pool are an Event each; of many, one Event at the pool sums them up.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from kube.config import pod_name
from kube.errors import ConflictError, KubeError, NotLeaderError
from kube.resources import ApiResource
from objects import pools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kube.client import Api
    from kube.meta import Meta
    from objects.pools import PoolKey

log = structlog.get_logger(__name__)

CONTROLLER = "ipam.cluster.x-k8s.io/in-cluster"
"""What Events name as their source."""

EVENTS = ApiResource("events.k8s.io", "v1", "Event", "events")

_DEFAULT_NAMESPACE = "default"  # the only one for objects without a namespace
_GATHER_SECONDS = 2.0  # a storm of claims is over, or has shown that it is one
_FEW = 5  # claims of one pool, with news of one kind, that are told one by one
_MOST = 20  # Events per gathering: ten a second, beside hundreds of other writes
_HELD_BACK = 100_000  # news between two gatherings; more are not even counted
_SAME_SECONDS = 600.0  # in which the same news of an object are old
_REMEMBERED = 4096  # news that are remembered as told
_NAME_CHARACTERS = 200  # of the object's name in the Event's, which takes 253 in all
_NOTE_BYTES = 1000  # the API server takes 1,024
_NAMED = 3  # claims that a sum names


@dataclass(frozen=True, slots=True)
class News:
    """What an Event says: two words in CamelCase for programs, and a sentence for people."""

    reason: str
    action: str
    note: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class _Item:
    """News about an object, since when, and the pool whose news it is one of."""

    resource: ApiResource
    about: Meta
    news: News
    pool: PoolKey | None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Recorder:
    """Tells of what happens, in the background.

    `pool_of` finds the pool at which many news are summed up.

    Guarantees:
        `tell` never waits and never fails; the API server gets at most ten Events a second.

    Caveats:
        What was not written when the process ends is lost.
    """

    def __init__(
        self,
        api: Api,
        pool_of: Callable[[PoolKey], pools.Pool | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._pool_of = pool_of
        self._clock = clock
        self._items: list[_Item] = []
        self._some = asyncio.Event()
        self._told: OrderedDict[tuple[str, News], float] = OrderedDict()  # until when it is old

    def tell(
        self, resource: ApiResource, about: Meta, news: News, pool: PoolKey | None = None
    ) -> None:
        """Take news about an object; with a `pool`, many of a kind become one Event there."""
        if len(self._items) < _HELD_BACK and not self._is_old((about.uid, news)):
            self._items.append(_Item(resource, about, news, pool))
            self._some.set()

    async def run(self) -> NoReturn:
        """Write what was told, until cancelled.

        Raises:
            NotLeaderError: the lease is lost.
        """
        while True:
            await self._some.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was told until now."""
        self._some.clear()
        items, self._items = self._items, []
        found = list(self._summed_up(items))
        for item in found[:_MOST]:
            await write(self._api, item.resource, item.about, item.news, item.at)
        if left := len(found) - _MOST:
            log.debug("Events left out", events=max(left, 0))

    def _is_old(self, what: tuple[str, News]) -> bool:
        """Tell whether the same was told a short while ago, and remember that it is now."""
        now = self._clock()
        if self._told.get(what, 0.0) > now:
            return True
        self._told[what] = now + _SAME_SECONDS
        self._told.move_to_end(what)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return False

    def _summed_up(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield what to write: warnings first, and of many alike their sum."""
        groups: defaultdict[tuple[PoolKey | None, str], list[_Item]] = defaultdict(list)
        for item in sorted(items, key=lambda item: not item.news.warning):
            groups[item.pool, item.news.reason].append(item)
        for (key, _), alike in groups.items():
            pool = self._pool_of(key) if key else None
            if pool is None or len(alike) <= _FEW:
                yield from alike
            else:
                yield _sum(pool, alike)


def _sum(pool: pools.Pool, alike: list[_Item]) -> _Item:
    """Return the news of many claims as one of their pool."""
    first, last = alike[0], alike[-1]
    names = ", ".join(str(item.about.key) for item in alike[:_NAMED])
    note = (
        f"{len(alike)} claims, {names} and {len(alike) - _NAMED} more; the first: {first.news.note}"
    )
    news = News(first.news.reason, first.news.action, note, first.news.warning)
    return _Item(pools.KINDS[pool.kind], pool.metadata, news, pool.key, last.at)


async def write(
    api: Api,
    resource: ApiResource,
    about: Meta,
    news: News,
    at: datetime | None = None,
) -> None:
    """Leave an Event at an object.

    Guarantees:
        The same news of the same state of an object is one Event.  An API server that does not take
        it costs the news and no more.

    Raises:
        NotLeaderError: the lease is lost.
    """
    namespace = about.namespace or _DEFAULT_NAMESPACE
    body = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": _name(about, news), "namespace": namespace},
        "regarding": _reference(resource, about),
        "reason": news.reason,
        "action": news.action,
        "type": "Warning" if news.warning else "Normal",
        "note": news.note.encode()[:_NOTE_BYTES].decode(errors="ignore"),
        "eventTime": (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": CONTROLLER,
        "reportingInstance": pod_name(),
    }
    try:
        await api.create(EVENTS, namespace, msgspec.json.encode(body))
    except NotLeaderError:
        raise
    except ConflictError:
        log.debug("another leader has left this Event", reason=news.reason)
    except KubeError as error:
        log.warning("Event not written", reason=news.reason, error=str(error))


def _reference(resource: ApiResource, about: Meta) -> dict[str, str]:
    reference = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": about.name,
        "uid": about.uid,
        "resourceVersion": about.resource_version,
    }
    return reference | ({"namespace": about.namespace} if about.namespace else {})


def _name(about: Meta, news: News) -> str:
    """Return a name that the same news of the same state of an object has again."""
    state = f"{about.uid}\n{about.resource_version}\n{news.reason}\n{news.note}"
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    return f"{about.name[:_NAME_CHARACTERS].rstrip('-.')}.{digest}"
