# SPDX-License-Identifier: Apache-2.0
"""The cache: never older than what it has been told, never without what it has missed."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress

import pytest
import structlog
from typing_extensions import override

from kube import informer as informer_module
from kube import liveness
from kube.deltas import Deleted, Delta
from kube.errors import GoneError, KubeError, NotFoundError, UnreachableError
from kube.informer import Informer
from kube.interner import Interner
from kube.meta import Key
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects import clusterapi, contracts, informers

LATEST = 1_000_000  # a revision that nothing in a script has passed
ADDRESSES = contracts.V1Beta2("v1beta2").addresses
CLUSTERS = ApiResource("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters")


def cluster(name: str, revision: int, *, paused: bool = False) -> Json:
    meta = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(revision)}
    return {"metadata": meta, "spec": {"paused": paused}}


def event(kind: str, item: Json) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode()


class Scripted(FakeApi):
    """Answers lists page by page and watches by script; waits for ever after the last watch.

    What is listed once the lists are over has more pages, so it says nothing of the objects.
    """

    def __init__(self, lists: list[list[Json]], watches: list[list[bytes | Exception]]) -> None:
        super().__init__()
        self.lists, self.watches = lists, watches
        self.revision = 10
        """Of the lists of the script."""

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        items = self.lists.pop(0) if self.lists else [{"more": True}]
        more = {"continue": "next"} if items and items[-1].pop("more", False) else {}
        revision = self.revision if items != [{}] else LATEST
        meta = {"resourceVersion": str(revision), **more}
        return json.dumps({"metadata": meta, "items": items}).encode()

    @override
    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        if not self.watches:
            await asyncio.Event().wait()
        for line in self.watches.pop(0):
            if isinstance(line, Exception):
                raise line
            yield line


async def followed(api: Scripted) -> tuple[Informer[clusterapi.Cluster], list[str]]:
    """Load, follow to the end of the script, and return the changes that were told."""
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    told: list[str] = []

    def tell(delta: Delta[clusterapi.Cluster]) -> None:
        told.append(f"{type(delta).__name__.lower()} {delta.object.metadata.name}")

    with suppress(TimeoutError), informer.event_handler(tell):
        async with asyncio.timeout(0.2):
            await informer.run()
    return informer, told


async def test_all_pages_of_a_list_are_read() -> None:
    api = Scripted([[cluster("a", 1) | {"more": True}], [cluster("b", 2)]], [])
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)

    await informer.sync()

    assert {item.metadata.name for item in informer} == {"a", "b"}


async def test_events_are_reported_once_and_in_order() -> None:
    lines: list[bytes | Exception] = [
        event("ADDED", cluster("b", 11)),
        event("MODIFIED", cluster("a", 12, paused=True)),
        event("BOOKMARK", {"metadata": {"resourceVersion": "13"}}),
        event("DELETED", cluster("b", 14)),
    ]

    informer, told = await followed(Scripted([[cluster("a", 1)]], [lines]))

    assert told == ["added b", "modified a", "deleted b"]
    assert [item.paused for item in informer] == [True]


async def test_what_a_write_answered_is_there_at_once_and_no_older_event_replaces_it() -> None:
    informer = Informer(Scripted([[cluster("a", 5)]], []), CLUSTERS, clusterapi.Cluster)
    await informer.sync()

    informer.apply_response(json.dumps(cluster("a", 20, paused=True)).encode())
    informer._apply_event(event("MODIFIED", cluster("a", 15)))

    found = informer.get(Key("default", "a"))
    assert found
    assert found.paused


async def test_an_answer_that_the_watch_has_passed_brings_nothing_back() -> None:
    informer = Informer(Scripted([[cluster("a", 5)]], []), CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    informer._apply_event(event("DELETED", cluster("a", 20)))

    informer.apply_response(json.dumps(cluster("a", 15)).encode())

    assert len(informer) == 0


@pytest.mark.parametrize(
    "gone",
    [
        GoneError(410, "Expired", "too old resource version", "WATCH clusters"),
        event("ERROR", {"code": 410, "reason": "Expired", "message": "too old"}),
    ],
)
async def test_lost_history_is_made_up_for_by_a_list(gone: bytes | Exception) -> None:
    lists = [[cluster("a", 1), cluster("b", 2)], [cluster("b", 2), cluster("c", 9)]]

    _, told = await followed(Scripted(lists, [[gone]]))

    assert told == ["added c", "deleted a"]


async def test_an_object_that_cannot_be_read_is_skipped_and_counted() -> None:
    broken = cluster("broken", 3)
    broken["spec"]["paused"] = "perhaps"

    later = event("MODIFIED", cluster("broken", 11) | {"spec": broken["spec"]})
    informer, told = await followed(Scripted([[broken, cluster("a", 1)]], [[later]]))

    assert [item.metadata.name for item in informer] == ["a"]
    assert (informer.skipped, told) == (1, [])
    assert informer.unreadable == {Key("default", "broken")}


async def test_an_object_that_can_be_read_in_part_is_there() -> None:
    meta = {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": "7"}
    api = FakeApi()
    api.put(ADDRESSES, {"metadata": meta, "spec": {"address": "10.0.0.5", "gateway": 7}})
    informer = Informer(api, ADDRESSES, clusterapi.IPAddress)

    await informer.sync()

    found = informer.get(Key("default", "web"))
    assert found is not None
    assert found.spec.address == "10.0.0.5"
    assert (informer.skipped, informer.unreadable) == (0, set())
    changed = await informer.patch(api, found, {"metadata": {"finalizers": ["a"]}})
    assert changed.spec.address == "10.0.0.5"


async def test_what_can_be_read_again_or_is_gone_is_not_unreadable_any_more() -> None:
    broken, other = cluster("broken", 3), cluster("other", 4)
    broken["spec"]["paused"] = other["spec"]["paused"] = "perhaps"
    lines: list[bytes | Exception] = [
        event("MODIFIED", cluster("broken", 11)),
        event("DELETED", cluster("other", 12) | {"spec": other["spec"]}),
    ]

    informer, told = await followed(Scripted([[broken, other]], [lines]))

    assert (informer.unreadable, told) == (set(), ["added broken"])


async def test_the_event_of_an_own_write_is_not_decoded_again() -> None:
    broken = cluster("a", 11)
    broken["spec"]["paused"] = "perhaps"  # so that a second decoding shows
    informer = Informer(FakeApi(), CLUSTERS, clusterapi.Cluster)
    informer.apply_response(json.dumps(cluster("a", 11)).encode())

    informer._apply_event(event("MODIFIED", broken))

    assert (informer.skipped, informer.unreadable, informer.revision) == (0, set(), 11)


async def test_an_object_whose_readable_state_is_known_is_not_unreadable_any_more() -> None:
    broken = cluster("a", 11)
    broken["spec"]["paused"] = "perhaps"
    informer = Informer(FakeApi(), CLUSTERS, clusterapi.Cluster)
    informer._apply_event(event("ADDED", broken))
    assert informer.unreadable
    informer.apply_response(json.dumps(cluster("a", 12)).encode())

    informer._apply_event(event("MODIFIED", cluster("a", 12)))

    assert not informer.unreadable


async def test_a_resource_that_is_not_served_any_more_ends_the_following() -> None:
    missing = NotFoundError(404, "NotFound", "no such resource", "WATCH clusters")
    informer = Informer(Scripted([[]], [[missing]]), CLUSTERS, clusterapi.Cluster)
    await informer.sync()

    with pytest.raises(NotFoundError):
        await informer.run()


async def test_what_a_write_of_ours_removed_is_gone_at_once_and_stays_so() -> None:
    api = FakeApi()
    api.put(CLUSTERS, cluster("a", 0) | {"metadata": {**held("a"), "uid": "first"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.get(Key("default", "a"))
    assert seen is not None
    changes: list[Delta[clusterapi.Cluster]] = []
    late = cluster("a", 900) | {"metadata": {**held("a"), "uid": "first", "resourceVersion": "900"}}

    with informer.event_handler(changes.append):
        await informer.patch(api, seen, {"metadata": {"finalizers": []}})
        assert informer.get(Key("default", "a")) is None
        informer._apply_event(event("MODIFIED", late))

    assert informer.get(Key("default", "a")) is None
    assert changes == [Deleted(seen)]


async def test_a_new_object_of_the_name_of_one_that_is_gone_is_taken_over() -> None:
    api = FakeApi()
    api.put(CLUSTERS, cluster("a", 0) | {"metadata": {**held("a"), "uid": "first"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.get(Key("default", "a"))
    assert seen is not None
    await informer.patch(api, seen, {"metadata": {"finalizers": []}})

    informer._apply_event(event("ADDED", cluster("a", 901)))
    informer._apply_event(
        event("DELETED", {"metadata": {**held("a"), "uid": "first"}})
    )  # of the first, late

    assert informer.get(Key("default", "a")) is not None


async def test_what_a_delete_of_ours_ended_is_gone_at_once() -> None:
    api = FakeApi()
    api.put(CLUSTERS, cluster("a", 0))
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.get(Key("default", "a"))
    assert seen is not None

    assert await informer.delete(api, seen) is None

    assert informer.get(Key("default", "a")) is None


def held(name: str) -> Json:
    """Return the metadata of an object whose deletion is held up."""
    meta = {"name": name, "namespace": "default", "resourceVersion": "900"}
    return meta | {"finalizers": ["x"], "deletionTimestamp": "2026-01-01T00:00:00Z"}


async def test_parts_that_objects_have_alike_are_kept_once() -> None:
    api = FakeApi()
    reference = {"apiGroup": "ipam.cluster.x-k8s.io", "kind": "InClusterIPPool", "name": "blue"}
    pool = {"kind": "InClusterIPPool", "name": "blue", "uid": "p"}
    contract = contracts.V1Beta2("v1beta2")
    for name in "ab":
        owners = [{"uid": name, "controller": True}, pool]
        meta = {
            "name": name,
            "namespace": "default",
            "finalizers": ["f"],
            "ownerReferences": owners,
        }
        api.put(contract.addresses, {"metadata": meta, "spec": {"poolRef": reference}})
        meta = {"name": name, "namespace": "default", "labels": {"x": "y"}}
        api.put(contract.claims, {"metadata": meta, "spec": {"poolRef": reference}})
    addresses = Informer(api, contract.addresses, clusterapi.IPAddress)
    claims = Informer(api, contract.claims, clusterapi.IPAddressClaim)
    await addresses.sync()
    await claims.sync()

    one, two = addresses
    assert one.metadata.finalizers is two.metadata.finalizers
    assert one.metadata.namespace is two.metadata.namespace
    assert one.metadata.labels is two.metadata.labels
    assert one.metadata.owner_references[1] is two.metadata.owner_references[1]
    assert [owner.uid for owner in two.metadata.owner_references] == ["b", "p"]
    assert one.spec.pool_ref is two.spec.pool_ref
    first, second = claims
    assert first.spec is second.spec


def test_parts_that_are_not_alike_do_not_pile_up() -> None:
    interner = Interner()
    for number in range(30_000):
        interner.intern(str(number))

    assert len(interner._parts) <= 10_001


async def test_a_deletion_older_than_the_known_object_removes_nothing() -> None:
    informer = Informer(Scripted([[cluster("a", 20)]], []), CLUSTERS, clusterapi.Cluster)
    await informer.sync()

    informer._apply_event(event("DELETED", cluster("a", 15)))

    assert informer.get(Key("default", "a")) is not None


async def test_a_line_that_cannot_be_read_ends_the_watch_and_no_more() -> None:
    lines: list[list[bytes | Exception]] = [[b"<html>"], [event("ADDED", cluster("b", 11))]]

    informer, told = await followed(Scripted([[]], lines))

    assert told == ["added b"]
    assert informer.skipped == 0


async def test_an_answer_to_a_write_that_cannot_be_read_may_have_been_applied() -> None:
    informer = Informer(FakeApi(), CLUSTERS, clusterapi.Cluster)

    with pytest.raises(UnreachableError, match="clusters: an answer that cannot be read") as caught:
        informer.apply_response(b"<html>")

    assert caught.value.maybe_applied


class Breaking(Scripted):
    """Ends each watch by an error, after the seconds that its script has for it."""

    def __init__(self, seconds: list[float]) -> None:
        super().__init__([[]], [])
        self.seconds = seconds
        self.now = 0.0
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @override
    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        if not self.seconds:
            raise NotFoundError(404, "NotFound", "the end of the script", "WATCH")
        self.now += self.seconds.pop(0)
        raise UnreachableError("WATCH clusters", "reset by peer")
        yield b""


async def broken(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> Breaking:
    api = Breaking(list(seconds))
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: api.now)
    monkeypatch.setattr(asyncio, "sleep", api.pause)
    with pytest.raises(NotFoundError):
        await informer.run()
    return api


async def test_watches_that_break_at_once_are_begun_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = await broken(monkeypatch, 0, 10, 0, 10)

    assert api.pauses == [0.1, 0.2, 0.5, 1.0]


async def test_after_a_watch_that_lived_the_pauses_are_short_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = await broken(monkeypatch, 0, 0, 0, 95, 95, 0)

    assert api.pauses == [0.1, 0.2, 0.5, 0.1, 0.1, 0.2]


async def test_only_a_watch_that_fails_after_another_failure_is_worth_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with structlog.testing.capture_logs() as logs:
        await broken(monkeypatch, 95, 95, 0)

    assert [each["log_level"] for each in logs] == ["info", "info", "warning"]


async def test_a_failure_is_known_until_the_next_list_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = UnreachableError("WATCH clusters", "refused")
    informer = Informer(Scripted([[]], [[refused]]), CLUSTERS, clusterapi.Cluster)
    seen: list[KubeError | None] = []

    async def pause(_failures: int) -> int:
        seen.append(informer.failure)
        return 1

    monkeypatch.setattr(informer_module, "_pause", pause)
    await informer.sync()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await informer.run()

    assert seen == [refused]
    assert informer.failure is None


async def test_each_watch_and_each_page_of_a_list_is_a_sign_of_life() -> None:
    pages = [[cluster("a", 1) | {"more": True}], [cluster("b", 2)]]
    lost = GoneError(410, "Expired", "too old resource version", "WATCH clusters")
    informer = Informer(Scripted([[], [], *pages], [[], [lost]]), CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    beats: list[int] = []
    informer.heartbeat.beat = lambda: beats.append(1)  # type: ignore[method-assign] # counts them

    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await informer.run()

    assert len(beats) == 3 + 2  # three watches, the last of which goes on, and two pages


async def test_followed_copies_that_are_silent_are_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "BOUND_SECONDS", 0.0)
    found = informers.Informers(FakeApi(), contracts.V1Beta2("v1beta2"), informers.Scope())
    await found.sync()
    following = asyncio.create_task(found.run())
    await asyncio.sleep(0.01)

    lost = [problem.partition(" has shown")[0] for problem in liveness.LIVENESS.problems()]
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following

    assert {f"the watch of {informer.resource.plural}" for informer in found.all} <= set(lost)
    assert not [each for each in liveness.LIVENESS.problems() if "the watch of" in each]


async def test_a_watch_that_ends_at_once_is_not_begun_anew_at_once() -> None:
    api = Scripted([[]], [[] for _ in range(50)])

    await followed(api)

    assert len(api.watches) > 40


class Server(FakeApi):
    """An API server that sends bookmarks only before the end of a short watch, as the real one."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[int] = []
        self.listed: list[int] = []
        self.slow = asyncio.Event()
        self.slow.set()

    @override
    async def list(self, resource: ApiResource, options: ListOptions = EVERYTHING) -> bytes:
        self.listed.append(options.limit)
        answer = await super().list(resource, options)
        await self.slow.wait()
        return answer

    @override
    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        seconds = options.timeout_seconds
        self.watched.append(seconds)
        if not seconds:
            async with aclosing(super().watch(resource, options)) as events:
                async for line in events:
                    yield line
        seen = int(options.resource_version)
        for line in tuple(self.changes(resource, options.namespace, seen)):
            yield line
        yield event("BOOKMARK", {"metadata": {"resourceVersion": str(self._revision)}})
        await asyncio.Event().wait()  # nothing else comes, until whoever watches leaves


