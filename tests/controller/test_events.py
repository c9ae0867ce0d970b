# SPDX-License-Identifier: Apache-2.0
"""Few Events are written one by one, many as one, and the same ones once."""

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from builders import BLUE, CONTRACT
from typing_extensions import override

import kube.events
from controller import events
from kube.errors import ApiError, NotLeaderError, UnreachableError
from kube.events import EVENTS, Event
from kube.meta import Meta
from kube.resources import ApiResource
from kube.testing.fake import FakeApi, Json
from objects import pools

CLAIMS = CONTRACT.claims
POOL = pools.Pool(
    kind=BLUE.kind, metadata=pools.PoolMeta(name="blue", namespace="default", uid="pool-1")
)
WAITING = Event("PoolExhausted", "Allocate", "no address is free", warning=True)
GIVEN = Event("AddressAllocated", "Allocate", "address 10.0.0.5 was allocated")


class Unheard(FakeApi):
    """An API server whose first answer to a create is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self._lost = False

    @override
    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        answer = await super().create(resource, namespace, body)
        if not self._lost:
            self._lost = True
            raise UnreachableError("POST events", "timeout")
        self.answers.set()
        return answer


class Desk:
    """A recorder and what it wrote."""

    def __init__(self, api: FakeApi | None = None) -> None:
        self.api = api or FakeApi()
        self.seconds = 0.0
        self.pool: pools.Pool | None = POOL
        self.recorder = events.recorder(self.api, lambda _: self.pool, lambda: self.seconds)

    def record(self, number: int, event: Event = WAITING) -> None:
        about = Meta(name=f"claim-{number}", namespace="default", uid=f"uid-{number}")
        self.recorder.record(CLAIMS, about, event, BLUE)

    async def written(self) -> list[Json]:
        """Let everything be written, and return the Events of this time."""
        before = len(self.api.writes)
        await self.recorder.flush()
        names = [name for verb, _, name in self.api.writes[before:] if verb == "create"]
        return [self.api.read(EVENTS, "default", name) or {} for name in names]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_few_events_are_written_one_by_one_at_their_claims(desk: Desk) -> None:
    for number in range(5):
        desk.record(number)

    written = await desk.written()

    assert [event["regarding"]["name"] for event in written] == [f"claim-{n}" for n in range(5)]


async def test_an_event_says_everything_that_kubectl_shows(desk: Desk) -> None:
    desk.record(1)

    [event] = await desk.written()

    assert event["type"] == "Warning"
    assert event["reportingController"] == "ipam.cluster.x-k8s.io/in-cluster"
    assert event["reportingInstance"] == socket.gethostname()  # in a pod that is its name
    assert (event["reason"], event["action"]) == ("PoolExhausted", "Allocate")
    assert event["note"] == "no address is free"
    assert event["regarding"] == {
        "apiVersion": "ipam.cluster.x-k8s.io/v1beta2",
        "kind": "IPAddressClaim",
        "name": "claim-1",
        "namespace": "default",
        "resourceVersion": "0",
        "uid": "uid-1",
    }
    age = datetime.now(UTC) - datetime.fromisoformat(event["eventTime"])
    assert abs(age.total_seconds()) < 3600


async def test_many_alike_are_one_event_at_their_pool(desk: Desk) -> None:
    for number in range(10_000):
        desk.record(number)

    [event] = await desk.written()

    assert (event["regarding"]["kind"], event["regarding"]["name"]) == ("InClusterIPPool", "blue")
    assert event["note"] == (
        "10000 claims, default/claim-0, default/claim-1, default/claim-2 and 9997 more; "
        "the first: no address is free"
    )
    assert event["reason"] == "PoolExhausted"


async def test_what_differs_is_not_summed_up_together(desk: Desk) -> None:
    for number in range(4):
        desk.record(number)
        desk.record(number, GIVEN)

    assert len(await desk.written()) == 8


async def test_without_its_pool_there_is_no_sum_but_an_end(desk: Desk) -> None:
    desk.pool = None
    for number in range(100):
        desk.record(number)

    assert len(await desk.written()) == 20


async def test_warnings_come_first(desk: Desk) -> None:
    desk.pool = None
    for number in range(100):
        desk.record(number, GIVEN)
    desk.record(100)

    assert (await desk.written())[0]["type"] == "Warning"


async def test_the_same_event_is_recorded_again_only_after_ten_minutes(desk: Desk) -> None:
    desk.record(1)
    assert len(await desk.written()) == 1
    desk.seconds = 599
    desk.record(1)
    assert await desk.written() == []
    desk.seconds = 601
    desk.record(1, GIVEN)
    desk.record(2)

    assert len(await desk.written()) == 2


async def test_a_note_that_is_too_long_is_cut_between_characters(desk: Desk) -> None:
    desk.record(1, Event("AllocationFailed", "Allocate", "ä" * 2000))

    [event] = await desk.written()

    assert event["note"] == "ä" * 500


async def test_a_long_name_leaves_room_for_what_makes_the_events_unique(desk: Desk) -> None:
    about = Meta(name="a" * 199 + "-" + "b" * 53, namespace="default", uid="1")
    desk.recorder.record(CLAIMS, about, GIVEN)

    [event] = await desk.written()

    name, digest = event["metadata"]["name"].rsplit(".", 1)
    assert (name, len(digest)) == ("a" * 199, 16)


async def test_an_event_about_a_cluster_wide_object_is_in_the_default_namespace(
    desk: Desk,
) -> None:
    global_pool = Meta(name="blue", uid="1")
    desk.recorder.record(pools.RESOURCES["GlobalInClusterIPPool"], global_pool, WAITING)

    [event] = await desk.written()

    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["regarding"]


async def test_an_api_server_that_refuses_costs_only_the_event(desk: Desk) -> None:
    desk.api.fail = ApiError(403, "Forbidden", "no", "POST events")
    desk.record(1)
    desk.record(2)

    assert [event["regarding"]["name"] for event in await desk.written()] == ["claim-2"]


async def test_events_of_an_outage_are_written_after_it(desk: Desk) -> None:
    for number in range(3):
        desk.record(number)
    desk.api.fail = UnreachableError("POST events", "timeout")
    assert await desk.written() == []
    for number in range(3, 200):
        desk.record(number)

    first, second = await desk.written(), await desk.written()

    assert [event["regarding"]["name"] for event in first] == ["claim-0", "claim-1", "claim-2"]
    assert [event["note"].split(",")[0] for event in second] == ["197 claims"]


async def test_an_event_whose_answer_is_lost_is_written_once() -> None:
    desk = Desk(Unheard())
    desk.record(1)

    first, again = await desk.written(), await desk.written()

    assert first == again
    assert await desk.written() == []


async def test_an_event_is_given_up_after_twelve_tries_and_the_next_is_written(desk: Desk) -> None:
    desk.record(1)
    desk.record(2)
    for _ in range(11):
        desk.api.fail = UnreachableError("POST events", "500")
        assert await desk.written() == []

    desk.api.fail = UnreachableError("POST events", "500")

    assert [event["regarding"]["name"] for event in await desk.written()] == ["claim-2"]


async def test_events_that_fail_share_the_tries_of_a_flush(desk: Desk) -> None:
    for number in range(5):
        desk.record(number)
    for _ in range(11):
        desk.api.fail = UnreachableError("POST events", "500")
        await desk.written()
    desk.api.refusals["events"] = UnreachableError("POST events", "500")

    assert await desk.recorder.flush()

    desk.api.refusals.clear()
    desk.record(5)
    assert [event["regarding"]["name"] for event in await desk.written()] == ["claim-5"]


async def test_the_recorder_continues_when_the_api_server_answers_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kube.events, "_COLLECT_SECONDS", 0.01)
    monkeypatch.setattr(kube.events, "_RETRY_SECONDS", 0.01)
    api = Unheard()
    desk = Desk(api)
    desk.record(1)
    desk.record(2)
    running = asyncio.create_task(desk.recorder.run())

    async with asyncio.timeout(20):
        await api.answers.wait()
    running.cancel()

    assert len({name for _, _, name in api.writes}) == 2


async def test_an_event_can_be_written_at_once(desk: Desk) -> None:
    about = kube.events.Subject(CLAIMS, Meta(name="web", namespace="default", uid="1"))

    await kube.events.write(desk.api, "example.com/controller", about, GIVEN)

    [(_, _, name)] = desk.api.writes
    event = desk.api.read(EVENTS, "default", name) or {}
    assert event["reportingController"] == "example.com/controller"
    assert (event["reason"], event["regarding"]["name"]) == ("AddressAllocated", "web")


async def test_a_lost_event_that_is_written_at_once_raises_no_error(desk: Desk) -> None:
    about = kube.events.Subject(CLAIMS, Meta(name="web", namespace="default", uid="1"))
    desk.api.fail = UnreachableError("POST events", "timeout")

    await kube.events.write(desk.api, "example.com/controller", about, GIVEN)

    assert desk.api.writes == []


async def test_a_lost_lease_ends_it(desk: Desk) -> None:
    desk.api.fail = NotLeaderError("lost")
    desk.record(1)

    with pytest.raises(NotLeaderError):
        await desk.recorder.flush()


async def test_events_are_bounded_between_two_flushes(desk: Desk) -> None:
    for number in range(100_010):
        desk.record(number)

    [event] = await desk.written()

    assert event["note"].startswith("100000 claims")
