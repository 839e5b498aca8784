"""The dashboard driven in headless Chromium: no script error, no breach of its policy, nothing that a reader cannot use."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.dashboard.conftest import HOSTILE, Owned
from tests.dashboard.house import PAGES

SLUGS = ("", "live", "alerts", "budgets", "cache", "what-if?calls=250", "quality", "batches", "keys", "settings")
LOOKS = (("light", 1280), ("dark", 1280), ("light", 320), ("dark", 320))
BY_LOOK = {"runOnly": ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]}
"""The rules whose answer depends on colours and widths; the others are asked once."""
QUICK_MS = 15_000
INLINE = (
    "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => /^(style|on.*)$/.test(n)).length"
)
"""How many attributes there are that hold style or script."""
AXE = Path(str(find_spec("axe_playwright_python").origin)).parent / "axe.min.js"  # type: ignore[union-attr]


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.set_default_timeout(QUICK_MS)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))


@pytest.fixture
def browsing(chromium: Any, owned: Owned) -> Iterator[Watched]:
    """Logged in as the owner."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page())
    log_in(watched.page, owned)
    yield watched
    context.close()


def log_in(page: Any, owned: Owned) -> None:
    page.goto(owned.house.url + PAGES)
    page.fill("#key", owned.secret)
    page.press("#key", "Enter")
    page.wait_for_url(f"**{PAGES}")


def call(owned: Owned, secret: str, task: str) -> str:
    """A small call through the gateway to the simulator; its id."""
    body = {"model": "claude-opus-4-8", "max_tokens": 40, "messages": [{"role": "user", "content": "hello there"}]}
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    request = urllib.request.Request(
        f"{owned.house.url}/v1/messages", msgspec.json.encode(body), headers | {"thriftgate-task": task}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.headers["thriftgate-request-id"])


def test_from_a_login_to_a_call_explained(browsing: Watched, owned: Owned) -> None:
    """Make a team, a key and a budget; send a call; watch it arrive; read why it cost what it did; log out."""
    page, url = browsing.page, owned.house.url + PAGES
    page.click("text=Keys & teams")
    page.fill("#t-name", "search")
    page.click("text=Add a team")
    page.fill("#k-name", "search <i>prod</i>")
    page.select_option("#k-team", label="search")
    page.click("text=Make the key")
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("tg-")
    page.goto(f"{url}/keys")
    assert secret not in page.content(), "a secret is shown once"
    page.goto(f"{url}/budgets")
    page.fill("#b-name", "search a day")
    page.fill("#b-limit", "0.5")
    page.select_option("#b-window", "day")
    page.select_option("#b-kind", "team")
    page.fill("#b-value", "search")
    page.click("text=Make the budget")
    page.wait_for_selector(".budget h2:has-text('search a day')")
    page.goto(f"{url}/live")
    page.wait_for_selector("[data-live-state].good")
    id_ = call(owned, secret, "<b>odd</b> task")
    page.wait_for_selector(f"tr.fresh a[href$='{id_}']")
    row = page.locator("tr.fresh", has=page.locator(f"a[href$='{id_}']"))
    assert "<b>odd</b> task" in row.inner_text()
    row.locator("a").first.click()
    page.wait_for_selector("h1:has-text('One call, explained')")
    assert id_ in page.inner_text("main")
    assert "cache.breakpoints" in page.inner_text("main")
    page.goto(f"{url}/budgets")
    spent = page.locator(".budget", has_text="search a day").locator("data.usd").first.get_attribute("value")
    assert float(spent) > 0, "the call counts"
    page.click("text=Log out")
    page.wait_for_url("**/login")
    assert browsing.wrong == []


def test_a_slider_changes_the_figures(browsing: Watched, owned: Owned) -> None:
    """Without a button, and with the URL kept in step, so that it can be sent to somebody."""
    page = browsing.page
    page.goto(f"{owned.house.url}{PAGES}/what-if?calls=250&span=all")
    page.wait_for_selector("#answer .tile")
    before = page.locator("#answer .tile data.usd").nth(1).get_attribute("value")
    place = page.locator("#w-batch").bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 8, middle)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] / 2, middle, steps=4)
    page.mouse.move(place["x"] + place["width"] + 40, middle, steps=4)
    page.mouse.up()
    page.wait_for_function(
        "was => document.querySelectorAll('#answer .tile data.usd')[1]?.value !== was"
        " && document.querySelector('#answer').getAttribute('aria-busy') === 'false'",
        arg=before,
    )
    assert float(page.locator("#answer .tile data.usd").nth(1).get_attribute("value")) < float(before)
    assert "batch=100" in page.url
    assert page.locator("output[for=w-batch]").inner_text() == "100 %"
    assert browsing.wrong == []


