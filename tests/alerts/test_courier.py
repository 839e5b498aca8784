"""From the books to a sink: gathered, kept to a rate, tried again, given up aloud, and through a kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.receiving import NEAR, Sheet, roads, sighting, verified
from tests.fixtures import TestClock
from tests.scripted import Received, raw_answer, upstream
from thriftgate.alerts.courier import WAITS_S, Courier, Manners
from thriftgate.alerts.sinks.posting import WebhookSink
from thriftgate.core.alerting.alert import Message
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.message import Text
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

SECRET = b"a secret of some length"


class Desk:
    """A book, a clock, and one courier with a sheet."""

    def __init__(self, ledger: SqlLedger, **manners: Any) -> None:
        self.clock = TestClock()
        self.book = SqlAlerts(ledger)
        self.sheet = Sheet()
        self.courier = Courier("ops", self.sheet, self.book, self.clock, Manners(**manners))

    async def sight(self, *names: str, **members: Any) -> int:
        found = [sighting(name, **members) for name in names]
        return await self.book.sight(found, Habits(), lambda *_: ("ops",), int(self.clock.now_s() * 1e6))

    def told(self) -> list[str]:
        return [text.subject for _, text in self.sheet.sent]


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqlLedger]:
    ledger = SqlLedger.open(tmp_path / "books.db")
    yield ledger
    await ledger.close()


async def test_a_message_waits_for_others_and_is_sent_once(ledger: SqlLedger) -> None:
    desk = Desk(ledger, gather_s=10.0)
    assert await desk.courier.send_due() is None
    await desk.sight("a")
    assert await desk.courier.send_due() == 1.0
    desk.clock.advance(9)
    await desk.sight("b")
    await desk.courier.send_due()
    assert not desk.told()
    desk.clock.advance(1)
    await desk.courier.send_due()
    assert desk.told() == ["[warning] about a"]
    desk.clock.advance(9)
    assert await desk.courier.send_due() is None
    assert desk.told() == ["[warning] about a", "[warning] about b"]


async def test_ten_thousand_at_once_are_one_digest(ledger: SqlLedger) -> None:
    desk = Desk(ledger)
    names = [str(n) for n in range(10_000)]
    for at in range(0, len(names), 500):
        await desk.sight(*names[at : at + 500], pico_per_h=10**12)
    desk.clock.advance(10)
    await desk.courier.send_due()
    ((message, text),) = desk.sheet.sent
    assert text.subject == "2,001 alerts: 2,001 warning"
    assert len(text.lines) == 12
    assert len(message.notices) == 2_001
    standing = await desk.book.alerts(limit=10_000)
    assert len(standing) == 2_001
    overflow = next(one for one in standing if one.kind == "overflow")
    assert "are only counted" in overflow.sentence
    assert await desk.courier.send_due() is None


async def test_what_is_not_taken_is_tried_again_with_growing_waits(ledger: SqlLedger) -> None:
    desk = Desk(ledger, gather_s=0.0)
    desk.sheet.fails = 3
    await desk.sight("a")
    waits = []
    while (wait_s := await desk.courier.send_due()) is not None:
        waits.append(wait_s)
        desk.clock.advance(wait_s)
    assert waits == pytest.approx(WAITS_S[:3], abs=0.01)
    assert desk.told() == ["[warning] about a"]
    (told,) = await desk.book.notices()
    assert (told.state, told.tries, told.error) == ("sent", 4, "")


async def test_one_who_never_takes_it_is_given_up_and_that_is_seen(
    ledger: SqlLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(ledger, gather_s=0.0)
    desk.sheet.fails = 10**9
    await desk.sight("a")
    while (wait_s := await desk.courier.send_due()) is not None:
        desk.clock.advance(wait_s)
    assert desk.sheet.tried == len(WAITS_S) + 1
    (told,) = await desk.book.notices(state="dead")
    assert told.error == "told to fail"
    assert '"alert given up"' in capsys.readouterr().err
    await desk.sight("b")
    desk.sheet.fails = 0
    await desk.courier.send_due()
    assert desk.told() == ["[warning] about b"], "and the next one is told"


async def test_no_more_than_so_many_an_hour(ledger: SqlLedger) -> None:
    desk = Desk(ledger, gather_s=0.0, per_hour=2)
    for name in ("a", "b", "c"):
        await desk.sight(name)
        wait_s = await desk.courier.send_due()
        desk.clock.advance(60)
    assert desk.told() == ["[warning] about a", "[warning] about b"]
    assert wait_s == pytest.approx(3600 - 120, abs=1)
    for n in range(10):
        await desk.sight(f"more {n}")
    desk.clock.advance(3600 - 180)
    await desk.courier.send_due()
    assert desk.told()[2:] == ["11 alerts: 11 warning"], "what waited is told as one"


async def test_a_rate_does_not_believe_a_clock_that_was_put_back(ledger: SqlLedger) -> None:
    desk = Desk(ledger, gather_s=0.0, per_hour=1)
    desk.clock.advance(10 * 86_400)
    await desk.sight("a")
    await desk.courier.send_due()
    desk.clock.advance(-10 * 86_400)
    await desk.sight("b")
    await desk.courier.send_due()
    assert len(desk.told()) == 2


async def test_whatever_a_sink_raises_is_a_failure_without_words(
    ledger: SqlLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(ledger, gather_s=0.0)

    class Leaky(Sheet):
        async def send(self, message: Message, text: Text) -> None:
            raise RuntimeError("https://hooks.example/hush")

    desk.courier._sink = Leaky()
    await desk.sight("a")
    assert await desk.courier.send_due() == pytest.approx(WAITS_S[0], abs=0.01)
    (told,) = await desk.book.notices()
    assert told.error == "RuntimeError"
    assert "hush" not in capsys.readouterr().err


CHILD = """
import asyncio, sys
from tests.alerts.receiving import NEAR, roads, sighting
from thriftgate.alerts.courier import Courier, Manners
from thriftgate.alerts.sinks.posting import WebhookSink
from thriftgate.core.alerting.alert import Message
from thriftgate.core.alerting.life import Habits
from thriftgate.core.alerting.message import Text
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_alerts import SqlAlerts

