# SPDX-License-Identifier: Apache-2.0
"""What a browser is answered, and who is not."""

import html
import io
import json
import re
from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio
from snapshots import Objects

from cli.kubectl import snapshot
from cli.kubectl.map import live as lives
from cli.kubectl.map import model, service
from kube.errors import ApiError

BLUE = "pools/InClusterIPPool/default/blue"


pytestmark = pytest.mark.asyncio(loop_scope="module")  # that of the fixture `origin`


@pytest_asyncio.fixture(loop_scope="module")
async def browser() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("TOKEN/", (200, "blue")),
        (f"TOKEN/{BLUE}", (200, "claim default/web")),
        (f"TOKEN/{BLUE}?block=10.0.0.0/26&q=web&namespace=default", (200, "10.0.0.0/26")),
        (f"TOKEN/{BLUE}?block=nonsense", (404, "not a block")),
        (f"TOKEN/{BLUE}?block=2001:db8::/64", (404, "not a block")),
        (
            "TOKEN/pools/InClusterIPPool/default/none",
            (404, "InClusterIPPool default/none does not exist"),
        ),
        ("TOKEN/pools/Secret/default/blue", (404, "Secret default/blue does not exist")),
        (f"TOKEN/{BLUE}?page=0", (422, "")),
        (f"TOKEN/?q={'x' * 300}", (422, "")),
        ("TOKEN/static/map.js", (200, "EventSource")),
        ("TOKEN/static/..%2fpages.py", (404, "")),
        ("TOKEN/docs", (404, "")),
        ("TOKEN", (404, "")),
        ("", (404, "")),
        ("wrong/", (404, "")),
        ("TOKENx/", (404, "")),
        ("%C3%A9/", (404, "")),
    ],
)
async def test_answers(
    browser: aiohttp.ClientSession, origin: str, token: str, path: str, expected: tuple[int, str]
) -> None:
    async with browser.get(f"{origin}/{path.replace('TOKEN', token)}") as answer:
        assert answer.status == expected[0]
        assert expected[1] in await answer.text()
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; ")
        assert "unsafe" not in policy


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", ""])
async def test_another_host_name_is_refused(
    browser: aiohttp.ClientSession, origin: str, token: str, host: str
) -> None:
    async with browser.get(f"{origin}/{token}/", headers={"Host": host}) as answer:
        assert answer.status == 421
        assert "blue" not in await answer.text()


