# SPDX-License-Identifier: Apache-2.0
"""The map in a real browser: Debian's chromium, or Chrome."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncGenerator, Generator
from importlib import resources
from pathlib import Path

import pytest
import pytest_asyncio
from builders import BLUE, CONTRACT
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)
from snapshots import Objects

from cli.kubectl import supervisor
from cli.kubectl.map import model, overlay, pages, what_if
from kube.errors import ApiError
from objects.pools import RESOURCES

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), "")
AXE = resources.files("axe_playwright_python") / "axe.min.js"
SHOWN = """() => [...document.querySelectorAll("main :is(td, th, p, li):not([data-info])")].map(
    (each) => `${each.className}|${each.getAttribute("aria-label")}|${each.textContent}`
)"""
"""All that a page says."""
SERIOUS = {"serious", "critical"}
PREFIX_POOL = "InClusterPrefixPool"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),  # that of the browser
    pytest.mark.skipif(
        not FOUND and "CI" not in os.environ, reason="there is no chromium: make e2e-packages"
    ),
]


class Problems(list[str]):
    """What a page must not do: report an error, or ask another server for anything."""

    @contextlib.contextmanager
    def watching(self, page: Page) -> Generator[None]:
        """Fail at the end of the block if the page had errors."""
        page.on("pageerror", self._failed)
        page.on("console", self._said)
        page.on("request", self._asked)
        yield
        page.remove_listener("pageerror", self._failed)
        page.remove_listener("console", self._said)
        page.remove_listener("request", self._asked)
        assert self == []

    def _failed(self, error: Error) -> None:
        self.append(str(error))

    def _said(self, message: ConsoleMessage) -> None:
        expected = ("404", "503", "ERR_CONNECTION_REFUSED")  # no pool, no API server, no service
        if not any(each in message.text for each in expected):
            self.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "file:", "data:")):
            self.append(request.url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = await playwright.chromium.launch(executable_path=FOUND, args=flags)
        yield found
        await found.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(browser: Browser) -> AsyncGenerator[Page]:
    size = ViewportSize(width=1280, height=720)
    async with await browser.new_context(viewport=size) as context:
        yield await context.new_page()


@pytest_asyncio.fixture(params=["light"], loop_scope="module")
async def page(request: pytest.FixtureRequest, tab: Page) -> AsyncGenerator[Page]:
    """Empty the tab afterwards; each test has an origin of its own, so it finds nothing stored."""
    await tab.emulate_media(color_scheme=request.param)
    with Problems().watching(tab):
        yield tab
        await tab.goto("about:blank")


@pytest.fixture
def objects() -> Objects:
    """Return a pool with each state, a large one, and one of prefixes."""
    found = Objects()
    found.pool("10.0.0.0/24", gateway="10.0.0.1", excludedAddresses=["10.0.0.32-10.0.0.47"])
    for number in range(2, 29):
        owner = {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "Machine",
            "name": f"machine-{number}",
            "uid": f"uid-{number}",
        }
        labels = {"cluster.x-k8s.io/cluster-name": "prod" if number % 3 else "test"}
        name, address = f"web-{number}", f"10.0.0.{number}"
        found.claim(name, bound=True, ownerReferences=[owner], labels=labels)
        found.address(name, address)
    found.address("gone", "10.0.0.60")
    found.address("stray", "10.0.9.9")
    found.claim("late")
    found.pool("10.0.0.240-10.0.0.250", name="green")
    large = found.pool("10.1.0.0/16", name="large", prefix=16)
    for number in range(1, 130, 8):
        found.bound(f"many-{number}", f"10.1.{number % 32}.{number // 2}", large, 16)
    nets = found.pool("2001:db8::/48", name="nets", kind=PREFIX_POOL)
    found.bound("net", "2001:db8:0:7::", nets, 64)
    return found


MANIFEST = """\
apiVersion: ipam.cluster.x-k8s.io/v1alpha2
kind: InClusterIPPool
metadata:
  name: blue
  namespace: default