def test_hostile_names_are_text(browsing: Watched, owned: Owned) -> None:
    page = browsing.page
    for path in (
        "?span=24h",
        "?span=24h&by=task",
        "/live",
        "/cache?span=24h",
        "/quality?span=24h",
        "/alerts",
        "/keys?span=24h",
    ):
        page.goto(owned.house.url + PAGES + path)
        assert page.evaluate("document.querySelectorAll('main script, main img, main iframe').length") == 0
        assert "{{ 7 * 7 }}" in page.content() or path == "/alerts"
        assert HOSTILE[0].replace("<", "&lt;").replace(">", "&gt;") in page.content()
        assert "\u202e" not in page.content()
    page.goto(f"{owned.house.url}{PAGES}?team=%3Cscript%3Ealert(1)%3C/script%3E&key=%22%3E%3Cimg src=x%3E")
    assert page.locator("h1").inner_text() == "Overview"
    assert browsing.wrong == []


def test_without_a_script(chromium: Any, owned: Owned) -> None:
    """A button submits what a slider would change, and pages show the same figures."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, owned)
    page.goto(f"{owned.house.url}{PAGES}/what-if?calls=250")
    page.select_option("#w-caching", "none")
    page.click("text=Work it out")
    assert "caching=none" in page.url
    assert page.locator("#answer .tile").count() == 3
    page.goto(f"{owned.house.url}{PAGES}/live")
    assert page.locator("tbody[data-live-settled] tr").count() == 50
    context.close()


def test_the_keyboard_reaches_everything(browsing: Watched, owned: Owned) -> None:
    page = browsing.page
    page.goto(owned.house.url + PAGES)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_accessible(chromium: Any, owned: Owned) -> None:
    """axe-core on every page, for desktop and phone, light and dark: no violation. Nothing runs over the edge at 320 pixels.
    Only this test lets a script of its own around the policy: the checker."""
    context = chromium.new_context(bypass_csp=True, reduced_motion="reduce")
    watched = Watched(context.new_page())
    page = watched.page
    page.goto(f"{owned.house.url}{PAGES}/login")
    found = {"login": violations(page)}
    log_in(page, owned)
    page.goto(f"{owned.house.url}{PAGES}/live")
    link = page.locator("tbody[data-live-settled] a").nth(20).get_attribute("href")
    for slug in (*SLUGS, link.removeprefix(f"{PAGES}/"), "nowhere"):
        page.goto(f"{owned.house.url}{PAGES}/{slug}")
        page.evaluate("() => [...document.querySelectorAll('details')].slice(0, 6).forEach(one => { one.open = true })")
        found[slug] = violations(page)
    assert {slug: told for slug, told in found.items() if told} == {}
    assert [one for one in watched.wrong if "404" not in one] == []
    context.close()


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong, in words: for a desktop and a phone, light and dark."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = []
    for at, (scheme, width) in enumerate(LOOKS):
        only = BY_LOOK if at else {}
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        told = page.evaluate("only => axe.run(document, {resultTypes: ['violations'], ...only})", only)
        found += [f"{scheme} {width}: {one['id']}: {one['nodes'][0]['html'][:160]}" for one in told["violations"]]
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [f"{wide} pixels wide at {width}"] if wide > width else []
    return found


def test_the_policy_is_kept(chromium: Any, owned: Owned) -> None:
    """Each page under its own Content-Security-Policy: not one violation reported, and inline scripts do not run."""
    context = chromium.new_context()
    page = context.new_page()
    page.add_init_script(
        "window.breaches = []; addEventListener('securitypolicyviolation', e => breaches.push(e.violatedDirective))"
    )
    log_in(page, owned)
    for slug in SLUGS:
        response = page.goto(f"{owned.house.url}{PAGES}/{slug}")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
        page.wait_for_timeout(30)
        assert page.evaluate("breaches") == [], slug
        assert page.evaluate(INLINE) == 0, slug
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.wait_for_timeout(50)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("breaches").count("img-src") <= 1
    context.close()
