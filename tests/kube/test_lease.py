# SPDX-License-Identifier: Apache-2.0
"""The lease: one leader, who gives way at once when it stops, whoever changes its lease."""

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncGenerator, Callable

import pytest
import pytest_asyncio
from typing_extensions import override

from kube import lease
from kube.errors import ApiError, NotLeaderError
from kube.lease import LEASES, Lease
from kube.meta import Key
from kube.options import EVERYTHING, ListOptions
from kube.resources import ApiResource
from kube.tasks import first_error
from kube.testing.fake import FakeApi, Json

NOTE = "example.com/note"
SHORT = 2  # seconds of a lease that a test waits for


def candidate(api: FakeApi, name: str, seconds: int = 15) -> Lease:
    return Lease(api, Key("system", "leader"), name, seconds, NOTE)


def holder(api: FakeApi) -> str | None:
    lease = api.read(LEASES, "system", "leader") or {}
    name: str | None = lease.get("spec", {}).get("holderIdentity")
    return name


async def test_the_first_candidate_leads_and_may_write() -> None:
    api = FakeApi()
    first = candidate(api, "first")
    with pytest.raises(NotLeaderError):
        first.write_seconds()

    await first.acquire()

    assert holder(api) == "first"
    assert 0 < first.write_seconds() <= 10


async def test_the_next_leads_as_soon_as_the_first_gives_way() -> None:
    api = FakeApi()
    first, second = candidate(api, "first"), candidate(api, "second")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.05)
    assert not waiting.done()

    await first.release()

    async with asyncio.timeout(10):
        await waiting
    assert holder(api) == "second"
    with pytest.raises(NotLeaderError):
        first.write_seconds()


async def test_a_renewal_that_was_applied_unseen_does_not_keep_the_lease_after_a_stop() -> None:
    api = FakeApi()
    first = candidate(api, "first")
    await first.acquire()
    api.put(LEASES, json.loads(json.dumps(api.read(LEASES, "system", "leader"))))

    await first.release()

    assert holder(api) is None


async def test_nobody_gives_away_what_another_holds() -> None:
    api = FakeApi()
    first, second = candidate(api, "first"), candidate(api, "second")
    await first.acquire()

    await second.release()

    assert holder(api) == "first"


async def test_an_api_server_that_refuses_writes_is_not_stormed() -> None:
    class ReadOnly(FakeApi):
        attempts = 0

        async def create(self, *_: object) -> bytes:  # type: ignore[override] # takes anything
            self.attempts += 1
            raise ApiError(403, "Forbidden", "no", "POST")

    api = ReadOnly()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await candidate(api, "first").acquire()

    assert api.attempts == 1


def deleted(api: FakeApi) -> None:
    api.remove(LEASES, "system", "leader")


def edited(api: FakeApi, **spec: object) -> None:
    body = copy.deepcopy(api.read(LEASES, "system", "leader"))
    assert body is not None
    body["spec"].update(spec)
    api.put(LEASES, body)


def given_away(api: FakeApi) -> None:
    edited(api, holderIdentity="somebody")


def emptied(api: FakeApi) -> None:
    edited(api, holderIdentity="")


def emptied_and_shortened(api: FakeApi) -> None:
    edited(api, holderIdentity="", leaseDurationSeconds=1)


def restored_to_the_end_of_a_former_leadership(api: FakeApi) -> None:
    edited(
        api,
        holderIdentity=None,
        leaseDurationSeconds=1,
        acquireTime="2026-01-01T00:00:00.000000Z",
        renewTime="2026-01-01T00:00:00.000000Z",
    )


def restored_to_a_former_leadership(api: FakeApi) -> None:
    edited(api, holderIdentity="former", renewTime="2026-01-01T00:00:00.000000Z")


def shortened(api: FakeApi) -> None:
    edited(api, leaseDurationSeconds=1)


LOST = (
    deleted,
    given_away,
    emptied,
    emptied_and_shortened,
    restored_to_the_end_of_a_former_leadership,
    restored_to_a_former_leadership,
)


class Unwatched(FakeApi):
    """Watches never tell anything."""

    @override
    async def watch(
        self, resource: ApiResource, options: ListOptions = EVERYTHING
    ) -> AsyncGenerator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def stopped(leader: Lease, seconds: float) -> str:
    """Wait until a leader stops by itself, and return why."""
    async with asyncio.timeout(seconds):
        with pytest.raises(ExceptionGroup) as stop:
            await leader.renew()
    error = first_error(stop.value)
    assert isinstance(error, NotLeaderError)
    return str(error)


@pytest.mark.parametrize("change", LOST)
async def test_who_leads_stops_at_once_when_the_watch_shows_that_its_lease_is_lost(
    change: Callable[[FakeApi], None],
) -> None:
    api = FakeApi()
    first = candidate(api, "first", 15)  # renewed every 2 s
    await first.acquire()
    stopping = asyncio.create_task(stopped(first, 1))
    await asyncio.sleep(0.05)

    change(api)

    assert await stopping
    assert first.held.name == "leader"  # whoever tells of the end knows of which Lease
    with pytest.raises(NotLeaderError):
        first.write_seconds()


