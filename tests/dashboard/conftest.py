"""Books of three thousand calls, a house in front of them, and a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from benchmarks.dashboard.seed import calls, seed
from msgspec.structs import replace

from tests.dashboard.house import House, house, key_made, now_us
from thriftgate.core.alerting.alert import Sighting
from thriftgate.core.alerting.life import Habits
from thriftgate.core.control.whose import Whose
from thriftgate.dashboard.asked import Asked, Sources, Viewer
from thriftgate.dashboard.beside import Beside
from thriftgate.dashboard.gates import HERE
from thriftgate.dashboard.look import look_of
from thriftgate.dashboard.pages import PAGES
from thriftgate.dashboard.pages.page import Document
from thriftgate.ledger.entries import Entry
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

COUNT = 3_000
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "{{ 7 * 7 }}",
    "x" * 1_900,
)
"""Names that a page must show as text; longer ones no ledger takes."""
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty days of calls up to now, some with hostile names, two alerts and a budget's worth of spend."""
    path = tmp_path_factory.mktemp("books") / "ledger.db"
    until_us = now_us()
    seed(path, COUNT, until_us)
    asyncio.run(_oddities(path, until_us))
    return path


async def _oddities(path: Path, until_us: int) -> None:
    books = SqlLedger.open(path)
    try:
        await SqlAlerts(books).sight([sighting(name) for name in ("burn", HOSTILE[0])], Habits(), lambda *_: (), until_us)
        for entry in odd_calls(until_us):
            await books.settle(entry)
    finally:
        await books.close()


def sighting(name: str) -> Sighting:
    """Something to be told of."""
    return Sighting(
        signature=name,
        kind="spend",
        sentence=f"{name} spends five times as much as a week ago",
        severity="critical",
        rule="spend-jump",
        labels=(f"key={name}",),
        since_us=now_us() - 3_600_000_000,
        evidence=("now=$5.00 an hour", f"before={name}"),
        action=f"look at the latest calls of {name}",
        pico_per_h=5 * 10**12,
    )


def odd_calls(until_us: int) -> Iterator[Entry]:
    """Calls whose every name is hostile."""
    for at, (entry, name) in enumerate(zip(calls(len(HOSTILE), until_us, days=1, seed=3), HOSTILE, strict=True)):
        moment = until_us - (at + 1) * 60_000_000
        named = {"task": name, "key": name, "model": name, "asked_model": name, "note": name}
        yield replace(
            entry,
            id=f"tg_{moment:014x}0dd00000{at:04x}",
            opened_us=moment,
            settled_us=moment,
            whose=Whose(team=name),
            **named,
        )


@pytest.fixture
async def sources(ledger: Path) -> Any:
    """The books, opened as `thriftgate dashboard` opens them."""
    from tests.fixtures import settings_of

    alone = Beside(settings_of(ledger={"path": str(ledger)}))
    yield await alone.sources()
    await alone.close()


def asked_of(sources: Sources, viewer: Viewer = HERE, rest: str = "", **query: str) -> Asked:
    """A request for a page."""
    return Asked(sources, viewer, look_of(query, sources.clock.now_s()), rest, query)


async def document_of(slug: str, asked: Asked) -> Document:
    """What the page says."""
    return await PAGES[slug].document(asked)


class Owned(NamedTuple):
    """A house and the secret of its owner's key."""

    house: House
    secret: str


@pytest.fixture(scope="session")
def owned(ledger: Path) -> Iterator[Owned]:
    """A gateway with its dashboard over the books, and its owner."""
    with house(ledger) as served:
        yield Owned(served, key_made(served.settings, "owner of it all", "owner")[1])


@pytest.fixture(scope="module")
def chromium(owned: Owned) -> Iterator[Any]:
    """A headless browser; without one these tests are skipped, and say so. While it is open this thread has a running loop
    of the browser's, so `owned` is made before, and nothing else may be that needs a loop."""
    assert owned
    if CHROMIUM is None:
        why = os.environ.get("THRIFTGATE_CHROMIUM_REFUSED", "no chromium on the path")
        pytest.skip(f"the dashboard is not driven in a browser: {why}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
