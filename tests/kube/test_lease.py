# SPDX-License-Identifier: Apache-2.0
"""The lease: one leader, who gives way at once when it stops."""

import asyncio
import contextlib
import json

import pytest

from kube.errors import ApiError, NotLeaderError
from kube.fake import FakeApi
from kube.lease import LEASES, Lease


def candidate(api: FakeApi, name: str, seconds: int = 15) -> Lease:
    return Lease(api, "system", "leader", name, seconds)


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

        async def create(self, *_: object) -> bytes:  # type: ignore[override]
            self.attempts += 1
            raise ApiError(403, "Forbidden", "no", "POST")

    api = ReadOnly()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await candidate(api, "first").acquire()

    assert api.attempts == 1
