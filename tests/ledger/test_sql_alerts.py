"""What is kept of alerts, in a real file: opened once, told through the routes, silenced, resolved, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from thriftgate.core.alerting.alert import Alert, Sighting, Why
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.rules import Rule
from thriftgate.ledger import sql_alerts
from thriftgate.ledger.alerts import Routes
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import KEPT_US, OVERFLOW, SqlAlerts

MINUTE, HOUR = 60_000_000, 3_600_000_000
NOW = 1_795_262_400_000_000
HABITS = Habits()


def sighting(name: str = "s", **members: Any) -> Sighting:
    values: dict[str, Any] = {"signature": name, "kind": "loop", "sentence": f"about {name}", "level": 1.0}
    return Sighting(**values | members)


def to(*sinks: str) -> Routes:
    def routes(_alert: Alert, _why: Why) -> tuple[str, ...]:
        return sinks

    return routes


OPS = to("ops")


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[SqlAlerts]:
    ledger = SqlLedger.open(tmp_path / "books.db")
    yield SqlAlerts(ledger)
    await ledger.close()


async def taken(book: SqlAlerts, now_us: int = NOW, **members: Any) -> list[tuple[str, list[str]]]:
    """All messages that can be sent now: ids, and the sentences in each."""
    found = []
    values: dict[str, Any] = {"gathered_us": now_us, "digest_over": 5, "lease_us": MINUTE}
    while (message := await book.take_up("ops", now_us, **values | members)) is not None:
        found.append((message.id, [one.alert.sentence for one in message.notices]))
    return found


async def test_one_condition_is_one_alert_and_one_notice(book: SqlAlerts) -> None:
    assert await book.sight([sighting(), sighting(), sighting("t")], HABITS, OPS, NOW) == 2
    assert await book.sight([sighting()], HABITS, OPS, NOW + MINUTE) == 0
    newest, oldest = await book.alerts()
    assert (newest.signature, newest.count, oldest.signature, oldest.count) == ("t", 1, "s", 3)
    assert oldest.seen_us == NOW + MINUTE
    assert await book.alert(oldest.id) == oldest
    assert await book.alert(99) is None


async def test_every_member_survives(book: SqlAlerts) -> None:
    whole = sighting(
        severity="critical",
        rule="r",
        labels=("key=k", "team=t"),
        since_us=NOW - 5,
        until_us=NOW + HOUR,
        evidence=("a", "b"),
        action="do",
        pico_per_h=-(2**60),
        level=2.5,
    )
    await book.sight([whole], HABITS, OPS, NOW)
    (alert,) = await book.alerts()
    for name in Sighting.__struct_fields__:
        assert getattr(alert, name) == getattr(whole, name), name
    (told,) = await book.notices()
    assert told.notice.alert == alert


async def test_it_resolves_itself_and_comes_back_as_the_same(book: SqlAlerts) -> None:
    await book.sight([sighting()], HABITS, OPS, NOW)
    assert await book.settle_down(HABITS, OPS, NOW + 15 * MINUTE - 1) == 0
    assert await book.settle_down(HABITS, OPS, NOW + 15 * MINUTE) == 1
    assert await book.settle_down(HABITS, OPS, NOW + 16 * MINUTE) == 0
    await book.sight([sighting()], HABITS, OPS, NOW + HOUR)
    (alert,) = await book.alerts()
    assert (alert.state, alert.flaps, alert.count) == ("open", 1, 2)
    await book.settle_down(HABITS, OPS, NOW + 2 * HOUR)
    await book.sight([sighting()], HABITS, OPS, NOW + 100 * HOUR)
    assert [one.state for one in await book.alerts()] == ["open", "resolved"]
    assert [one.notice.why for one in await book.notices()] == ["opened", "resolved", "opened", "resolved", "opened"]


async def test_a_clock_that_was_put_back_keeps_nothing_standing(book: SqlAlerts) -> None:
    await book.sight([sighting()], HABITS, OPS, NOW + 1000 * HOUR)
    assert await book.settle_down(HABITS, OPS, NOW) == 0
    assert await book.settle_down(HABITS, OPS, NOW + 15 * MINUTE) == 1


async def test_routes_say_who_is_told(book: SqlAlerts) -> None:
    assert await book.sight([sighting()], HABITS, to("a", "b"), NOW) == 2
    assert await book.sight([sighting("t")], HABITS, to(), NOW) == 0
    assert {one.notice.sink for one in await book.notices()} == {"a", "b"}


async def test_silences(book: SqlAlerts) -> None:
    await book.sight([sighting("old", labels=("team=search",))], HABITS, OPS, NOW)
    silence = await book.silence(("team=sea*",), NOW + HOUR, "ada", "we know", NOW)
    assert [one.state for one in await book.alerts()] == ["silenced"]
    assert await book.sight([sighting("new", labels=("team=search",))], HABITS, OPS, NOW) == 0
    assert await book.sight([sighting("other", labels=("team=ads",))], HABITS, OPS, NOW) == 1
    assert await book.silences(NOW) == [silence]
    assert await book.silences(NOW + HOUR) == []
    assert await book.unsilence(silence.id, NOW + MINUTE) == silence
    assert await book.unsilence(silence.id, NOW + MINUTE) is None
    assert await book.sight([sighting("new", labels=("team=search",))], HABITS, OPS, NOW + MINUTE) == 1


async def test_acknowledging(book: SqlAlerts) -> None:
    await book.sight([sighting()], HABITS, OPS, NOW)
    (alert,) = await book.alerts()
    known = await book.acknowledge(alert.id, "ada")
    assert known is not None
    assert (known.state, known.by) == ("acknowledged", "ada")
    assert await book.sight([sighting()], HABITS, OPS, NOW + 1000 * HOUR) == 0
    assert await book.acknowledge(99, "ada") is None
    await book.settle_down(HABITS, OPS, NOW + 2000 * HOUR)
    assert await book.acknowledge(alert.id, "ada") is None


async def test_rules_made_at_run_time(book: SqlAlerts) -> None:
    rule = Rule("dear", above=5.0, where=("team=t",))
    await book.put_rule(rule, "ada", NOW)
    await book.put_rule(Rule("b", above=1.0), "ada", NOW)
    await book.put_rule(Rule("b", above=2.0), "bob", NOW + 1)
    assert [(one.rule.name, one.rule.above, one.by) for one in await book.rules()] == [
        ("b", 2.0, "bob"),
        ("dear", 5.0, "ada"),
    ]
    assert (await book.rules())[1].rule == rule
    assert await book.remove_rule("dear")
    assert not await book.remove_rule("dear")


async def test_a_few_leave_one_by_one_many_as_one(book: SqlAlerts) -> None:
    await book.sight([sighting(str(n)) for n in range(5)], HABITS, OPS, NOW)
    assert [sentences for _, sentences in await taken(book)] == [[f"about {n}"] for n in range(5)]
    await book.sight([sighting(str(n)) for n in range(10, 16)], HABITS, OPS, NOW)
    ((_, together),) = await taken(book)
    assert len(together) == 6


async def test_a_message_waits_for_others(book: SqlAlerts) -> None:
    await book.sight([sighting()], HABITS, OPS, NOW)
    assert not await taken(book, gathered_us=NOW - 1)
    assert await taken(book, gathered_us=NOW)
    await book.sight([sighting("t")], HABITS, OPS, NOW + HOUR)
    assert await taken(book, NOW, gathered_us=NOW - 1), "of a clock that was put back it does not wait for the hour to pass"


async def test_a_message_that_failed_comes_again_as_it_was(book: SqlAlerts) -> None:
    await book.sight([sighting(str(n)) for n in range(6)], HABITS, OPS, NOW)
    ((message, sentences),) = await taken(book)
    await book.failed(message, "no answer", NOW + MINUTE)
    assert await book.next_due("ops") == NOW + MINUTE
    await book.sight([sighting("later")], HABITS, OPS, NOW)
    assert await taken(book, NOW + MINUTE - 1) == [("tga_7_1", ["about later"])]
    assert await taken(book, NOW + MINUTE - 1) == []
    again = await taken(book, NOW + MINUTE)
    assert again[0] == (message, sentences)
    await book.sent(message, NOW + MINUTE)
    assert await book.sent_since("ops", NOW) == [NOW + MINUTE]
    told = await book.notices(state="sent")
    assert {(one.tries, one.message) for one in told} == {(2, message)}
    await book.failed("tga_7_1", "never", 0)
    (dead,) = await book.notices(state="dead")
    assert (dead.error, dead.notice.alert.sentence) == ("never", "about later")
    assert await book.next_due("ops") is None


async def test_what_was_about_to_be_sent_is_sent_in_the_next_life(tmp_path: Path) -> None:
    """As a kill leaves it: the try is put down, its end is not."""
    ledger = SqlLedger.open(tmp_path / "books.db")
    await SqlAlerts(ledger).sight([sighting()], HABITS, OPS, NOW)
    (first,) = await taken(SqlAlerts(ledger))
    await ledger.close()
    ledger = SqlLedger.open(tmp_path / "books.db")
    book = SqlAlerts(ledger)
    assert not await taken(book, NOW + 1)
    assert await taken(book, NOW + MINUTE) == [first]
    assert await book.sight([sighting()], HABITS, OPS, NOW + 2 * MINUTE) == 0, "and nothing is told anew"
    await ledger.close()


async def test_too_many_at_once_are_counted_together(book: SqlAlerts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_alerts, "STANDING_MAX", 10)
    many = [sighting(str(n), severity="critical" if n == 99 else "info", pico_per_h=1) for n in range(100)]
    assert await book.sight(many, HABITS, OPS, NOW) == 11
    standing = await book.alerts()
    assert len(standing) == 11
    assert standing[0].signature == OVERFLOW
    assert standing[0].sentence == "more than 10 alerts stand: further conditions, 90 at once, are only counted"
    assert (standing[0].severity, standing[0].pico_per_h) == ("critical", 90)
    assert await book.sight([sighting("3", severity="info"), sighting("50")], HABITS, OPS, NOW) == 0
    assert (await book.alerts())[-4].count == 2
    assert (await book.alerts())[0].count == 2


async def test_the_books_are_bounded(book: SqlAlerts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_alerts, "RESOLVED_MAX", 3)
    monkeypatch.setattr(sql_alerts, "NOTICES_MAX", 4)
    monkeypatch.setattr(sql_alerts, "SILENCES_MAX", 5)
    await book.sight([sighting(str(n)) for n in range(10)], HABITS, OPS, NOW)
    await book.settle_down(HABITS, to(), NOW + HOUR)
    await book.sight([sighting("stands")], HABITS, OPS, NOW + HOUR)
    for message, _ in await taken(book, NOW + HOUR):
        await book.sent(message, NOW)
    for n in range(20):
        await book.silence((f"key={n}",), NOW + HOUR, "ada", "why", NOW)
    await book.sweep(NOW + HOUR)
    assert [one.signature for one in await book.alerts()] == ["stands", "9", "8", "7"]
    assert len(await book.notices()) == 4
    assert len(await book.silences(NOW)) == 5
    await book.sweep(NOW + 2 * HOUR + KEPT_US)
    assert [one.signature for one in await book.alerts()] == ["stands"]
    assert not await book.notices()


async def test_notices_of_one_alert(book: SqlAlerts) -> None:
    await book.sight([sighting("a"), sighting("b")], HABITS, OPS, NOW)
    (told,) = await book.notices(alert_id=2)
    assert (told.notice.alert.signature, told.state, told.tries) == ("b", "due", 0)


async def test_two_processes_write_one_book(tmp_path: Path) -> None:
    """The gateway's, and a command line beside it."""
    gateway, beside = (SqlLedger.open(tmp_path / "books.db") for _ in range(2))
    await asyncio.gather(
        *(SqlAlerts(gateway).sight([sighting(str(n))], HABITS, OPS, NOW) for n in range(30)),
        *(SqlAlerts(beside).silence((f"key={n}",), NOW + 1, "ada", "why", NOW) for n in range(30)),
    )
    assert len(await SqlAlerts(beside).alerts()) == 30
    assert len(await SqlAlerts(gateway).silences(NOW)) == 30
    await gateway.close()
    await beside.close()