async def test_localhost_is_this_machine(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    port = origin.rpartition(":")[2]
    headers = {"Host": f"localhost:{port}"}
    async with browser.get(f"{origin}/{token}/", headers=headers) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_only_reading_is_allowed(
    browser: aiohttp.ClientSession, origin: str, token: str, method: str
) -> None:
    async with browser.request(method, f"{origin}/{token}/") as answer:
        assert answer.status == 405


MANIFEST = """\
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: InClusterIPPool
metadata: {name: blue, namespace: default}
spec: {addresses: ["10.0.0.0/28"], prefix: 24}
"""


async def test_a_form_leads_to_a_url_of_what_the_manifest_changes(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    form = {"manifest": MANIFEST.replace("\n", "\r\n")}  # as browsers send lines
    async with browser.post(f"{origin}/{token}/{BLUE}", data=form) as answer:
        text = await answer.text()
        url = str(answer.url)

    assert answer.status == 200
    assert re.fullmatch(rf"{origin}/{token}/{BLUE}\?plan=[0-9a-f]{{12}}", url)
    assert f">\n{html.escape(MANIFEST, quote=False).replace(chr(34), '&#34;')}</textarea>" in text
    assert '"10.0.0.16, lost"' in text
    async with browser.get(f"{url}&block=10.0.0.0/24") as again:
        assert '"10.0.0.16, lost"' in await again.text()
    async with browser.get(url.replace(f"/{BLUE}", "/")) as overview:
        assert "InClusterIPPool default/blue</a>" in await overview.text()


@pytest.mark.parametrize("text", ["", "a: [", "</textarea><script>alert(1)</script>", "\0\xff"])
async def test_a_bad_manifest_is_kept_in_the_form(
    browser: aiohttp.ClientSession, origin: str, token: str, text: str
) -> None:
    async with browser.post(f"{origin}/{token}/", data={"manifest": text}) as answer:
        page = await answer.text()

    assert answer.status == 200
    assert f">\n{html.escape(text)}</textarea>" in page
    assert "The manifest cannot be planned: the manifest" in page


async def test_a_form_may_be_anything(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    for data in (b"", b"\xff=%ff&manifest", b"a=1&" * 9):
        async with browser.post(f"{origin}/{token}/", data=data) as answer:
            assert answer.status == 200
            assert "the manifest contains no pool" in await answer.text()


async def test_a_form_that_is_too_large_is_refused(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    form = io.BytesIO(b"manifest=" + b"x" * service._MOST_BYTES)
    async with browser.post(f"{origin}/{token}/", data=form) as answer:
        assert answer.status == 413
        assert "larger than 2 MiB" in await answer.text()


async def test_a_form_needs_the_token_and_the_host(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    form = {"manifest": MANIFEST}
    async with browser.post(f"{origin}/wrong/", data=form) as answer:
        assert answer.status == 404
    headers = {"Host": "evil.example"}
    async with browser.post(f"{origin}/{token}/", data=form, headers=headers) as answer:
        assert answer.status == 421


async def test_a_manifest_that_is_not_kept_is_named(
    browser: aiohttp.ClientSession, origin: str, token: str
) -> None:
    async with browser.get(f"{origin}/{token}/{BLUE}?plan=0123456789ab") as answer:
        assert answer.status == 404
        text = "the command no longer keeps the manifest 0123456789ab: submit the form again\n"
        assert await answer.text() == text


async def test_pools_that_cannot_be_read_now_are_no_traceback(
    browser: aiohttp.ClientSession,
    origin: str,
    token: str,
    objects: Objects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def get(*_: object) -> bytes:
        raise ApiError(503, "later", "later", "GET x")

    monkeypatch.setattr(objects.api, "get", get)
    async with browser.post(f"{origin}/{token}/", data={"manifest": MANIFEST}) as answer:
        assert answer.status == 503
        assert (await answer.text()).startswith("the pools cannot be read: ")


async def generation(answer: aiohttp.ClientResponse) -> int:
    async for line in answer.content:
        if line.startswith(b"data: "):
            state: dict[str, int] = json.loads(line.removeprefix(b"data: "))
            return state["generation"]
    raise AssertionError("the stream ended")


async def test_a_change_is_reported_and_shown(
    browser: aiohttp.ClientSession, origin: str, token: str, objects: Objects
) -> None:
    async with browser.get(f"{origin}/{token}/events") as events:
        assert events.content_type == "text/event-stream"
        first = await generation(events)
        objects.bound("new", "10.0.0.77")
        while True:
            assert await generation(events) > first
            async with browser.get(f"{origin}/{token}/{BLUE}") as answer:
                if "10.0.0.77, used, claim default/new" in await answer.text():
                    break


async def test_a_silent_stream_sends_comments(
    browser: aiohttp.ClientSession, origin: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_SILENCE_SECONDS", 0.01)
    async with browser.get(f"{origin}/{token}/events") as events:
        await generation(events)
        assert (await events.content.readline()).strip() == b""
        assert await events.content.readline() == b":\n"


async def test_streams_end_with_the_service(
    browser: aiohttp.ClientSession, origin: str, token: str, live: lives.Live
) -> None:
    async with browser.get(f"{origin}/{token}/events") as events:
        await generation(events)
        live.end()
        await events.content.read()


async def test_owners_that_cannot_be_read_now_are_read_later(
    live: lives.Live, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, failures = live._reader, [ApiError(503, "later", "later", "GET x")]
    read = reader.model

    async def fail_once(found: snapshot.Snapshot) -> model.Model:
        if failures:
            raise failures.pop()
        return await read(found)

    monkeypatch.setattr(reader, "model", fail_once)
    states = live.states(5)
    first = await anext(states)
    objects.bound("new", "10.0.0.77")

    assert await anext(states) != first
    assert not failures