spec:
  addresses:
    - 10.0.0.0-10.0.0.23
    - 10.0.0.56-10.0.0.191
    - 10.0.1.0/26
  prefix: 23
  gateway: 10.0.0.1
"""


async def draw(page: Page, name: str) -> None:
    """Draw a picture for the documentation, if it is asked for."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / name)


async def tab_to(page: Page, focused: str) -> None:
    for _ in range(30):
        if await page.locator(focused).count():
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the tab key does not reach {focused}")


async def ask(page: Page, text: str) -> None:
    """Send a manifest by the form, with the keyboard alone."""
    await tab_to(page, "#what-if summary:focus")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(text)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")


async def check(page: Page) -> None:
    """Fail where axe-core finds something serious."""
    await page.evaluate(AXE.read_text())
    result = await page.evaluate('axe.run({reporter: "no-passes"})')  # else 10 MB a page
    found = [
        (each["id"], each["nodes"][0]["html"])
        for each in result["violations"]
        if each["impact"] in SERIOUS
    ]
    assert found == []


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
async def test_axe_finds_nothing_serious(page: Page, origin: str, token: str) -> None:
    for path in (
        "",
        "?q=web",
        *(f"pools/InClusterIPPool/default/{it}" for it in ("blue", "large")),
    ):
        await page.goto(f"{origin}/{token}/{path}")
        await expect(page.locator("#live")).to_have_text("live")
        await check(page)
    text = MANIFEST.replace("name: blue", "name: large").replace("10.0.1.0/26", "10.1.8.0/21")
    await ask(page, text.replace("prefix: 23", "prefix: 8"))
    await expect(page.locator("td.some-stranded").first).to_have_text("S")
    await check(page)


async def test_the_keyboard_alone_reaches_a_cell_and_a_block(
    page: Page, origin: str, token: str
) -> None:
    await page.goto(f"{origin}/{token}/")
    await page.keyboard.press("Tab")
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await page.locator("a:focus").filter(has_text="large").count():
            break
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("InClusterIPPool default/large")
    await tab_to(page, ".map td:focus")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("InClusterIPPool default/large: 10.1.1.0/24")
    assert page.url.endswith("large?block=10.1.1.0/24")
    await tab_to(page, ".map td:focus")
    await page.keyboard.press("End")
    await expect(page.locator("[data-info]")).to_contain_text("10.1.1.63, ")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("[data-info]")).to_contain_text("10.1.1.127, ")
    await page.keyboard.press("Home")
    await expect(page.locator("[data-info]")).to_contain_text(
        "10.1.1.64, used, claim default/many-"
    )


async def test_the_mouse_shows_who_has_an_address(page: Page, origin: str, token: str) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    await page.locator('td[aria-label^="10.0.0.4,"]').hover()

    text = "10.0.0.4, used, claim default/web-4 → Machine machine-4 → Cluster prod"
    await expect(page.locator("[data-info]")).to_have_text(text)
    await draw(page, "map.png")


async def test_the_form_makes_a_url_that_names_what_is_shown(
    page: Page, origin: str, token: str
) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    await page.get_by_role("combobox", name="Cluster").select_option("test")
    await page.get_by_role("button", name="Show").click()

    await expect(page.locator('td[aria-label^="10.0.0.4,"]')).to_have_class("used dim")
    await expect(page.locator('td[aria-label^="10.0.0.3,"]')).to_have_class("used")
    assert page.url.endswith("cluster=test")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