@pytest.mark.parametrize("change", LOST)
async def test_who_leads_stops_at_the_next_renewal_where_the_watch_says_nothing(
    change: Callable[[FakeApi], None],
) -> None:
    api = Unwatched()
    first = candidate(api, "first", 3)  # renewed every 0.4 s
    await first.acquire()
    change(api)

    why = await stopped(first, 1)

    assert "deleted" in why or "held by" in why
    with pytest.raises(NotLeaderError):
        first.write_seconds()


CHANGED = (*LOST, shortened)


async def seconds_left(change: Callable[[FakeApi], None]) -> float:
    """Change the lease; return the seconds that its first holder has left when another leads."""
    api = FakeApi()
    first, second = candidate(api, "first", SHORT), candidate(api, "second", SHORT)
    await first.acquire()  # and never hears of it again
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.05)

    change(api)

    async with asyncio.timeout(10):
        await waiting
    return first.remaining()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes() -> dict[Callable[[FakeApi], None], float | BaseException]:
    """Return the result of `seconds_left` for each change; all run at the same time."""
    found = await asyncio.gather(*map(seconds_left, CHANGED), return_exceptions=True)
    return dict(zip(CHANGED, found, strict=True))


@pytest.mark.parametrize("change", CHANGED)
def test_a_candidate_leads_only_after_the_holder_of_a_changed_lease_has_stopped(
    change: Callable[[FakeApi], None],
    outcomes: dict[Callable[[FakeApi], None], float | BaseException],
) -> None:
    left = outcomes[change]

    assert isinstance(left, float), left
    assert left <= 0


async def test_a_lease_that_is_gone_and_put_back_is_waited_for_anew() -> None:
    api = FakeApi()
    first, second = candidate(api, "first", SHORT), candidate(api, "second", SHORT)
    await first.acquire()
    await first.release()
    backup = copy.deepcopy(api.read(LEASES, "system", "leader"))
    assert backup is not None
    leader = candidate(api, "leader", SHORT)
    await leader.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.05)

    deleted(api)
    await asyncio.sleep(1.2)  # it has looked
    api.put(LEASES, backup)

    async with asyncio.timeout(10):
        await waiting
    assert leader.remaining() <= 0


async def test_an_edit_that_leaves_the_holder_ends_nothing() -> None:
    api = FakeApi()
    first = candidate(api, "first", 3)
    await first.acquire()
    renewing = asyncio.create_task(first.renew())
    await asyncio.sleep(0.05)

    shortened(api)
    await asyncio.sleep(1)

    assert not renewing.done()
    assert spec(api)["leaseDurationSeconds"] == 3
    renewing.cancel()


def spec(api: FakeApi) -> Json:
    body: Json = (api.read(LEASES, "system", "leader") or {})["spec"]
    return body


async def test_who_was_frozen_past_the_end_never_renews_though_the_lease_names_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, later = Unwatched(), lease.now() + 20
    first = candidate(api, "first", 15)
    await first.acquire()
    renewing = asyncio.create_task(stopped(first, 5))
    await asyncio.sleep(0.05)

    monkeypatch.setattr(lease, "now", lambda: later)

    assert await renewing
    assert [verb for verb, *_ in api.writes] == ["create"]


# ---- what a holder leaves for the next ----


async def next_leader(api: FakeApi) -> str:
    """Let somebody lead, and return what was left."""
    following = candidate(api, "next", SHORT)
    async with asyncio.timeout(10):
        await following.acquire()
    return following.left


async def test_who_follows_a_release_gets_what_the_last_holder_left() -> None:
    api = FakeApi()
    first = candidate(api, "first")
    await first.acquire()
    await first.release("a note")

    assert await next_leader(api) == "a note"


async def test_what_was_left_is_for_one_follower_alone() -> None:
    api = FakeApi()
    first, second = candidate(api, "first"), candidate(api, "second", SHORT)
    await first.acquire()
    await first.release("a note")
    await second.acquire()
    stored = api.read(LEASES, "system", "leader") or {}
    assert stored["metadata"].get("annotations", {}) == {}

    await second.release()

    assert await next_leader(api) == ""


async def test_what_was_left_before_another_program_led_does_not_count() -> None:
    api = FakeApi()
    first = candidate(api, "first")
    await first.acquire()
    await first.release("a note")
    later = "2999-01-01T00:00:00.000000Z"  # a program that knows no notes has led, and let go
    edited(api, holderIdentity=None, acquireTime=later, renewTime=later)

    assert await next_leader(api) == ""


@pytest.mark.parametrize("left", ["", "no JSON", "[]", '{"renewTime": 7}'])
async def test_what_somebody_else_wrote_there_does_not_count(left: str) -> None:
    api = FakeApi()
    first = candidate(api, "first")
    await first.acquire()
    await first.release("a note")
    body = copy.deepcopy(api.read(LEASES, "system", "leader")) or {}
    body["metadata"]["annotations"] = {NOTE: left}
    api.put(LEASES, body)

    assert await next_leader(api) == ""


async def test_a_lease_that_ran_out_leaves_nothing() -> None:
    api = FakeApi()
    first = candidate(api, "first", SHORT)
    await first.acquire()

    assert await next_leader(api) == ""