FOREIGN = ApiResource("example.com", "v1", "Thing", "things")


def names(informer: Informer[clusterapi.Cluster]) -> list[str]:
    return sorted(item.metadata.name for item in informer)


@asynccontextmanager
async def at_work(informer: Informer[clusterapi.Cluster]) -> AsyncGenerator[None]:
    """Let the cache follow, once it has loaded."""
    await informer.sync()
    following = asyncio.create_task(informer.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


@pytest.fixture
async def large() -> AsyncGenerator[tuple[Server, Informer[clusterapi.Cluster]]]:
    """Return a cache of more than a page, quiet, while others write elsewhere."""
    api = Server()
    for number in range(501):
        api.put(CLUSTERS, {"metadata": {"name": f"c-{number}", "namespace": "default"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    async with at_work(informer):
        api.put(FOREIGN, {"metadata": {"name": "thing"}})
        yield api, informer


async def test_a_cache_of_one_page_catches_up_by_a_list_of_it() -> None:
    api = Server()
    api.put(CLUSTERS, {"metadata": {"name": "a", "namespace": "default"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    api.put(CLUSTERS, {"metadata": {"name": "b", "namespace": "default"}})
    api.remove(CLUSTERS, "default", "a")

    await informer.catch_up()

    assert names(informer) == ["b"]
    assert api.watched == []


async def test_a_large_quiet_cache_catches_up_by_a_short_watch(
    large: tuple[Server, Informer[clusterapi.Cluster]],
) -> None:
    api, informer = large
    present = api._revision
    assert informer.revision < present

    async with asyncio.timeout(5):
        await informer.catch_up()

    assert informer.revision == present
    assert api.watched == [0, 3]
    assert api.listed[2:] == [1]


async def test_after_a_proof_the_watch_is_a_long_one_again(
    large: tuple[Server, Informer[clusterapi.Cluster]],
) -> None:
    api, informer = large
    async with asyncio.timeout(5):
        await informer.catch_up()
        while len(api.watched) < 3:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.01)

    assert api.watched == [0, 3, 0]


async def test_who_catches_up_has_what_was_written_before(
    large: tuple[Server, Informer[clusterapi.Cluster]],
) -> None:
    api, informer = large
    api.slow.clear()
    proof = asyncio.create_task(informer.catch_up())
    await asyncio.sleep(0)
    api.put(CLUSTERS, {"metadata": {"name": "new", "namespace": "default"}})
    later = [asyncio.create_task(informer.catch_up()) for _ in range(20)]
    api.slow.set()

    async with asyncio.timeout(5):
        await asyncio.gather(proof, *later)

    assert "new" in names(informer)
    assert len(api.listed[2:]) == 2  # the proofs of all that came meanwhile are one


async def test_a_proof_that_nobody_waits_for_any_more_leaves_the_watch_alone(
    large: tuple[Server, Informer[clusterapi.Cluster]],
) -> None:
    _, informer = large
    with suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            await informer.catch_up()

    assert informer._waiters == []
    assert not informer._proof_lock.locked()


async def test_a_stale_event_after_a_proof_brings_nothing_back() -> None:
    api = Server()
    api.put(CLUSTERS, {"metadata": {"name": "a", "namespace": "default"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.revision
    api.put(CLUSTERS, {"metadata": {"name": "b", "namespace": "default"}})
    api.remove(CLUSTERS, "default", "b")
    await informer.catch_up()

    for line in api.changes(CLUSTERS, "", seen):
        informer._apply_event(line)
        assert names(informer) == ["a"]


async def test_what_a_delete_of_ours_ended_during_a_list_does_not_come_back() -> None:
    api = Server()
    api.put(CLUSTERS, {"metadata": {"name": "a", "namespace": "default"}})
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.get(Key("default", "a"))
    assert seen is not None
    api.put(CLUSTERS, {"metadata": {"name": "b", "namespace": "default"}})
    api.slow.clear()
    listing = asyncio.create_task(informer.sync())
    await asyncio.sleep(0)

    await informer.delete(api, seen)
    api.slow.set()
    await listing

    assert names(informer) == ["b"]


async def test_a_list_takes_over_page_by_page_and_keeps_no_second_copy(
    large: tuple[Server, Informer[clusterapi.Cluster]],
) -> None:
    api, informer = large
    seen = {item.metadata.name: item for item in informer}
    api.put(CLUSTERS, {"metadata": {"name": "c-0", "namespace": "default"}, "spec": {}})
    api.remove(CLUSTERS, "default", "c-1")
    informer._lost_history = True

    await informer.sync()

    assert len(informer) == 500
    unchanged = [item.metadata.name for item in informer if item is seen[item.metadata.name]]
    assert len(unchanged) == 499  # what is as it was is the object that was there
    assert "c-0" not in unchanged


async def test_a_list_of_what_is_known_takes_little_memory() -> None:
    each, number = 500, 40

    def pages() -> list[list[Json]]:
        found = [[cluster(f"c-{page}-{n}", 9) for n in range(each)] for page in range(number)]
        for page in found[:-1]:
            page[-1]["more"] = True
        return found

    informer = Informer(Scripted([*pages(), *pages()], []), CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    informer._lost_history = True
    tracemalloc.start()
    await informer.sync()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(informer) == each * number
    assert peak < 90 * each * number + 1_000_000  # bytes: of each object its name, and a page


async def test_what_was_made_and_deleted_during_a_list_does_not_come_back_by_a_late_event() -> None:
    api = Server()
    informer = Informer(api, CLUSTERS, clusterapi.Cluster)
    await informer.sync()
    seen = informer.revision
    api.put(FOREIGN, {"metadata": {"name": "thing"}})
    api.slow.clear()
    listing = asyncio.create_task(informer.sync())
    await asyncio.sleep(0)

    made = informer.apply_response(
        await api.create(
            CLUSTERS, "default", b'{"metadata": {"name": "x", "namespace": "default"}}'
        )
    )
    await informer.delete(api, made)
    api.slow.set()
    await listing

    for line in api.changes(CLUSTERS, "", seen):
        informer._apply_event(line)
        assert names(informer) == []
    assert informer._deleted == {}
