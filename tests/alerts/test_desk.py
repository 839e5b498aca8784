"""What is asked about alerts and done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.alerts.receiving import sighting
from tests.fixtures import TestClock
from thriftgate.alerts import desk as desk_module
from thriftgate.alerts.desk import Desk
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.rules import Rule
from thriftgate.core.errors import InputError
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts
from thriftgate.settings import AlertRuleRow

FIXED = Rule("fixed", above=1.0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    ledger = SqlLedger.open(tmp_path / "books.db")
    clock = TestClock()
    book = SqlAlerts(ledger)
    now_us = int(clock.now_s() * 1e6)
    await book.sight([sighting("a", labels=("team=t",)), sighting("b")], Habits(), lambda *_: ("ops",), now_us)
    yield Desk(book, [FIXED], clock)
    await ledger.close()


async def test_listing_and_showing(desk: Desk) -> None:
    assert [one.signature for one in await desk.alerts()] == ["b", "a"]
    assert [one.signature for one in await desk.alerts(after=2, limit=1)] == ["a"]
    shown = await desk.show(1)
    assert shown.alert.signature == "a"
    assert [one.notice.why for one in shown.notices] == ["opened"]
    assert not shown.silences
    with pytest.raises(InputError, match="there is no alert 9"):
        await desk.show(9)
    assert not await desk.dead_letters()


async def test_acknowledging(desk: Desk) -> None:
    assert (await desk.acknowledge(1, " ada ")).by == "ada"
    with pytest.raises(InputError, match="there is no alert 9 that stands"):
        await desk.acknowledge(9, "ada")
    for by in ("", "a\nb", "x" * 501):
        with pytest.raises(InputError, match="by: one line"):
            await desk.acknowledge(1, by)


async def test_silencing(desk: Desk) -> None:
    silence = await desk.silence(["team=t"], 3600, by="ada", why="we know")
    assert (await desk.show(1)).silences == [silence]
    assert (await desk.show(1)).alert.state == "silenced"
    assert await desk.silences() == [silence]
    await desk.unsilence(silence.id)
    assert not await desk.silences()
    with pytest.raises(InputError, match="there is no silence 1 that lasts"):
        await desk.unsilence(silence.id)


@pytest.mark.parametrize(
    ("matchers", "for_s", "why", "complaint"),
    [
        ([], 60, "w", "name what is to be silent"),
        (["colour=red"], 60, "w", "is not of the form"),
        (["team=t"], 0, "w", "for how long"),
        (["team=t"], 1e9, "w", "for how long"),
        (["team=t"], 60, " ", "why: one line"),
    ],
)
async def test_silences_that_cannot_be(desk: Desk, matchers: list[str], for_s: float, why: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        await desk.silence(matchers, for_s, by="ada", why=why)


async def test_rules(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    row = AlertRuleRow(name="mine", above=Decimal("2.5"), where=("team=t",))
    made = await desk.put_rule(row, by="ada")
    assert made.above == 2.5e12
    fixed, stored = await desk.rules()
    assert fixed == (FIXED,)
    assert [(one.rule, one.by) for one in stored] == [(made, "ada")]
    with pytest.raises(InputError, match="stands in the settings file"):
        await desk.put_rule(AlertRuleRow(name="fixed", above=Decimal(1)), by="ada")
    with pytest.raises(InputError, match="stands in the settings file"):
        await desk.remove_rule("fixed")
    with pytest.raises(InputError, match="one of above and below"):
        await desk.put_rule(AlertRuleRow(name="none"), by="ada")
    monkeypatch.setattr(desk_module, "RULES_MAX", 1)
    await desk.put_rule(row, by="bob")
    with pytest.raises(InputError, match="there are 1 rules already"):
        await desk.put_rule(AlertRuleRow(name="more", above=Decimal(1)), by="ada")
    await desk.remove_rule("mine")
    with pytest.raises(InputError, match="there is no alert rule 'mine'"):
        await desk.remove_rule("mine")
