"""The doctor's checks, each in sickness and in health."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.conftest import Books
from tests.cli.entries import MODEL, OPENED_US
from tests.fixtures import serving, settings_of
from thriftgate.cli import checks
from thriftgate.cli.checks import Check, check_all
from thriftgate.cli.serving import bind
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import day_from_iso
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book, load_models

TODAY = day_from_iso("2026-11-21")


def test_all_is_well_here(tmp_path: Path) -> None:
    settings = settings_of(
        ledger={"path": str(tmp_path / "new.db")}, upstream={"url": "https://api.anthropic.com"}, server={"port": 0}
    )
    found = check_all(settings)
    assert [check.name for check in found if not check.ok] == []
    assert len({check.name for check in found}) == len(found)
    assert not (tmp_path / "new.db").exists()


def test_without_settings_the_rest_is_checked() -> None:
    assert {check.name for check in check_all(None)} == {"python", "libraries", "token counter", "clock"}


def test_wrong_prices_are_told() -> None:
    settings = settings_of(prices={"discounts": [{"factor": "x"}]}, server={"port": 0})
    wrong = {check.name: check for check in check_all(settings) if not check.ok}
    assert "prices.discounts[0]" in wrong["price book"].detail


def test_libraries_have_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"msgspec {metadata.version('msgspec')}" in checks.libraries().detail
    monkeypatch.setattr(metadata, "requires", lambda _: ["msgspec>=0.1", "no-such-library>1", 'x>1; extra == "sdk"'])
    check = checks.libraries()
    assert not check.ok
    assert check.detail == "missing: no-such-library"


def test_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.python().ok
    monkeypatch.setattr(checks.sys, "version_info", (3, 10, 2))  # type: ignore[attr-defined]
    assert not checks.python().ok


@pytest.mark.parametrize(("there", "version"), [(True, (3, 12)), (False, (3, 11)), (False, (3, 12))])
def test_the_token_counter_is_named(there: bool, version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _: there or None)
    monkeypatch.setattr(metadata, "version", lambda _: "1.3.0")
    monkeypatch.setattr(checks.sys, "version_info", (*version, 0))  # type: ignore[attr-defined]
    check = checks.ctok()
    assert check.ok
    assert ("exact" in check.detail) == there
    assert bool(check.fix) != there


@pytest.mark.parametrize(("day", "ok"), [("2026-11-21", True), ("2020-01-01", False), ("2040-01-01", False)])
def test_the_clock(day: str, ok: bool) -> None:
    check = checks.clock(day_from_iso(day) * 86_400.0, load_models())
    assert check.ok == ok
    assert bool(check.fix) != ok


@pytest.mark.parametrize(("later", "advice"), [(0, False), (200, True)])
def test_the_age_of_the_price_book(later: int, advice: bool) -> None:
    check = checks.price_book(load_book(), load_models(), TODAY + later)
    assert check.ok
    assert load_book().id in check.detail
    assert bool(check.fix) == advice


def test_models_without_a_price_are_named() -> None:
    rows = load_models().rows
    assert "claude-mythos-preview" in checks.priced_models(load_book(), ModelTable(rows), TODAY).fix
    other = replace(rows[0], id="claude-next-9", aliases=())
    check = checks.priced_models(load_book(), ModelTable((*rows, other)), TODAY)
    assert "claude-next-9" in check.fix
    priced = tuple(row for row in rows if load_book().knows(row.id))
    assert checks.priced_models(load_book(), ModelTable(priced), TODAY).fix == ""


def test_sound_books(books: Books) -> None:
    check = checks.ledger(books.path)
    assert check.ok
    assert "4 calls, each sums to zero" in check.detail


def test_books_with_an_open_hold(tmp_path: Path) -> None:
    path = tmp_path / "l.db"

    async def hold() -> None:
        ledger = SqlLedger.open(path)
        await ledger.hold(Hold("tg_open", OPENED_US, "key", MODEL, 5, 3))
        await ledger.close()

    asyncio.run(hold())
    check = checks.ledger(str(path))
    assert check.ok
    assert "1 open holds" in check.detail


def test_books_that_were_tampered_with(books: Books, tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with closing(sqlite3.connect(books.path)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("update postings set pico = pico + 1 where account = 'upstream' and entry = ?", (books.ids[0],))
        copy.commit()
    check = checks.ledger(str(path))
    assert not check.ok
    assert books.ids[0] in check.detail


def test_other_ledgers(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("words")
    assert not checks.ledger(str(tmp_path / "text.db")).ok
    assert not checks.ledger(str(tmp_path / "text.db" / "l.db")).ok
    assert checks.ledger(":memory:").fix
    assert checks.ledger(str(tmp_path / "folder" / "l.db")).ok


@pytest.mark.parametrize(
    ("url", "ok"),
    [
        ("https://api.anthropic.com", True),
        ("http://127.0.0.1:8485", True),
        ("http://[::1]:8485", True),
        ("http://proxy.example.com", False),
        ("api.anthropic.com", False),
        ("ftp://x", False),
        ("https://", False),
    ],
)
def test_the_url(url: str, ok: bool) -> None:
    assert checks.upstream_url(url).ok == ok


def test_the_port() -> None:
    assert checks.port("127.0.0.1", 0).ok
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        taken.settimeout(0)
        number = taken.getsockname()[1]
        assert not checks.port("127.0.0.1", number).ok
    with serving(Gateway(settings_of())) as url:
        check = checks.port("127.0.0.1", int(url.rpartition(":")[2]))
    assert check.ok
    assert "running thriftgate" in check.detail


def test_as_a_document() -> None:
    assert Check("a", ok=False, detail="b", fix="c").document() == {"name": "a", "ok": False, "detail": "b", "fix": "c"}