async def test_the_keyboard_alone_asks_what_if(page: Page, origin: str, token: str) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    await ask(page, MANIFEST)

    await expect(page.locator('td[aria-label^="10.0.0.100,"]')).to_have_class("free")
    await expect(page.locator('td[aria-label^="10.0.1.7,"]')).to_have_class("gained")
    await expect(page.locator('td[aria-label^="10.0.0.200,"]')).to_have_class("lost")
    stranded = page.locator('td[aria-label^="10.0.0.25,"]')
    await expect(stranded).to_have_class("stranded")
    await expect(page.locator("#what-if-answer")).to_contain_text("would no longer be in the pool")
    await expect(page.get_by_role("textbox", name="Manifest")).to_have_value(MANIFEST)
    await tab_to(page, ".map td:focus")
    await stranded.hover()
    await expect(page.locator("[data-info]")).to_contain_text("10.0.0.25, stranded, claim default/")
    await expect(page.locator("#live")).to_have_text("live")
    await check(page)
    await page.get_by_role("link", name="Show the present state").click()
    await expect(page.locator('td[aria-label^="10.0.0.200,"]')).to_have_class("free")


async def test_a_pool_that_would_serve_claims(page: Page, origin: str, token: str) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    await ask(page, MANIFEST.replace("10.0.0.0-10.0.0.23", "10.0.0.0-10.0.0.31"))

    row = page.get_by_role("row").filter(has_text="default/late")
    await expect(row).to_contain_text("The change would serve it.")
    answer = page.locator("#what-if-answer")
    await expect(answer).to_contain_text("serves 1 waiting claim")
    await expect(answer).to_contain_text("Apply it with: kubectl apply -f pools.yaml")
    await page.locator('td[aria-label^="10.0.1.7,"]').hover()
    await page.evaluate("document.querySelector('h1').scrollIntoView()")
    await draw(page, "what-if.png")


async def test_a_mistake_loses_no_input(page: Page, origin: str, token: str) -> None:
    await page.goto(f"{origin}/{token}/")
    await ask(page, "spec: [")
    text = page.get_by_role("textbox", name="Manifest")
    answer = page.locator("#what-if-answer")
    await expect(answer).to_contain_text("the manifest: line 1, column 8: ")
    await expect(text).to_have_value("spec: [")
    await check(page)

    await text.fill(MANIFEST.replace("10.0.1.0/26", "10.0.1.300"))
    await page.get_by_role("button", name="Show what would change").click()

    await expect(answer).to_contain_text("refused: spec.addresses[2]")
    assert await text.input_value() == MANIFEST.replace("10.0.1.0/26", "10.0.1.300")


async def test_changes_leave_the_text_that_somebody_edits(
    page: Page, origin: str, token: str, objects: Objects
) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/green")
    await page.locator("#what-if summary").click()
    text = page.get_by_role("textbox", name="Manifest")
    await expect(page.locator("#live")).to_have_text("live")

    objects.pool("10.0.0.240-10.0.0.251", name="green")
    await expect(page.locator('td[aria-label^="10.0.0.251,"]')).to_have_count(1)
    await expect(text).to_have_value(re.compile("- 10.0.0.240-10.0.0.251"))

    await text.fill("mine")
    objects.pool("10.0.0.240-10.0.0.252", name="green")
    await expect(page.locator('td[aria-label^="10.0.0.252,"]')).to_have_count(1)
    await expect(text).to_have_value("mine")


@pytest.mark.parametrize("changed", [False, True])
async def test_a_page_left_open_through_a_thousand_changes_stays_right(
    page: Page, origin: str, token: str, objects: Objects, *, changed: bool
) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    if changed:
        await ask(page, MANIFEST)
    await page.locator('td[aria-label^="10.0.0.100,"]').focus()
    namespace = "default"
    for number in range(500):
        name = f"new-{number}"
        objects.bound(name, f"10.0.0.{100 + number % 100}")
        if number < 400:
            objects.api.remove(CONTRACT.claims, namespace, name)
            objects.api.remove(CONTRACT.addresses, namespace, name)
        if number % 25 == 0:
            await asyncio.sleep(0.02)

    for number in range(100):
        state = "stranded" if changed and number > 91 else "used"
        label = f"10.0.0.{100 + number}, {state}, claim default/new-{400 + number}"
        await expect(page.locator(f'td[aria-label="{label}"]')).to_have_count(1)
    await expect(page.locator('td[aria-label^="10.0.0.100,"]')).to_be_focused()
    shown = await page.evaluate(SHOWN)
    await page.reload()
    assert len(shown) > 1000
    assert await page.evaluate(SHOWN) == shown