async def main(path, url):
    async with roads(*NEAR) as there:
        book = SqlAlerts(SqlLedger.open(path))
        now_us = int(there.clock.now_s() * 1e6)
        await book.sight([sighting("a"), sighting("b")], Habits(), lambda *_: ("ops",), now_us)
        await Courier("ops", WebhookSink(url, {secret!r}, there), book, there.clock, Manners(0.0, 1)).send_due()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


async def test_killed_between_intent_and_answer_it_is_told_in_the_next_life_under_the_same_name(tmp_path: Path) -> None:
    """kill -9 while the receiver has the message and has not answered."""
    victims: list[int] = []

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        if victims:
            os.kill(victims.pop(), signal.SIGKILL)
            await asyncio.sleep(0.05)
            return
        writer.write(raw_answer(b"{}"))

    path = tmp_path / "books.db"
    async with upstream(script) as seen, roads(*NEAR) as there:
        child = subprocess.Popen([sys.executable, "-c", CHILD.replace("{secret!r}", repr(SECRET)), str(path), seen.url])
        victims.append(child.pid)
        code = await asyncio.to_thread(child.wait, 30)
        assert code == -signal.SIGKILL
        ledger = SqlLedger.open(path)
        book, clock = SqlAlerts(ledger), there.clock
        assert isinstance(clock, TestClock)
        assert {(one.state, one.tries) for one in await book.notices()} == {("due", 1)}
        courier = Courier("ops", WebhookSink(seen.url, SECRET, there), book, clock, Manners(0.0, 1))
        now_us = int(clock.now_s() * 1e6)
        assert not await book.sight([sighting("a")], Habits(), lambda *_: ("ops",), now_us), "no second notice"
        while (wait_s := await courier.send_due()) is not None:
            clock.advance(wait_s)
        await ledger.close()
    first, second = (verified(request, SECRET) for request in seen.requests)
    assert first["id"] == second["id"]
    assert first["count"] == second["count"] == 2
