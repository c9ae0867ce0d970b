# SPDX-License-Identifier: Apache-2.0
"""The API server is asked who may only as often as it must be."""

import asyncio
import json

import pytest
from typing_extensions import override

from kube import auth, errors
from kube.resources import ApiResource
from kube.testing import fake
from manager import reviews

GOOD = "Bearer good"
BAD = "Bearer bad"


class Asked(fake.FakeApi):
    """Knows one token, whose user may get everything but /debug; counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[str] = []
        self.at_once = self.most_at_once = 0
        self.go = asyncio.Event()
        self.go.set()
        self.away = False
        self.allowed = True

    @override
    async def create(self, resource: ApiResource, namespace: str, body: bytes) -> bytes:
        self.questions.append(resource.kind)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await self.go.wait()
        self.at_once -= 1
        if self.away:
            raise errors.UnreachableError("POST", "no answer in 10 s")
        spec = json.loads(body)["spec"]
        if resource == auth.TOKEN_REVIEWS:
            known = spec["token"].startswith("good")
            return json.dumps(
                {"status": {"authenticated": known, "user": {"username": "prometheus"}}}
            ).encode()
        path = spec["nonResourceAttributes"]["path"]
        return json.dumps({"status": {"allowed": self.allowed and path != "/debug"}}).encode()


class Desk:
    """Reviews with a clock of their own."""

    def __init__(self) -> None:
        self.api = Asked()
        self.now = 1000.0
        self.reviews = reviews.Reviews(self.api, lambda: self.now)

    async def ask(
        self, authorization: str = GOOD, path: str = "/metrics", verb: str = "get"
    ) -> int:
        refusal = await self.reviews.refusal(verb, path, authorization)
        return refusal.status if refusal else 200

    def asked(self) -> int:
        """Return how many questions came since the last time."""
        count = len(self.api.questions)
        self.api.questions.clear()
        return count


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_scraper_costs_two_questions_a_minute(desk: Desk) -> None:
    for _ in range(4):
        assert await desk.ask() == 200
        desk.now += 14.9
    assert desk.asked() == 2

    desk.now += 0.5
    assert await desk.ask() == 200

    assert desk.asked() == 2


async def test_a_right_that_is_taken_away_ends_within_a_minute(desk: Desk) -> None:
    assert await desk.ask() == 200
    desk.api.allowed = False
    desk.now += 60

    assert await desk.ask() == 403


@pytest.mark.parametrize(
    ("authorization", "path", "status"), [(BAD, "/metrics", 401), (GOOD, "/debug", 403)]
)
async def test_a_refusal_is_remembered_for_ten_seconds(
    desk: Desk, authorization: str, path: str, status: int
) -> None:
    for _ in range(9):
        assert await desk.ask(authorization, path) == status
        desk.now += 1.1
    assert desk.asked() == (1 if status == 401 else 2)

    desk.now += 0.2
    await desk.ask(authorization, path)

    assert desk.asked()


async def test_an_answer_is_about_one_path_and_one_verb(desk: Desk) -> None:
    assert await desk.ask() == 200
    assert await desk.ask(path="/debug") == 403
    desk.api.allowed = False

    assert await desk.ask(verb="put") == 403
    assert await desk.ask() == 200


async def test_an_api_server_that_does_not_answer_is_asked_again(desk: Desk) -> None:
    desk.api.away = True
    assert await desk.ask() == 503
    desk.api.away = False

    assert await desk.ask() == 200


async def test_no_token_is_kept(desk: Desk) -> None:
    await desk.ask("Bearer good-and-secret")
    await desk.ask("Bearer bad-and-secret")

    kept = repr([vars(each) for each in (desk.reviews._allowed, desk.reviews._refused)])
    assert "secret" not in kept
    other = Desk()
    await other.ask("Bearer good-and-secret")
    assert not desk.reviews._allowed._answers.keys() & other.reviews._allowed._answers.keys()


async def test_a_flood_of_bad_tokens_is_bounded_and_pushes_no_good_one_out(desk: Desk) -> None:
    assert await desk.ask() == 200
    for number in range(3000):
        await desk.ask(f"Bearer bad-{number}")
    desk.asked()

    assert await desk.ask() == 200

    assert desk.asked() == 0
    assert len(desk.reviews._refused._answers) == 1024


async def test_four_are_asked_at_once_and_who_finds_too_many_waiting_is_refused(
    desk: Desk,
) -> None:
    assert await desk.ask() == 200
    desk.api.go.clear()
    flood = [asyncio.create_task(desk.ask(f"Bearer bad-{number}")) for number in range(100)]
    await asyncio.sleep(0.01)

    assert await desk.ask() == 200  # what is known needs no turn
    assert await desk.ask("Bearer good-2") == 429
    desk.api.go.set()
    answers = await asyncio.gather(*flood)

    assert (answers.count(401), answers.count(429)) == (32, 68)
    assert desk.api.most_at_once == 4
    assert await desk.ask("Bearer good-2") == 200


async def test_many_who_ask_the_same_at_once_cost_few_questions(desk: Desk) -> None:
    desk.api.go.clear()
    crowd = [asyncio.create_task(desk.ask()) for _ in range(30)]
    await asyncio.sleep(0.01)
    desk.api.go.set()

    assert set(await asyncio.gather(*crowd)) == {200}

    assert desk.asked() <= 8