async def test_a_page_whose_pools_could_not_be_read_becomes_right(
    page: Page, origin: str, token: str, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/blue")
    await ask(page, MANIFEST)
    await expect(page.locator("#live")).to_have_text("live")
    failed = asyncio.Event()

    async def fail(*_: object) -> bytes:
        failed.set()
        raise ApiError(503, "later", "later", "GET x")

    with monkeypatch.context() as broken:
        broken.setattr(objects.api, "get", fail)
        objects.pool("10.0.0.0/24", excludedAddresses=["10.0.0.5"])
        await failed.wait()

    await expect(page.locator("#what-if-answer")).to_contain_text("gains 10.0.0.5, 10.0.1.0-")


async def test_a_page_says_why_it_is_not_live(
    page: Page, origin: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.goto(f"{origin}/{token}/")
    await expect(page.locator("#live")).to_have_text("live")

    with monkeypatch.context() as away:
        away.setattr(supervisor.InformerSupervisor, "failure", "the API server is away")
        await expect(page.locator("#live")).to_have_text("not live: the API server is away")

    await expect(page.locator("#live")).to_have_text("live")


async def test_a_pool_that_is_deleted_and_made_again(
    page: Page, origin: str, token: str, objects: Objects
) -> None:
    await page.goto(f"{origin}/{token}/pools/InClusterIPPool/default/green")
    await expect(page.locator("#live")).to_have_text("live")

    objects.api.remove(RESOURCES["InClusterIPPool"], "default", "green")
    gone = "InClusterIPPool default/green does not exist"
    await expect(page.locator("main")).to_contain_text(gone)
    objects.pool("10.0.0.240-10.0.0.250", name="green")
    await expect(page.locator("h1")).to_have_text("InClusterIPPool default/green")


async def test_a_file_has_the_changes_of_a_manifest(
    page: Page, objects: Objects, tmp_path: Path
) -> None:
    reader = model.Reader(objects.api, "https://example.com", "")
    found = await reader.model(await objects.snapshot())
    asked = what_if.WhatIf(objects.api, "")
    written = overlay.Manifest.read(MANIFEST, "kubectl apply -f pools.yaml")
    file = tmp_path / "map.html"
    file.write_text(pages.export(await asked.changed(found, written)))
    await page.goto(file.as_uri())
    await check(page)

    await page.get_by_role("link", name="InClusterIPPool default/blue").first.click()
    assert page.url.endswith(f"#{pages.anchor(BLUE)}")
    await expect(page.locator('td[aria-label^="10.0.1.7,"]')).to_have_class("gained")
    await expect(page.locator("form")).to_have_count(1)
    await expect(page.get_by_role("link", name="Show the present state")).to_have_count(0)


async def test_a_file_is_searched_without_a_server(
    page: Page, objects: Objects, tmp_path: Path
) -> None:
    reader = model.Reader(objects.api, "https://example.com", "")
    file = tmp_path / "map.html"
    file.write_text(pages.export(await reader.model(await objects.snapshot())))
    await page.goto(file.as_uri())
    await check(page)

    await page.get_by_role("searchbox").fill("web-4")

    row = page.locator(f'[id="{pages.anchor(BLUE, "10.0.0.4")}"]')
    await expect(row).to_be_visible()
    await expect(page.locator(f'[id="{pages.anchor(BLUE, "10.0.0.5")}"]')).to_be_hidden()
    await expect(page.locator('td[aria-label^="10.0.0.5,"]')).to_have_class("used dim")
    await page.locator('td[aria-label^="10.0.0.4,"]').click()
    assert page.url.endswith("10.0.0.4")
