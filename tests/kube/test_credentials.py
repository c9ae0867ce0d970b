# SPDX-License-Identifier: Apache-2.0
"""Credentials that somebody issues for a time: asked for once, in time, and not too often."""

import asyncio
from pathlib import Path

import pytest

from kube.credentials import Asked, Held, Identity, basic, bearer
from kube.errors import CredentialsError
from kube.files import File

LIFETIME = 600.0


class Issuer:
    """Issues numbered tokens; `problem` is why it does not, `open` what it waits for."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.problem = ""
        self.open = asyncio.Event()
        self.open.set()
        self.source = Asked(self.ask, lambda: self.now)

    async def ask(self) -> tuple[Identity, float]:
        self.asked += 1
        await self.open.wait()
        if self.problem:
            raise CredentialsError(self.problem)
        return Identity(f"Bearer {self.asked}"), LIFETIME

    async def header(self) -> str:
        return (await self.source.identity()).authorization


async def test_credentials_are_asked_for_when_they_end_and_not_before() -> None:
    issuer = Issuer()

    assert [await issuer.header(), await issuer.header()] == ["Bearer 1", "Bearer 1"]
    issuer.now += LIFETIME - 0.1
    assert await issuer.header() == "Bearer 1"
    issuer.now += 0.1
    assert await issuer.header() == "Bearer 2"


async def test_credentials_that_were_refused_are_replaced_once() -> None:
    issuer = Issuer()
    old = await issuer.source.identity()

    issuer.source.refused(old)
    assert await issuer.header() == "Bearer 2"
    issuer.source.refused(old)  # as another request says, later

    assert await issuer.header() == "Bearer 2"


async def test_many_requests_ask_one_question() -> None:
    issuer = Issuer()
    issuer.open.clear()
    waiting = [asyncio.create_task(issuer.header()) for _ in range(20)]
    await asyncio.sleep(0)

    issuer.open.set()

    assert set(await asyncio.gather(*waiting)) == {"Bearer 1"}
    assert issuer.asked == 1


async def test_a_request_that_gives_up_leaves_the_question_to_the_others() -> None:
    issuer = Issuer()
    issuer.open.clear()
    impatient = asyncio.create_task(issuer.header())
    patient = asyncio.create_task(issuer.header())
    await asyncio.sleep(0)

    impatient.cancel()
    issuer.open.set()

    assert await patient == "Bearer 1"
    assert issuer.asked == 1


async def test_a_failure_reaches_all_and_is_tried_again_after_a_second() -> None:
    issuer = Issuer()
    issuer.problem = "no network"
    for _ in range(5):
        with pytest.raises(CredentialsError, match="no network"):
            await issuer.header()
    assert issuer.asked == 1

    issuer.problem = ""
    issuer.now += 1.0

    assert await issuer.header() == "Bearer 2"


async def test_closing_ends_a_question_that_is_open() -> None:
    issuer = Issuer()
    issuer.open.clear()
    waiting = asyncio.create_task(issuer.header())
    await asyncio.sleep(0)

    await issuer.source.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_token_that_was_refused_is_read_again_though_its_file_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    held = Held(token=File(path))
    identity = await held.identity()
    assert identity.authorization == "Bearer old"

    def read_bytes(_: Path) -> bytes:
        return b"new"

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert await held.identity() == identity
    held.refused(identity)

    assert (await held.identity()).authorization == "Bearer new"


@pytest.mark.parametrize("token", [b"a\r\nX-Evil: 1", b"a b", "ä".encode(), b"\xff", b"a\x00"])
def test_what_is_no_token_never_becomes_a_header(token: bytes) -> None:
    with pytest.raises(CredentialsError, match="characters that no token has"):
        bearer(token)


def test_a_name_and_a_password_are_encoded() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
